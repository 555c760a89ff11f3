"""The process that owns the Chroma directory: answers one request after another until its parent is gone.

Started as `python -m vectorstore.chroma_child DIRECTORY SOCKET PARENT_PID MEMORY_MB`. It ignores SIGTERM and SIGINT:
its parent decides, by closing the socket. A lock beside the directory keeps a successor's child out until we are gone.
"""

import fcntl
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial
from io import BufferedIOBase
from pathlib import Path
from typing import Any, cast

from vectorstore.chroma_leftovers import remove_leftovers
from vectorstore.chroma_store import ChromaStore, StoreFaultError, fault_of
from vectorstore.frames import Header, encode, read_blocking, unpack_vectors

PARENT_LOOK_MS = 1_000
LAST_CALL_SECONDS = 5.0
_HANG_UP = getattr(select, "POLLRDHUP", select.POLLHUP) | select.POLLHUP


class ChromaChild:
    """Serves a store over a connected socket."""

    def __init__(self, store: ChromaStore, connection: socket.socket) -> None:
        self._store = store
        self._connection = connection
        self._asked = select.poll()  # select() knows no descriptor above 1,023
        self._asked.register(connection, select.POLLIN)
        self.idle = threading.Event()
        self.idle.set()
        self._actions: dict[str, Callable[[Header, bytes], Any]] = {
            "reopen": lambda _head, _body: store.reopen(),
            "add": lambda head, body: store.add(
                head["collection"], head["embedder"], head["ids"], unpack_vectors(body, head["dimension"])
            ),
            "query": lambda head, body: store.query(
                head["collection"],
                unpack_vectors(body, head["dimension"]),
                head["limit"],
                stored=head.get("stored", False),
            ),
            "delete": lambda head, _body: store.delete(head["collection"], head["ids"]),
            "ids": lambda head, _body: store.ids(head["collection"], head["offset"]),
            "count": lambda head, _body: store.count(head["collection"]),
            "drop": lambda head, _body: store.drop(head["collection"]),
            "collections": lambda _head, _body: store.collections(),
            "vectors": lambda head, _body: store.vectors(head["collection"], head["ids"]),
            "replace": lambda head, _body: store.replace(head["collection"], head["by"]),
            "describe": lambda head, _body: store.describe(head["collection"]),
        }

    def serve(self) -> None:
        """Open the store, say so, then answer until the socket closes."""
        stream = cast("BufferedIOBase", self._connection.makefile("rb"))
        self.idle.clear()
        self._answer(self._attempt(self._store.open))
        while True:
            self.idle.set()
            self._load_until_asked()
            frame = read_blocking(stream)
            self.idle.clear()
            if frame is None:
                return
            head, body = frame
            self._answer(self._attempt(partial(self._actions[head["action"]], head, body)))

    def _load_until_asked(self) -> None:
        """Our parent asks one thing at a time: what it has not sent yet is not in the stream's buffer either."""
        while not self._asked.poll(0) and self._store.load_some():
            pass

    @staticmethod
    def _attempt(action: Callable[[], Any]) -> Header:
        try:
            return {"value": action()}
        except Exception as error:  # noqa: BLE001 - the edge of the child: every fault goes back to the asker
            fault: StoreFaultError = fault_of(error)
            return {"cause": fault.cause, "message": str(fault)[:500]}

    def _answer(self, header: Header) -> None:
        self._connection.sendall(encode(header))


def watch_parent(connection: socket.socket, parent: int, idle: threading.Event) -> None:
    """End the process when its parent ends, also when it is stuck: after the current call, at the latest in 5 s."""
    poll = select.poll()
    poll.register(connection, _HANG_UP)
    while not poll.poll(PARENT_LOOK_MS) and os.getppid() == parent:
        pass
    idle.wait(LAST_CALL_SECONDS)
    os._exit(0)


def hold_directory(directory: Path) -> int:
    """Wait until no other process has the directory; the open lock file."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(directory.with_name(f"{directory.name}.lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    return handle


def main(directory: Path, descriptor: int, parent: int, memory_mb: int) -> None:
    """Run until the parent is gone."""
    for ignored in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ignored, signal.SIG_IGN)
    connection = socket.socket(fileno=descriptor)
    child = ChromaChild(ChromaStore(directory, memory_mb=memory_mb), connection)
    threading.Thread(target=watch_parent, args=(connection, parent, child.idle), daemon=True).start()
    hold_directory(directory)
    remove_leftovers(directory)
    child.serve()


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), *map(int, sys.argv[2:5]))
    except ConnectionError:
        sys.exit(0)
