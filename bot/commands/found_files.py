"""Which files `concierge ingest` takes from the paths it is given, and what they are called from then on."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bot.commands.failures import CommandError
from services.document_files import safe_filename
from services.document_kinds import DOCUMENT_SUFFIXES

BETWEEN = " - "
LONGEST_NAME = 200
DIGEST_CHARACTERS = 12


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file, and the name of its document: the same at every call, so that the same file is the same document."""

    path: Path
    name: str


def found_files(paths: Iterable[Path]) -> tuple[list[FoundFile], int]:
    """The files to take, each once, and how many were left out. A named file is taken whatever its kind.

    Folders are walked without following links; hidden entries are passed over. A file below a folder is called by
    its path from there: "sub - readme.md". Raises CommandError for a path that is not there.
    """
    found: dict[Path, FoundFile] = {}
    skipped = 0
    for path in paths:
        if path.is_dir():
            for file in _walk(path):
                if file.suffix.lower() in DOCUMENT_SUFFIXES:
                    found.setdefault(file, FoundFile(file, _name(file.relative_to(path).parts)))
                else:
                    skipped += 1
        elif path.is_file():
            found.setdefault(path, FoundFile(path, _name((path.name,))))
        else:
            raise CommandError(f"There is no file or folder {path}")
    return list(found.values()), skipped


def sharing_a_name(files: Iterable[FoundFile]) -> Iterator[tuple[FoundFile, FoundFile]]:
    """Each file whose name an earlier one has already, with that one: they would be versions of one document."""
    first: dict[str, FoundFile] = {}
    for file in files:
        earlier = first.setdefault(file.name, file)
        if earlier is not file:
            yield file, earlier


def _name(parts: tuple[str, ...]) -> str:
    """What is too long for a name keeps its end, and a digest of all of it in front."""
    whole = BETWEEN.join(parts)
    if len(whole) > LONGEST_NAME:
        digest = hashlib.sha256(whole.encode("utf-8", "surrogateescape")).hexdigest()[:DIGEST_CHARACTERS]
        whole = f"{digest}{BETWEEN}{whole[-LONGEST_NAME:]}"
    return safe_filename(whole)


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))
