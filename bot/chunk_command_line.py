"""`concierge chunks`: what can be asked of it. A part of bot/knowledge_command_line.py."""

import argparse

from bot.commands.parsing import Asked, command, quiet_settings, run
from database.clock import SystemClock


def add_chunk_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Export and import."""
    chunks = command(commands, "chunks", "move chunks with their embeddings from one knowledge to another", None)
    actions = chunks.add_subparsers(metavar="ACTION", required=True)
    place = "a folder, or an object store such as s3://bucket/prefix"
    export = command(actions, "export", "write what answers for a business, with its embeddings", _export, json=True)
    export.add_argument("--to", required=True, metavar="PLACE", help=place)
    export.add_argument(
        "--format", choices=("parquet", "jsonl", "jsonl.gz"), default="parquet", help="default: %(default)s"
    )
    taken = command(actions, "import", "take such files in, each by itself", _import, json=True)
    taken.add_argument("source", metavar="FROM", help=f"{place}, or one file in it")
    for each in (export, taken):
        each.add_argument("--business", default="default", help="whose knowledge (default: %(default)s)")


def _export(asked: Asked) -> int:
    from bot.commands.chunk_sets import export_chunks  # noqa: PLC0415 - a command loads what it needs

    work = export_chunks(
        quiet_settings(), SystemClock(), asked.business, asked.to, kind=asked.format, as_json=asked.json
    )
    return run(work)


def _import(asked: Asked) -> int:
    from bot.commands.chunk_sets import import_chunks  # noqa: PLC0415 - a command loads what it needs

    return run(import_chunks(quiet_settings(), SystemClock(), asked.business, asked.source, as_json=asked.json))
