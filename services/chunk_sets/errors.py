"""What can be wrong with a chunk set or with one file of it."""


class ChunkSetError(Exception):
    """The whole set cannot be written or read. The text is for its owner."""


class BrokenFileError(Exception):
    """One file of a set cannot be used; the others can. The text says why."""
