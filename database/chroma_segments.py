"""Which index directories Chroma's own file knows: it forgets to remove those of collections that were dropped."""

import sqlite3
from contextlib import closing
from pathlib import Path


def vector_segments(file: Path) -> set[str]:
    """The names of the directories that are in use. Raises sqlite3.Error.

    For a file that nobody has open: beside Chroma's library another one may break it (measured: 24 of 280 reads
    were "malformed").
    """
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, timeout=0)) as connection:
        return {str(row[0]) for row in connection.execute("SELECT id FROM segments WHERE scope = 'VECTOR'")}
