"""The `concierge` command."""


def main() -> None:
    """Run the command line."""
