"""The process that embeds many texts: `python -m vectorstore.embedding_child KIND [ARGUMENT ...]`.

Frames in on standard input: {"texts": [...]}; out on standard output: {"rows": n} with n rows of float32, or {"error":
why}. It gives way to whoever answers customers, and ends when its standard input does, or when nobody has asked it
anything for a while.
"""

import os
import select
import signal
import sys
from collections.abc import Callable, Sequence
from io import BufferedIOBase
from typing import cast

from vectorstore.embedders import EmbeddingError
from vectorstore.frames import BrokenFrameError, Vectors, encode, pack_vectors, read_blocking

IDLE_SECONDS = 30
_NICENESS = 10

Embed = Callable[[list[str]], Vectors]


def main(kind: str, arguments: Sequence[str]) -> None:
    """Answer until there is nobody to answer, or nothing to do."""
    # Who was asked to stop is the server; it decides when its work here is over.
    for ignored in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ignored, signal.SIG_IGN)
    os.nice(_NICENESS)
    requests, answers = cast("BufferedIOBase", sys.stdin.buffer), _private_stdout()
    embed: Embed | None = None
    while select.select([requests], [], [], IDLE_SECONDS)[0]:
        frame = read_blocking(requests)
        if frame is None:
            return
        try:
            embed = embed or _embedding(kind, arguments)
            vectors = embed(frame[0]["texts"])
        except EmbeddingError as error:
            answers.write(encode({"error": str(error)}))
        else:
            answers.write(encode({"rows": len(vectors)}, pack_vectors(vectors)))
        answers.flush()


def _embedding(kind: str, arguments: Sequence[str]) -> Embed:
    """Raises EmbeddingError."""
    if kind == "wordllama":
        from vectorstore import wordllama_embedder  # noqa: PLC0415 - only the one that is asked for

        return wordllama_embedder.embedding()
    from vectorstore import minilm_embedder  # noqa: PLC0415 - as above

    return minilm_embedder.embedding(*arguments)


def _private_stdout() -> BufferedIOBase:
    """Standard output for answers alone: whatever a library prints goes to standard error."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2:])
    except (BrokenFrameError, BrokenPipeError):
        sys.exit(0)
