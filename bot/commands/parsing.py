"""What every command of `concierge` is made with: its parser, its settings, its event loop."""

import argparse
import asyncio
import math
import os
from collections.abc import Callable, Coroutine

from bot.commands.failures import Exit
from bot.logs import configure_logging
from bot.settings import Settings, load_settings

Asked = argparse.Namespace
Work = Callable[[Asked], int]

# of what the process makes: for its own user alone
PRIVATE = 0o077


def command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    text: str,
    work: Work | None,
    *,
    json: bool = False,
) -> argparse.ArgumentParser:
    """Add a command that `work` does; with `json`, its `--json`."""
    parser = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    if work is not None:
        parser.set_defaults(work=work)
    if json:
        parser.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser


def number(kind: Callable[[str], float], least: float, most: float) -> Callable[[str], float]:
    """Reads an option that is a number within limits; the error says which."""

    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            word = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"must be {word} from {least:g} to {most:g}")
        return value

    return read


def quiet_settings() -> Settings:
    """Settings of a command that serves nobody: no secrets needed, and only warnings beside its output."""
    settings = load_settings(serving=False)
    configure_logging("warning", secrets=settings.secret_values)
    return settings


def run(work: Coroutine[None, None, int | None]) -> int:
    """Do it, on a loop of its own; the exit code."""
    os.umask(PRIVATE)
    return asyncio.run(work) or Exit.OK
