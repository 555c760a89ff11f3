"""The commands of snapshots: what can be asked of each. A part of bot/command_line.py."""

import argparse

from bot.commands.parsing import Asked, command, quiet_settings, run
from database.clock import SystemClock


def add_backup_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Make snapshots of all data, and bring them back."""
    place = "a folder, or an object store such as s3://bucket/prefix (default: CONCIERGE_BACKUP_TO)"
    backup = command(commands, "backup", "make a snapshot of all data, also while the server runs", _backup, json=True)
    backup.add_argument("--to", default="", metavar="PLACE", help=place)
    backup.add_argument(
        "--with-index",
        action="store_true",
        help="with the vector index, which is closed meanwhile; without it, it is made anew from the snapshot",
    )
    restore = command(
        commands, "restore", "put a snapshot in the place of all data, while no server runs", _restore, json=True
    )
    restore.add_argument("snapshot", metavar="SNAPSHOT", nargs="?", help="an id, latest, or PLACE/ID")
    restore.add_argument("--from", dest="place", default="", metavar="PLACE", help=place)
    restore.add_argument("--list", action="store_true", help="instead: show what snapshots there are")
    restore.add_argument("--check", action="store_true", help="instead: fetch it, look at everything, change nothing")


def _backup(asked: Asked) -> int:
    from bot.commands.backup import backup  # noqa: PLC0415 - a command loads what it needs

    return run(backup(quiet_settings(), SystemClock(), asked.to, with_index=asked.with_index, as_json=asked.json))


def _restore(asked: Asked) -> int:
    from bot.commands.restore import Wanted, restore_data  # noqa: PLC0415 - a command loads what it needs

    wanted = Wanted(asked.snapshot, asked.place, listed=asked.list, checked=asked.check)
    return run(restore_data(quiet_settings(), SystemClock(), wanted, as_json=asked.json))
