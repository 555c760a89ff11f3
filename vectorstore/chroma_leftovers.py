"""Clears away what Chroma leaves behind: the index directories of dropped collections."""

import shutil
import sqlite3
from pathlib import Path
from uuid import UUID

from database.chroma_segments import vector_segments


def remove_leftovers(directory: Path) -> int:
    """Remove index directories that no collection uses; how many. For a directory that nobody has open.

    When its file cannot be read, nothing is removed: that is a matter for who opens it next.
    """
    file = directory / "chroma.sqlite3"
    if not file.is_file():
        return 0
    try:
        used = vector_segments(file)
    except sqlite3.Error:
        return 0
    leftovers = [path for path in directory.iterdir() if _is_index(path) and path.name not in used]
    for path in leftovers:
        shutil.rmtree(path, ignore_errors=True)
    return len(leftovers)


def _is_index(path: Path) -> bool:
    """Whether Chroma could have made it: other directories are none of our business."""
    try:
        return path.is_dir() and str(UUID(path.name)) == path.name
    except ValueError:
        return False
