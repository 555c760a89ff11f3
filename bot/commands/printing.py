"""What commands say: results on stdout, everything else on stderr."""

import json
import sys
from typing import Any


def say(text: str) -> None:
    """A line of the result."""
    sys.stdout.write(f"{text}\n")


def say_json(value: Any) -> None:
    """The result for a program."""
    say(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def complain(text: str) -> None:
    """A line for the person, beside the result."""
    sys.stderr.write(f"{text}\n")
