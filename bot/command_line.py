"""The `concierge` command: what can be asked of it, and how it ends."""

import argparse
import os
import secrets
import sqlite3
import sys
from collections.abc import Sequence

from bot.backup_command_line import add_backup_commands
from bot.commands.failures import CommandError, Exit
from bot.commands.parsing import PRIVATE, Asked, Work, command, number, quiet_settings, run
from bot.commands.printing import complain
from bot.data_directory import DataDirectoryError, OwnedError
from bot.knowledge_command_line import add_knowledge_commands
from bot.settings import Settings, SettingsError, load_settings
from bot.version import VERSION
from database.clock import SystemClock
from database.migrations import NewerDatabaseError

# what a person can do something about: a sentence is enough
EXPECTED = (SettingsError, DataDirectoryError, CommandError, NewerDatabaseError, sqlite3.DatabaseError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code (docs/operations.md lists them)."""
    asked = _parser().parse_args(arguments)
    work: Work = asked.work
    try:
        return work(asked)
    except EXPECTED as error:
        return _ended(error)
    except KeyboardInterrupt:
        complain("concierge: Stopped.")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # whoever read our output has gone: nothing is left to say, not even by the interpreter at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.FAILED


def _ended(error: Exception) -> int:
    if isinstance(error, sqlite3.DatabaseError):
        complain(f"concierge: A database cannot be used: {error}. `concierge doctor` looks at each.")
    else:
        complain(f"concierge: {error}")
    if isinstance(error, SettingsError):
        return Exit.SETTINGS
    return Exit.OWNED if isinstance(error, OwnedError) else Exit.FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="concierge",
        description="A WhatsApp chatbot backend: answers customers from what the business knows.",
        epilog="Settings come from the environment and from .env: docs/operations.md lists them.",
    )
    parser.add_argument("--version", action="version", version=f"concierge {VERSION}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    command(commands, "serve", "run the server", _serve)
    command(commands, "demo", "run server, WhatsApp simulator and a sample business on this machine", _demo)

    _chaos_command(commands)

    add_knowledge_commands(commands)
    add_backup_commands(commands)

    connect = command(commands, "connect", "check a real number step by step, and subscribe it", _connect, json=True)
    connect.add_argument("--url", metavar="https://HOST", help="where Meta reaches this server: try it from outside")
    connect.add_argument("--to", metavar="PHONE", help="send a test message to this phone, like +4915112345678")
    connect.add_argument("--template", metavar="NAME", help="send this template (en_US) instead of free text")
    doctor = command(commands, "doctor", "say what is wrong with settings, data and server", _doctor, json=True)
    doctor.add_argument("--online", action="store_true", help="also ask Meta about the token, and the model for a word")
    command(commands, "migrate", "bring the databases up to date while no server runs", _migrate, json=True)
    _dead_letters(commands)
    return parser


def _chaos_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    chaos = command(
        commands, "chaos", "let customers write to a server that is killed, and see which promises it keeps", _chaos,
        json=True,
    )  # fmt: skip
    numbers = (
        ("--minutes", float, 0.05, 1440, 2.0, "how long they write"),
        ("--customers", int, 1, 1000, 12, "how many write"),
        ("--kills", int, 0, 10_000, 20, "how often the server or its vector store is killed"),
    )
    for name, kind, least, most, default, text in numbers:
        chaos.add_argument(
            name, type=number(kind, least, most), default=default, help=f"{text} (default: %(default)g)"
        )  # fmt: skip
    chaos.add_argument("--seed", type=int, help="repeats the choices of an earlier run")


def _dead_letters(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    letters = command(commands, "dead-letters", "look at events that could not be understood, or retry them", None)
    actions = letters.add_subparsers(metavar="ACTION", required=True)
    command(actions, "list", "list them, oldest first", _list_dead_letters, json=True)
    retry = command(actions, "retry", "handle them again: all, or those with these ids", _retry_dead_letters, json=True)
    retry.add_argument("ids", metavar="ID", nargs="*", type=int)


def _serve(_asked: Asked) -> int:
    settings = load_settings()
    os.umask(PRIVATE)
    from bot.app import Outside  # noqa: PLC0415 - loads the whole server
    from bot.serve import serve  # noqa: PLC0415 - as above

    return serve(settings, Outside.real())


def _demo(_asked: Asked) -> int:
    from bot.demo import run_demo  # noqa: PLC0415 - loads the whole server and the simulator

    return run(run_demo())


def _chaos(asked: Asked) -> int:
    from bot.chaos.stage import ChaosOptions  # noqa: PLC0415 - a command loads what it needs
    from bot.commands.chaos import chaos  # noqa: PLC0415 - the same

    seed = secrets.randbelow(1_000_000) if asked.seed is None else asked.seed
    options = ChaosOptions(asked.minutes, asked.customers, asked.kills, seed)
    return run(chaos(options, SystemClock(), as_json=asked.json))


def _connect(asked: Asked) -> int:
    from bot.commands.connect import Wanted, connect  # noqa: PLC0415 - a command loads what it needs

    wanted = Wanted(asked.url, asked.to, asked.template)
    return run(connect(quiet_settings(), SystemClock(), wanted, as_json=asked.json))


def _doctor(asked: Asked) -> int:
    from bot.commands.doctor import doctor  # noqa: PLC0415 - a command loads what it needs

    try:
        settings: Settings | None = quiet_settings()
    except SettingsError:
        settings = None  # what is wrong with them is part of the report
    return run(doctor(settings, SystemClock(), online=asked.online, as_json=asked.json))


def _migrate(asked: Asked) -> int:
    from bot.commands.migrate import migrate  # noqa: PLC0415 - a command loads what it needs

    return run(migrate(quiet_settings(), SystemClock(), as_json=asked.json))


def _list_dead_letters(asked: Asked) -> int:
    from bot.commands.dead_letters import list_dead_letters  # noqa: PLC0415 - a command loads what it needs

    return run(list_dead_letters(quiet_settings(), SystemClock(), as_json=asked.json))


def _retry_dead_letters(asked: Asked) -> int:
    from bot.commands.dead_letters import retry_dead_letters  # noqa: PLC0415 - a command loads what it needs

    return run(retry_dead_letters(quiet_settings(), SystemClock(), asked.ids, as_json=asked.json))
