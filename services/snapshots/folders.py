"""Folders for one user alone, and names in them that survive a power cut."""

import os
from pathlib import Path


def make_private(folder: Path) -> list[Path]:
    """Make a folder and those above it that are missing, each with mode 700; which were made."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
    return missing


def sync_folder(folder: Path) -> None:
    """What was named in a folder is on disk from now on."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
