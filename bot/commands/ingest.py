"""`concierge ingest PATH…`: files, folders and web addresses into the knowledge, with bars."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from bot.commands.failures import CommandError, Exit
from bot.commands.file_sender import Sent
from bot.commands.found_files import FoundFile, FoundFiles, found_files, sharing_a_name
from bot.commands.ingest_run import IngestRun, Piece
from bot.commands.knowledge_door import KnowledgeDoor, UploadOptions, knowledge_door
from bot.commands.printing import complain, say, say_json
from bot.commands.upload_bars import ENDED, UploadBars
from bot.settings import Settings
from database.clock import Clock
from services.document_kinds import DOCUMENT_SUFFIXES
from services.document_tags import tidy_tags


@dataclass(frozen=True, slots=True)
class IngestRequest:
    """What to take: files and folders, addresses of the web, or with `retry` every document that has failed."""

    paths: Sequence[Path]
    business: str
    options: UploadOptions
    addresses: Sequence[str] = ()
    retry: bool = False
    as_json: bool = False


async def ingest(settings: Settings, clock: Clock, wanted: IngestRequest) -> Exit:
    """Hand over every file and follow it to its end; FAILED when any of them failed."""
    options = _options(wanted)
    found = _files(wanted)
    async with knowledge_door(settings, wanted.business, clock) as door:
        pieces = await _retries(door) if wanted.retry else _uploads(door, found, options)
        pieces += await _pages(door, wanted.addresses)
        with UploadBars([piece.name for piece in pieces], shown=not wanted.as_json) as bars:
            run = IngestRun(door, pieces, bars, clock)
            try:
                documents = await run.finish()
            except asyncio.CancelledError:
                bars.close()
                _say_where_it_stands(run, door)
                raise
    _report(documents, as_json=wanted.as_json)
    return Exit.FAILED if any(document["status"] == "failed" for document in documents) else Exit.OK


def _options(wanted: IngestRequest) -> UploadOptions:
    try:
        return replace(wanted.options, tags=tidy_tags(wanted.options.tags))
    except ValueError as error:
        raise CommandError(f"The tags cannot be used: they {error}.") from None


def _files(wanted: IngestRequest) -> FoundFiles:
    if wanted.retry:
        if wanted.paths or wanted.addresses:
            raise CommandError("--retry takes no PATH: it tries again what has failed.")
        return FoundFiles([], 0, [])
    if not wanted.paths and not wanted.addresses:
        raise CommandError("Name files, folders or web addresses, or --retry.")
    found = found_files(wanted.paths)
    if found.left_out:
        complain(f"Left out {found.left_out} files that are links or of kinds that cannot be read.")
    if wanted.paths and not found.files and not found.unread:
        raise CommandError(
            f"There is no file to read. In folders these are taken: {' '.join(sorted(DOCUMENT_SUFFIXES))}"
        )
    return found


def _uploads(door: KnowledgeDoor, found: FoundFiles, options: UploadOptions) -> list[Piece]:
    namesakes = dict(sharing_a_name(found.files))
    pieces = [
        Piece(file.name, partial(_refuse, file, namesakes[file]))
        if file in namesakes
        else Piece(file.name, partial(door.upload, file.path, file.name, options))
        for file in found.files
    ]
    for error in found.unread:
        why = CommandError(f"The folder cannot be read: {error.strerror}")
        pieces.append(Piece(str(error.filename), partial(_raise, why)))
    return pieces


async def _refuse(file: FoundFile, earlier: FoundFile, _sent: Sent) -> dict[str, Any]:
    raise CommandError(
        f"{file.path} would be called as {earlier.path} is. Rename one, or name a folder above both instead."
    )


async def _pages(door: KnowledgeDoor, addresses: Sequence[str]) -> list[Piece]:
    """The documents of web addresses; of a sitemap those that were read at once, the others follow by themselves."""

    async def known(document: dict[str, Any], _sent: Sent) -> dict[str, Any]:
        return document

    pieces: list[Piece] = []
    for address in addresses:
        try:
            added = await door.add_address(address)
        except CommandError as error:
            pieces.append(Piece(address, partial(_raise, error)))
            continue
        pieces += [Piece(each["filename"], partial(known, each)) for each in added["documents"]]
        source = added["web_source"]
        if source["error_message"]:
            complain(f"{address}: {source['error_message']}")
        later = source["pages_count"] - len(added["documents"])
        if later > 0:
            complain(f"{address}: {later} more pages are read by the server, now or once it runs.")
    return pieces


async def _raise(error: CommandError, _sent: Sent) -> dict[str, Any]:
    raise error


async def _retries(door: KnowledgeDoor) -> list[Piece]:
    async def again(document_id: str, _sent: Sent) -> dict[str, Any]:
        return await door.retry(document_id)

    return [Piece(each["filename"], partial(again, each["id"])) for each in await door.failed()]


def _say_where_it_stands(run: IngestRun, door: KnowledgeDoor) -> None:
    """For somebody who pressed Ctrl-C: nothing is lost, and what is still to be sent."""
    ended = sum(1 for each in run.documents if each is not None and each["status"] in ENDED)
    unsent = sum(1 for each in run.documents if each is None)
    under_way = len(run.documents) - ended - unsent
    complain(f"{ended} files are at their end, {under_way} under way: {door.afterwards}. {unsent} were not sent.")


def _report(documents: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        say_json({"documents": list(documents)})
        return
    for document in documents:
        if document["status"] != "ready":
            say(f"failed  {document['filename']}: {document['error_message']}")
            continue
        held = document.get("held_version")
        say(f"{'held  ' if held else 'ready '}  {document['filename']} ({document['chunks_count']} pieces)")
        if held:
            say(f"        what would change: GET …/documents/{document['id']}/replay; then POST …/publish or …/discard")
        if document.get("warning"):
            say(f"        {document['warning']}")
    if not documents:
        say("No document has failed.")
