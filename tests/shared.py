"""Where the shared evaluation data lie, for the tests and benchmarks that read them."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("CONCIERGE_SHARED", "../shared"))
if not SHARED.is_absolute():
    SHARED = (ROOT / SHARED).resolve()


def shared(path: str) -> Path:
    """A file or folder of the shared data; skips the test when it is not there."""
    found = SHARED / path
    if not found.exists():
        pytest.skip(f"shared data are not here: {path} (set CONCIERGE_SHARED)")
    return found
