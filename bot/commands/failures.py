"""How commands end when they cannot do their work: a sentence, and an exit code that scripts can tell apart."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes, as docs/operations.md lists them (2 is argparse's own: a wrong command line)."""

    OK = 0
    FAILED = 1
    OWNED = 75  # EX_TEMPFAIL of sysexits.h: another process owns the data directory
    SETTINGS = 78  # EX_CONFIG of sysexits.h
    INTERRUPTED = 130  # 128 + SIGINT, as shells do


class CommandError(Exception):
    """Ends a command with a sentence for the person who ran it."""


class NotThereError(CommandError):
    """What the server was asked for is not there, or not any more."""
