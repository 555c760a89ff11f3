"""One run of `concierge ingest`: several files at once to the knowledge, each followed to its end."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from bot.commands.failures import CommandError
from bot.commands.file_sender import Sent
from bot.commands.knowledge_door import DELETED, DeletedDocument, KnowledgeDoor
from bot.commands.upload_bars import ENDED, UploadBars
from database.clock import Clock

AT_ONCE = 4
LOOKED_AT_ONCE = 20
PAUSE_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Piece:
    """A document to bring to its end: `begin` hands it over, telling how much went, and returns its Document."""

    name: str
    begin: Callable[[Sent], Awaitable[dict[str, Any]]]


class IngestRun:
    """`finish` does it all; `documents` are the Documents by then, None for what was not handed over yet."""

    def __init__(self, door: KnowledgeDoor, pieces: Sequence[Piece], bars: UploadBars, clock: Clock) -> None:
        self._door = door
        self._pieces = pieces
        self._bars = bars
        self._clock = clock
        self._seen: dict[str, dict[str, Any]] = {}
        self._deleted: set[str] = set()
        self._places: defaultdict[str, set[int]] = defaultdict(set)
        self._open: set[int] = set()
        self._listening = asyncio.Event()
        self._changed = asyncio.Event()
        self.documents: list[dict[str, Any] | None] = [None] * len(pieces)

    async def finish(self) -> list[dict[str, Any]]:
        """Every Document at its end. Raises CommandError when the knowledge cannot be reached any more."""
        following = asyncio.create_task(self._follow(), name="follow documents")
        working = asyncio.create_task(self._work(), name="hand files over")
        try:
            await asyncio.wait({following, working}, return_when=asyncio.FIRST_COMPLETED)
            return await (working if working.done() else self._broken(following))
        finally:
            following.cancel()
            working.cancel()
            await asyncio.gather(following, working, return_exceptions=True)

    async def _broken(self, following: asyncio.Task[None]) -> list[dict[str, Any]]:
        await following
        raise CommandError("The documents cannot be followed any more.")

    async def _work(self) -> list[dict[str, Any]]:
        await self._listening.wait()
        room = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for index in range(len(self._pieces)):
                group.create_task(self._hand_over(index, room))
        while self._open:
            self._changed.clear()
            await self._changed.wait()
        return [document for document in self.documents if document is not None]

    async def _hand_over(self, index: int, room: asyncio.Semaphore) -> None:
        loop = asyncio.get_running_loop()
        piece = self._pieces[index]

        def sent(share: float) -> None:
            # files are read in threads of their own
            loop.call_soon_threadsafe(self._bars.sent, index, share)

        async with room:
            try:
                document = await piece.begin(sent)
            except OSError as error:
                document = refused(piece.name, f"The file cannot be read: {error.strerror}")
            except CommandError as error:
                document = refused(piece.name, str(error))
        known = document["id"] or ""
        self._put(index, _newer(document, self._seen.get(known, document)))
        if known in self._deleted:
            self._miss(index)

    async def _follow(self) -> None:
        """Hear of changes; whenever some may have been missed, look."""
        while True:
            async with aclosing(self._door.changes()) as changes:
                async for document in changes:
                    if document is None:
                        await self._look()
                    elif isinstance(document, DeletedDocument):
                        self._hear_deleted(document.id)
                    else:
                        self._hear(document)
                    self._listening.set()
            await self._look()
            self._listening.set()
            await self._clock.sleep(PAUSE_SECONDS)

    async def _look(self) -> None:
        for index in sorted(self._open)[:LOOKED_AT_ONCE]:
            known = self.documents[index]
            if known is None:
                continue
            document = await self._door.document(known["id"])
            if document is None:
                self._hear_deleted(known["id"])
            else:
                self._put(index, document)

    def _hear(self, document: dict[str, Any]) -> None:
        self._seen[document["id"]] = document
        for index in self._places.get(document["id"], ()):
            known = self.documents[index]
            if known is not None:
                self._put(index, _newer(known, document))

    def _hear_deleted(self, document_id: str) -> None:
        self._deleted.add(document_id)
        for index in self._places.get(document_id, ()):
            self._miss(index)

    def _miss(self, index: int) -> None:
        """Its document is gone. One that was at its end before stays what it was."""
        if index in self._open:
            self._put(index, refused(self._pieces[index].name, DELETED))

    def _put(self, index: int, document: dict[str, Any]) -> None:
        self.documents[index] = document
        if document["status"] in ENDED:
            self._open.discard(index)
        else:
            self._open.add(index)
            self._places[document["id"]].add(index)
        self._bars.follow(index, document)
        self._changed.set()


def refused(name: str, why: str) -> dict[str, Any]:
    """What stands for the Document of a file that was not taken."""
    return {"id": None, "filename": name, "status": "failed", "progress": 0.0, "error_message": why}


def _newer(known: dict[str, Any], heard: dict[str, Any]) -> dict[str, Any]:
    """What was heard last may have been overtaken by what we were told ourselves."""
    return known if _moment(known) > _moment(heard) else heard


def _moment(document: dict[str, Any]) -> tuple[int, str]:
    return document.get("version", 0), document.get("updated_at", "")
