"""What a check found: a line for a person, an object for a program, and whether it makes the command fail."""

import shutil
import sys
import textwrap
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from bot.commands.failures import Exit
from bot.commands.printing import say


class State(StrEnum):
    """How a check ended. Only a problem makes the command's exit code 1."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    SKIPPED = "not checked"


MARKS = {State.OK: "✓", State.WARNING: "!", State.PROBLEM: "✗", State.SKIPPED: "–"}  # noqa: RUF001 - meant so
PLAIN_MARKS = {State.OK: "ok", State.WARNING: "!!", State.PROBLEM: "XX", State.SKIPPED: "--"}
NAME_WIDTH = 18
NARROWEST = 40


@dataclass(frozen=True, slots=True)
class Finding:
    """`text` is what was found, `advice` what to do about it: plain sentences without any secret."""

    name: str
    state: State
    text: str
    advice: str = ""


def ok(name: str, text: str, advice: str = "") -> Finding:
    """All is well."""
    return Finding(name, State.OK, text, advice)


def warning(name: str, text: str, advice: str = "") -> Finding:
    """It works, but somebody should look at it."""
    return Finding(name, State.WARNING, text, advice)


def problem(name: str, text: str, advice: str = "") -> Finding:
    """It does not work."""
    return Finding(name, State.PROBLEM, text, advice)


def skipped(name: str, text: str, advice: str = "") -> Finding:
    """It was not looked at; the text says why."""
    return Finding(name, State.SKIPPED, text, advice)


def exit_code(findings: Iterable[Finding]) -> Exit:
    """FAILED with any problem, OK with warnings alone."""
    return Exit.FAILED if any(each.state is State.PROBLEM for each in findings) else Exit.OK


def as_objects(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """For JSON."""
    return [asdict(each) for each in findings]


def print_findings(findings: Iterable[Finding]) -> None:
    """One line a check, and one below it where there is something to do, once each; wrapped on a terminal."""
    marks = MARKS if _can_print("".join(MARKS.values())) else PLAIN_MARKS
    indent = " " * (len(marks[State.OK]) + NAME_WIDTH + 2)
    advised: set[str] = set()
    for each in findings:
        _say_wrapped(f"{marks[each.state]} {each.name:<{NAME_WIDTH}} ", each.text, indent)
        if each.advice and each.advice not in advised:
            _say_wrapped(indent, each.advice, indent)
            advised.add(each.advice)


def _say_wrapped(start: str, text: str, indent: str) -> None:
    columns = shutil.get_terminal_size((0, 0)).columns  # 0: a file or a pipe, where a line stays a line
    width = max(columns - len(indent), NARROWEST) if columns else sys.maxsize
    lines = textwrap.wrap(_printable(text), width, break_long_words=False, break_on_hyphens=False) or [""]
    say(start + lines[0])
    for line in lines[1:]:
        say(indent + line)


def _can_print(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _printable(text: str) -> str:
    """As much of a text as the terminal can show: names at Meta may be in any script."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    encoding = sys.stdout.encoding or "ascii"
    return line.encode(encoding, "replace").decode(encoding)
