"""The process that reads documents: `python -m services.parser_child --memory-mb N --seconds S`.

One JSON line in: {"path", "filename"}, or {} to be answered by {}. JSON lines out: {"chunks": [[text, heading, page],
...]} as they come, then {"done": {"mime", "parser", "chunks"}} or {"error": sentence}. Hostile files are expected:
memory is limited, an alarm ends what takes too long even when the parent is gone, and it ends as soon as its standard
input does.
"""

import argparse
import contextlib
import json
import os
import queue
import resource
import signal
import sys
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from services.chunker import ChunkDraft, chunks_of
from services.document_errors import NO_TEXT, SCANNED, TOO_MUCH_MEMORY, UnreadableDocumentError
from services.document_kinds import DocumentKind, kind_of
from services.document_reader import blocks_of, parser_version

SLICE_CHUNKS = 32
_NICENESS = 10
_MEGABYTE = 1024 * 1024
# The parent's own limit comes first; the alarm is for a parent that is gone.
_ALARM_GRACE_SECONDS = 10


def main() -> None:
    """Answer requests until standard input ends."""
    options = _arguments()
    _be_modest(options.memory_mb)
    answers = _private_stdout()
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    while True:
        request = json.loads(requests.get())
        for answer in _answers(request, options.seconds + _ALARM_GRACE_SECONDS):
            signal.alarm(0)
            answers.write(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
            answers.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Reads documents for Concierge; started by it, not by people.")
    parser.add_argument("--memory-mb", type=int, required=True)
    parser.add_argument("--seconds", type=int, required=True)
    return parser.parse_args()


def _be_modest(memory_mb: int) -> None:
    """Bounded memory, after everybody else for the processor, first to go when the machine runs out of memory."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb * _MEGABYTE, memory_mb * _MEGABYTE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(_NICENESS)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    # Ctrl-C reaches the whole group; the parent decides when we end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _private_stdout() -> BinaryIO:
    """Our answers' own descriptor; what a library prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _listen(requests: "queue.SimpleQueue[bytes]") -> None:
    for line in sys.stdin.buffer:
        requests.put(line)
    os._exit(0)


def _answers(request: dict[str, str], seconds: int) -> Iterator[dict[str, Any]]:
    """The answers to one request; the alarm is on while we work and off while the parent reads."""
    if not request:
        yield {}
        return
    signal.alarm(seconds)
    try:
        path = Path(request["path"])
        kind = kind_of(path, request["filename"])
        drafts = chunks_of(blocks_of(path, kind))
        count = 0
        while chunks := list(islice(drafts, SLICE_CHUNKS)):
            count += len(chunks)
            yield {"chunks": [_fields(chunk) for chunk in chunks]}
            signal.alarm(seconds)
        if not count:
            raise UnreadableDocumentError(SCANNED if kind is DocumentKind.PDF else NO_TEXT)
        yield {"done": {"mime": str(kind), "parser": parser_version(kind), "chunks": count}}
    except UnreadableDocumentError as error:
        yield {"error": str(error)}
    except (MemoryError, RecursionError):
        yield {"error": TOO_MUCH_MEMORY}


def _fields(chunk: ChunkDraft) -> list[str | int | None]:
    return [chunk.text, chunk.heading, chunk.page]


if __name__ == "__main__":
    main()
