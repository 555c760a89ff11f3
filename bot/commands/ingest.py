"""`concierge ingest PATH…`: files and folders into the knowledge, with a progress bar."""

import asyncio
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bot.commands.failures import CommandError, Exit
from bot.commands.knowledge_door import KnowledgeDoor, knowledge_door
from bot.commands.printing import complain, say, say_json
from bot.settings import Settings
from database.clock import Clock

SUFFIXES = {".txt", ".md", ".markdown", ".html", ".htm", ".pdf", ".docx"}
ENDED = {"ready", "failed"}
UPLOADS_AT_ONCE = 4
LOOKED_AT_ONCE = 20
PAUSE_SECONDS = 0.25


async def ingest(settings: Settings, clock: Clock, paths: Sequence[Path], business: str, *, as_json: bool) -> Exit:
    """Hand over every file and follow it to its end; FAILED when any of them failed."""
    files, skipped = found_files(paths)
    if skipped:
        complain(f"Left out {skipped} files of kinds that cannot be read.")
    if not files:
        raise CommandError(f"There is no file to read. In folders these are taken: {' '.join(sorted(SUFFIXES))}")
    async with knowledge_door(settings, business, clock) as door:
        documents = await _upload(door, files, quiet=as_json)
        await _follow(door, documents, clock, quiet=as_json)
    _report(documents, as_json=as_json)
    return Exit.FAILED if any(document["status"] == "failed" for document in documents) else Exit.OK


def found_files(paths: Iterable[Path]) -> tuple[list[Path], int]:
    """The files to take, each once, and how many were left out. A named file is taken whatever its kind.

    Folders are walked without following links; hidden entries are passed over. Raises CommandError for a path
    that is not there.
    """
    found: dict[Path, None] = {}
    skipped = 0
    for path in paths:
        if path.is_dir():
            for file in _walk(path):
                if file.suffix.lower() in SUFFIXES:
                    found[file] = None
                else:
                    skipped += 1
        elif path.is_file():
            found[path] = None
        else:
            raise CommandError(f"There is no file or folder {path}")
    return list(found), skipped


def _walk(folder: Path) -> list[Path]:
    files = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files += [Path(place, name) for name in sorted(names) if not name.startswith(".")]
    return files


async def _upload(door: KnowledgeDoor, files: Sequence[Path], *, quiet: bool) -> list[dict[str, Any]]:
    room = asyncio.Semaphore(UPLOADS_AT_ONCE)
    with tqdm(total=len(files), desc="Uploading", unit="file", disable=quiet) as bar:

        async def one(file: Path) -> dict[str, Any]:
            async with room:
                try:
                    document = await door.upload(file)
                except OSError as error:
                    document = _refused(file, f"The file cannot be read: {error.strerror}")
                except CommandError as error:
                    document = _refused(file, str(error))
                bar.update()
                return document

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(file)) for file in files]
    return [task.result() for task in tasks]


def _refused(file: Path, why: str) -> dict[str, Any]:
    return {"id": None, "filename": file.name, "status": "failed", "progress": 0.0, "error_message": why}


async def _follow(door: KnowledgeDoor, documents: list[dict[str, Any]], clock: Clock, *, quiet: bool) -> None:
    """Ask for those that are not at their end, in their order, until all are; `documents` is kept up to date."""
    with tqdm(total=len(documents), desc="Reading", unit="file", disable=quiet, bar_format=_BAR) as bar:
        while True:
            still = [index for index, document in enumerate(documents) if document["status"] not in ENDED]
            bar.n = sum(1.0 if each["status"] in ENDED else float(each["progress"]) for each in documents)
            bar.set_postfix_str(_where(documents))
            if not still:
                return
            await clock.sleep(PAUSE_SECONDS)
            for index in still[:LOOKED_AT_ONCE]:
                documents[index] = await door.document(documents[index]["id"])


_BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"


def _where(documents: Iterable[dict[str, Any]]) -> str:
    counts: dict[str, int] = {}
    for document in documents:
        counts[document["status"]] = counts.get(document["status"], 0) + 1
    return ", ".join(f"{count} {status}" for status, count in counts.items())


def _report(documents: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        say_json({"documents": list(documents)})
        return
    for document in documents:
        if document["status"] == "ready":
            say(f"ready   {document['filename']} ({document['chunks_count']} pieces)")
        else:
            say(f"failed  {document['filename']}: {document['error_message']}")
