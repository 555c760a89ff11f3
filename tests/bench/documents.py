"""The real documents of the evaluation data: read or refused with a sentence, what must be in them, time beside xberg.

Our time is that of DocumentParser with one child, from the bytes to chunks in this process; beside it xberg alone reads
the same files in one process of its own, without limits, chunks or structure. Both without text recognition.
"""

import asyncio
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path

from database.clock import SystemClock
from services.chunker import ChunkDraft
from services.document_errors import UnreadableDocumentError
from services.document_parser import DocumentParser, ParserLimits
from tests.bench.figures import Figure
from tests.shared import SHARED

FOLDERS = ("docs_markitdown", "docs_pypdf_samples")
ROUNDS = 3
_ALONE = """
import asyncio, json, os, sys
import xberg
for path, mime in json.load(sys.stdin):
    with open(path, "rb") as file:
        source = xberg.ExtractInput(kind="bytes", bytes=file.read(), mime_type=mime)
    try:
        asyncio.run(xberg.extract(source, xberg.ExtractionConfig(use_cache=False, disable_ocr=True)))
    except (RuntimeError, ValueError):
        pass
os._exit(0)
"""


async def run() -> list[Figure]:
    """`[]` where the data are not."""
    if not (SHARED / "evaldata").is_dir():
        return []
    paths = [path for folder in FOLDERS for path in sorted((SHARED / "evaldata" / folder / "files").iterdir())]
    ours, alone = [], []
    for _ in range(ROUNDS):
        seconds, texts, kinds = await _read(paths)
        ours.append(seconds)
        alone.append(await _alone([(path, kinds[path]) for path in paths if path in kinds]))
    held, wanted = _held(texts)
    count = len(paths)
    return [
        Figure("real documents: read, or refused with a sentence", len(texts), "files", count, "files", count, count),
        Figure("real documents: read", len(kinds), "files", count, "files"),
        Figure("real documents: strings that must be in them", held / wanted, "", floor=0.95, goal=1.0),
        Figure(
            "real documents: time ÷ xberg alone",
            min(ours) / min(alone),
            "x",
            min(alone),
            f"s alone; ours {min(ours):.2f} s",
            *(2.0, 1.3),
            higher_is_better=False,
        ),
    ]


async def _read(paths: list[Path]) -> tuple[float, dict[Path, str], dict[Path, str]]:
    """Seconds, what was read (or the sentence) of each file, and the kinds of those that were read."""
    texts: dict[Path, str] = {}
    kinds: dict[Path, str] = {}
    began = time.perf_counter()
    parser = DocumentParser(SystemClock(), ParserLimits())
    for path in paths:
        found: list[str] = []

        async def sink(drafts: list[ChunkDraft], found: list[str] = found) -> None:
            found.extend(f"{draft.heading or ''}\n{draft.text}" for draft in drafts)

        try:
            kinds[path] = (await parser.parse(path, path.name.rsplit("__", 1)[-1], sink)).mime
            texts[path] = "\n".join(found)
        except UnreadableDocumentError as error:
            texts[path] = str(error)
    seconds = time.perf_counter() - began
    await parser.close()
    return seconds, texts, kinds


async def _alone(files: list[tuple[Path, str]]) -> float:
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-c", _ALONE),
            stdin=asyncio.subprocess.PIPE,
            env={**os.environ, "TMPDIR": folder},
        )
        await process.communicate(json.dumps([(os.fspath(path), mime) for path, mime in files]).encode())
    return time.perf_counter() - began


def _held(texts: dict[Path, str]) -> tuple[int, int]:
    """How many of the strings that must be in the documents are, and how many there are."""
    folder = SHARED / "evaldata" / FOLDERS[0]
    held = wanted = 0
    for line in (folder / "must_include.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        text = squeezed(texts.get(folder / row["file"], ""))
        for string in row["must_include"]:
            if must_be_read(string):
                wanted += 1
                held += squeezed(string) in text
    return held, wanted


def must_be_read(string: str) -> bool:
    """Not what only Markdown, or that program's Markdown, has: pictures, addresses of links, fences, labels in bold."""
    only_markdown = string.startswith(("data:image", "![", "```", "**")) or string == "## Content"
    return not only_markdown and "](" not in string and bool(squeezed(string))


def squeezed(text: str) -> str:
    """Letters and digits only: marks and spaces differ between readers."""
    return re.sub(r"[\W_]", "", text)
