"""A file of questions with what is expected of each, for `concierge eval`: one JSON object a line."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.commands.failures import CommandError

MOST_LINES = 100_000
LONGEST_QUESTION = 4096
EXPECTATIONS = ("passage", "answer", "document", "unanswerable")


@dataclass(frozen=True, slots=True)
class Expected:
    """A question, and what the right passage holds or is, which answers are right, which file holds it; or nothing."""

    line: int
    question: str
    passage: str | None = None
    answers: tuple[str, ...] = ()
    document: str | None = None
    unanswerable: bool = False


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that cannot be used, and why."""

    line: int
    problem: str


def read_questions(path: Path) -> tuple[list[Expected], list[BadLine]]:
    """What can be used of the file, and what cannot. Raises CommandError for a file that cannot be read."""
    try:
        with path.open("rb") as source:
            lines = [source.readline() for _ in range(MOST_LINES + 1)]
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror or error}") from error
    if lines[-1]:
        raise CommandError(f"{path} has more than {MOST_LINES:,} lines: split it.")
    good: list[Expected] = []
    bad: list[BadLine] = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            read = _read(number, line)
            (good if isinstance(read, Expected) else bad).append(read)  # type: ignore[arg-type]
    return good, bad


def _read(number: int, line: bytes) -> Expected | BadLine:
    try:
        given = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except (ValueError, RecursionError):
        return BadLine(number, "is not JSON in UTF-8")
    problem = _problem(given)
    if problem:
        return BadLine(number, problem)
    answers = given.get("answer", ())
    return Expected(
        line=number,
        question=given["question"].strip(),
        passage=given.get("passage"),
        answers=(answers,) if isinstance(answers, str) else tuple(answers),
        document=given.get("document"),
        unanswerable=given.get("unanswerable", False),
    )


def _problem(given: Any) -> str | None:
    """Why the line cannot be used; None when it can."""
    if not isinstance(given, dict):
        return 'is no object like {"question": "…", "answer": "…"}'
    if not _is_text(given.get("question")):
        return "has no question"
    if len(given["question"].strip()) > LONGEST_QUESTION:
        return f"has a question of more than {LONGEST_QUESTION:,} characters"
    unknown = sorted(set(given) - {"question", *EXPECTATIONS})
    if unknown:
        return f"has fields that mean nothing here: {', '.join(unknown)[:100]}"
    return _expectation_problem(given)


def _expectation_problem(given: dict[str, Any]) -> str | None:
    for name in ("passage", "document"):
        if name in given and not _is_text(given[name]):
            return f"has a {name} that is no text"
    answers = given.get("answer", "x")
    listed = answers if isinstance(answers, list) else [answers]
    if not listed or not all(_is_text(answer) for answer in listed):
        return "has an answer that is neither a text nor a list of texts"
    if not isinstance(given.get("unanswerable", False), bool):
        return "has an unanswerable that is neither true nor false"
    expects = [name for name in EXPECTATIONS if given.get(name)]
    if not expects:
        return f"says nothing of what is expected: {', '.join(EXPECTATIONS)}"
    if given.get("unanswerable") and len(expects) > 1:
        return "is unanswerable, but names what is expected"
    return None


def _is_text(value: Any) -> bool:
    if not isinstance(value, str) or not value.strip():
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
