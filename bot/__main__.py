"""`python -m bot` is the command `concierge`."""

from typing import NoReturn

from bot.command_line import main
from bot.interpreter import leave


def concierge() -> NoReturn:
    """Run one command, and end with its exit code."""
    leave(main())


if __name__ == "__main__":
    concierge()
