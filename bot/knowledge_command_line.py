"""The knowledge's commands: what can be asked of each. A part of bot/command_line.py."""

import argparse
from pathlib import Path

from bot.chunk_command_line import add_chunk_commands
from bot.commands.parsing import Asked, command, number, quiet_settings, run
from database.clock import SystemClock


def add_knowledge_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Every command that puts knowledge in, asks it, or looks after it."""
    ingest = command(commands, "ingest", "read files, folders and web addresses into the knowledge", _ingest, json=True)
    ingest.add_argument(
        "paths", metavar="PATH", nargs="*", help="a file, a folder with all below it, or https://… of a page or sitemap"
    )
    ingest.add_argument("--tags", default="", metavar="A,B", help="put these tags on the documents")
    ingest.add_argument("--hold", action="store_true", help="hold new versions back until they are published")
    ingest.add_argument("--retry", action="store_true", help="instead of PATH: try again every document that failed")
    ask = command(commands, "ask", "answer a question from the knowledge", _ask, json=True)
    ask.add_argument("question", metavar="QUESTION")
    evaluate = command(commands, "eval", "measure how well known questions are answered", _evaluate, json=True)
    evaluate.add_argument("file", metavar="FILE.jsonl", type=Path, help="a question with what is expected, a line each")
    evaluate.add_argument(
        "--worst", type=number(int, 0, 1000), default=0, metavar="N", help="show so many of the worst questions"
    )
    reindex = command(commands, "reindex", "make both indexes anew from knowledge.db", _reindex, json=True)
    reindex.add_argument("--embed", action="store_true", help="make the embeddings anew, too (with openai that costs)")
    vectors = command(commands, "vectors", "move the vector index between the data directory and a server", None)
    actions = vectors.add_subparsers(metavar="ACTION", required=True)
    copy = command(actions, "copy", "copy it to a Chroma server or back, while `serve` is stopped", _copy, json=True)
    way = copy.add_mutually_exclusive_group(required=True)
    way.add_argument("--to", metavar="URL", help="from the data directory to this Chroma server")
    way.add_argument("--from", metavar="URL", dest="source", help="from this Chroma server to the data directory")
    add_chunk_commands(commands)
    for each in (ingest, ask, evaluate):
        each.add_argument("--business", default="default", help="whose knowledge (default: %(default)s)")


def _ingest(asked: Asked) -> int:
    from bot.commands.ingest import IngestRequest, ingest  # noqa: PLC0415 - a command loads what it needs
    from bot.commands.knowledge_door import UploadOptions  # noqa: PLC0415 - the same

    tags = [tag.strip() for tag in asked.tags.split(",") if tag.strip()]
    options = UploadOptions(hold=asked.hold, tags=tags)
    addresses = [each for each in asked.paths if each.startswith(("http://", "https://"))]
    wanted = IngestRequest(
        [Path(each) for each in asked.paths if each not in addresses],
        asked.business,
        options,
        addresses,
        retry=asked.retry,
        as_json=asked.json,
    )
    return run(ingest(quiet_settings(), SystemClock(), wanted))


def _ask(asked: Asked) -> int:
    from bot.commands.ask import ask  # noqa: PLC0415 - a command loads what it needs

    return run(ask(quiet_settings(), SystemClock(), asked.question, asked.business, as_json=asked.json))


def _evaluate(asked: Asked) -> int:
    from bot.commands.evaluate import EvaluationRequest, evaluate  # noqa: PLC0415 - a command loads what it needs

    wanted = EvaluationRequest(asked.file, asked.business, worst=asked.worst, as_json=asked.json)
    return run(evaluate(quiet_settings(), SystemClock(), wanted))


def _reindex(asked: Asked) -> int:
    from bot.commands.reindex import reindex  # noqa: PLC0415 - a command loads what it needs

    return run(reindex(quiet_settings(), SystemClock(), embed=asked.embed, as_json=asked.json))


def _copy(asked: Asked) -> int:
    from bot.commands.vectors import copy_vectors  # noqa: PLC0415 - a command loads what it needs

    return run(copy_vectors(quiet_settings(), SystemClock(), to=asked.to, source=asked.source, as_json=asked.json))
