"""The process that reads documents: `python -m services.reading.parser_child --memory-mb N --seconds S --folder F`.

One JSON line in: {"path", "filename", "chunk_characters"}, or {} to be answered by {}. JSON lines out: {"chunks":
[[text, heading, page], ...]} as they come, then {"done": {"mime", "parser", "chunks", "dropped", "warning"}} or
{"error": sentence} or, when the file could not even be opened, {"fault": why}; all with "worn": whether another process
should go on. Hostile files are expected: memory, files
and time are limited, an alarm ends what takes too long even when the parent is gone, and it ends as soon as its
standard input does.
"""

import argparse
import json
import os
import queue
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from services.chunk_quality import says_nothing
from services.chunker import MAX_CHARACTERS, ChunkDraft, chunks_of
from services.document_errors import (
    NO_TEXT,
    ONLY_DEBRIS,
    SCANNED,
    TOO_MUCH_MEMORY,
    UnreadableDocumentError,
)
from services.document_kinds import DocumentKind
from services.modest_children import be_modest
from services.reading.archives import ArchiveLimits
from services.reading.document_reader import DocumentReader, parser_version
from services.reading.text_recognition import TextRecognition, text_recognition

SLICE_CHUNKS = 64
_KILOBYTES_A_MEGABYTE = 1024
_WORN_SHARE = 0.4
# The parent's own limit comes first; the alarm is for a parent that is gone.
_ALARM_GRACE_SECONDS = 10
# Of the time for a document: pictures of pages that take longer are left out.
_RECOGNITION_SHARE = 0.6


def main() -> None:
    """Answer requests until standard input ends."""
    options = _arguments()
    be_modest(options.memory_mb)
    answers = _private_stdout()
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests, options.folder), daemon=True).start()
    recognition = text_recognition(options.languages, options.seconds * _RECOGNITION_SHARE)
    while True:
        request = json.loads(requests.get())
        for answer in _answers(request, recognition, options.seconds + _ALARM_GRACE_SECONDS):
            signal.alarm(0)
            if "chunks" not in answer:
                answer["worn"] = _is_worn(options.memory_mb)
            answers.write(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
            answers.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Reads documents for Concierge; started by it, not by people.")
    parser.add_argument("--memory-mb", type=int, required=True)
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="its own, removed when it ends")
    parser.add_argument("--languages", nargs="*", default=[], help="for text recognition, by Tesseract's names")
    return parser.parse_args()


def _is_worn(memory_mb: int) -> bool:
    """Whether a document took so much that the next is better read by a new process."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return True  # nobody tells on this system
    peak = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "VmHWM: 0 kB")
    return int(peak.split()[1]) > memory_mb * _KILOBYTES_A_MEGABYTE * _WORN_SHARE


def _private_stdout() -> BinaryIO:
    """Our answers' own descriptor; what a library prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _listen(requests: "queue.SimpleQueue[bytes]", folder: Path) -> None:
    for line in sys.stdin.buffer:
        requests.put(line)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


@dataclass(slots=True)
class _Counts:
    chunks: int = 0
    dropped: int = 0


def _answers(request: dict[str, Any], recognition: TextRecognition | None, seconds: int) -> Iterator[dict[str, Any]]:
    """The answers to one request; the alarm is on while we work and off while the parent reads."""
    if not request:
        yield {}
        return
    signal.alarm(seconds)
    try:
        path = Path(request["path"])
        with path.open("rb"):
            pass
    except OSError as error:
        yield {"fault": str(error)}
        return
    try:
        reader = DocumentReader(recognition, ArchiveLimits(**request.get("archives", {})))
        kind = reader.kind_of(path, request["filename"])
        drafts = chunks_of(reader.blocks(path, kind), request.get("chunk_characters") or MAX_CHARACTERS)
        counts = _Counts()
        for chunks in _slices(drafts, counts):
            yield {"chunks": chunks}
            signal.alarm(seconds)
        if not counts.chunks:
            raise UnreadableDocumentError(_nothing_read(kind, counts.dropped, reader.warning))
        done = {"mime": str(kind), "parser": parser_version(kind), "warning": reader.warning}
        yield {"done": {**done, "chunks": counts.chunks, "dropped": counts.dropped}}
    except UnreadableDocumentError as error:
        yield {"error": str(error)}
    except (MemoryError, RecursionError):
        yield {"error": TOO_MUCH_MEMORY}


def _slices(drafts: Iterator[ChunkDraft], counts: _Counts) -> Iterator[list[list[str | int | None]]]:
    """The chunks that say something, as lists of fields, some at a time."""
    chunks: list[list[str | int | None]] = []
    for draft in drafts:
        if says_nothing(draft.text):
            counts.dropped += 1
            continue
        counts.chunks += 1
        chunks.append([draft.text, draft.heading, draft.page])
        if len(chunks) == SLICE_CHUNKS:
            yield chunks
            chunks = []
    if chunks:
        yield chunks


def _nothing_read(kind: DocumentKind, dropped: int, warning: str | None) -> str:
    if warning:
        return warning
    if dropped:
        return ONLY_DEBRIS
    return SCANNED if kind is DocumentKind.PDF else NO_TEXT


if __name__ == "__main__":
    main()
