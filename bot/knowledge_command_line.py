"""The knowledge's commands: what can be asked of each. A part of bot/command_line.py."""

import argparse
from pathlib import Path

from bot.commands.parsing import Asked, command, quiet_settings, run
from database.clock import SystemClock


def add_knowledge_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Every command that puts knowledge in, asks it, or looks after it."""
    ingest = command(commands, "ingest", "read files and folders into the knowledge", _ingest, json=True)
    ingest.add_argument("paths", metavar="PATH", nargs="+", type=Path, help="a file, or a folder with all below it")
    ask = command(commands, "ask", "answer a question from the knowledge", _ask, json=True)
    ask.add_argument("question", metavar="QUESTION")
    for each in (ingest, ask):
        each.add_argument("--business", default="default", help="whose knowledge (default: %(default)s)")


def _ingest(asked: Asked) -> int:
    from bot.commands.ingest import ingest  # noqa: PLC0415 - a command loads what it needs

    return run(ingest(quiet_settings(), SystemClock(), asked.paths, asked.business, as_json=asked.json))


def _ask(asked: Asked) -> int:
    from bot.commands.ask import ask  # noqa: PLC0415 - a command loads what it needs

    return run(ask(quiet_settings(), SystemClock(), asked.question, asked.business, as_json=asked.json))
