"""Which files `concierge ingest` takes from the paths it is given, and what they are called from then on."""

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

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


class FoundFiles(NamedTuple):
    """The files to take, each once, how many entries were left out, and why folders could not be read."""

    files: list[FoundFile]
    left_out: int
    unread: list[OSError]


def found_files(paths: Iterable[Path]) -> FoundFiles:
    """A named file is taken whatever its kind, a link too; below folders plain files of the kinds that can be read.

    Links there are not followed; hidden entries are passed over. A file below a folder is called by its path from
    there: "sub - readme.md". Raises CommandError for a path that is not there.
    """
    found: dict[Path, FoundFile] = {}
    unread: list[OSError] = []
    left_out = 0
    for path in paths:
        if _is_folder(path):
            for entry in _walk(path, unread.append):
                if entry.suffix.lower() in DOCUMENT_SUFFIXES and stat.S_ISREG(_mode(entry)):
                    found.setdefault(entry, FoundFile(entry, _name(entry.relative_to(path).parts)))
                else:
                    left_out += 1
        else:
            found.setdefault(path, FoundFile(path, _name((path.name,))))
    return FoundFiles(list(found.values()), left_out, unread)


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


def _is_folder(path: Path) -> bool:
    """Whether it is one, and not a file. Raises CommandError for what is neither."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        mode = 0
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from error
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise CommandError(f"There is no file or folder {path}")
    return stat.S_ISDIR(mode)


def _mode(path: Path) -> int:
    """Of itself, not of what a link leads to: out of the folder, perhaps. 0 for what cannot be looked at."""
    try:
        return path.lstat().st_mode
    except OSError:
        return 0


def _walk(folder: Path, unread: Callable[[OSError], None]) -> Iterator[Path]:
    """All that is no folder, hidden entries aside; links to folders, too, which are not walked."""
    for place, folders, names in os.walk(folder, onerror=unread):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [name for name in folders if stat.S_ISLNK(_mode(Path(place, name)))]
        yield from (Path(place, name) for name in sorted([*names, *links]) if not name.startswith("."))
