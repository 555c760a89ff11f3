"""`concierge eval FILE.jsonl`: how well the knowledge answers known questions, beside the last run of the same file."""

import asyncio
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bot.commands.evaluation_figures import FETCH, FIGURES, Outcome, figures_of, outcome, worst
from bot.commands.evaluation_file import BadLine, Expected, read_questions
from bot.commands.failures import CommandError, Exit
from bot.commands.knowledge_door import KnowledgeDoor, knowledge_door
from bot.commands.printing import complain, say, say_json
from bot.settings import Settings
from database.clock import Clock

AT_ONCE = 4
MOST_COMPLAINTS = 20
LONGEST_REPLY = 300


@dataclass(frozen=True, slots=True)
class EvaluationRequest:
    """What to measure, and how many of the worst questions to show."""

    file: Path
    business: str
    worst: int = 0
    as_json: bool = False


async def evaluate(settings: Settings, clock: Clock, wanted: EvaluationRequest) -> Exit:
    """Ask every question, print the figures, and remember them. Poor figures are no failure."""
    expected, bad = await asyncio.to_thread(read_questions, wanted.file)
    _complain(bad)
    if not expected:
        raise CommandError(f"{wanted.file} holds no question that can be used.")
    async with knowledge_door(settings, wanted.business, clock) as door:
        await door.wait_whole()
        last = await door.last_evaluation(wanted.file.name)
        outcomes, refused = await _ask_all(door, expected)
        _complain(refused)
        if not outcomes:
            raise CommandError("No question could be asked.")
        figures = figures_of(outcomes)
        # shown first: who waited for them sees them also when they cannot be kept
        if wanted.as_json:
            say_json(_report(wanted, outcomes, [*bad, *refused], figures, last))
        else:
            _print(wanted, outcomes, figures, last)
        await door.keep_evaluation(wanted.file.name, len(outcomes), figures)
    return Exit.OK


async def _ask_all(door: KnowledgeDoor, expected: Sequence[Expected]) -> tuple[list[Outcome], list[BadLine]]:
    """A few at once; the outcomes, and what was refused, are in the file's order."""
    outcomes: list[Outcome | BadLine | None] = [None] * len(expected)
    waiting = iter(enumerate(expected))
    with tqdm(total=len(expected), desc="questions", unit="", disable=not sys.stderr.isatty()) as bar:
        workers = [asyncio.create_task(_ask_some(door, waiting, outcomes, bar)) for _ in range(AT_ONCE)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
    asked = [each for each in outcomes if isinstance(each, Outcome)]
    return asked, [each for each in outcomes if isinstance(each, BadLine)]


async def _ask_some(
    door: KnowledgeDoor,
    waiting: Iterator[tuple[int, Expected]],
    outcomes: list[Outcome | BadLine | None],
    bar: "tqdm[Any]",
) -> None:
    for index, expected in waiting:
        try:
            passages = await door.search(expected.question, FETCH)
            outcomes[index] = outcome(expected, passages, await door.ask(expected.question))
        except CommandError as error:
            # one that is refused must not throw the others away
            outcomes[index] = BadLine(expected.line, f"could not be asked ({str(error).rstrip('.')})")
        bar.update()


def _complain(bad: Sequence[BadLine]) -> None:
    for each in bad[:MOST_COMPLAINTS]:
        complain(f"Line {each.line} {each.problem}: left out.")
    if len(bad) > MOST_COMPLAINTS:
        complain(f"{len(bad) - MOST_COMPLAINTS} more lines cannot be used.")


def _print(
    wanted: EvaluationRequest,
    outcomes: Sequence[Outcome],
    figures: Mapping[str, float | None],
    last: Mapping[str, Any] | None,
) -> None:
    say(_headline(wanted.file.name, outcomes))
    before: Mapping[str, float | None] = last["figures"] if last else {}
    if last:
        changed = "" if last["questions"] == len(outcomes) else f", which asked {last['questions']:,}"
        say(f"beside the run of {last['created_at']}{changed}")
        say(f"{'':18} {'now':>6} {'last':>6} {'change':>7}")
    for name in FIGURES:
        say(_row(name, figures[name], before.get(name)).rstrip())
    for each in worst(outcomes, wanted.worst):
        say(_told(each))


def _headline(name: str, outcomes: Sequence[Outcome]) -> str:
    count = sum(each.expected.unanswerable for each in outcomes)
    return f"{name}: {len(outcomes):,} questions, {count:,} of them unanswerable"


def _row(name: str, now: float | None, last: float | None) -> str:
    change = f"{now - last:+7.3f}" if now is not None and last is not None else ""
    return f"{name:18} {_shown(now)} {'' if last is None else _shown(last)} {change}"


def _shown(figure: float | None) -> str:
    return f"{'–':>6}" if figure is None else f"{figure:6.3f}"  # noqa: RUF001 - a dash, as tables have it


def _told(each: Outcome) -> str:
    if each.expected.unanswerable:
        wrong = ["answered, but should not"]
    else:
        place = "no right passage" if each.rank is None else f"right passage at {each.rank}" if each.rank > 1 else ""
        lacking = "reply lacks the answer" if each.contained is False else ""
        wrong = [place, lacking, "" if each.answered else "refused"]
    said = " ".join(each.reply.split())[:LONGEST_REPLY]
    return f"line {each.expected.line}: {each.expected.question}\n    {', '.join(filter(None, wrong))}: {said}"


def _report(
    wanted: EvaluationRequest,
    outcomes: Sequence[Outcome],
    bad: Sequence[BadLine],
    figures: Mapping[str, float | None],
    last: Mapping[str, Any] | None,
) -> dict[str, Any]:
    return {
        "file": wanted.file.name,
        "questions": len(outcomes),
        "unanswerable": sum(each.expected.unanswerable for each in outcomes),
        "skipped": [{"line": each.line, "problem": each.problem} for each in bad],
        "figures": figures,
        "last": last,
        "worst": [
            {
                "line": each.expected.line,
                "question": each.expected.question,
                "rank": each.rank,
                "answered": each.answered,
                "contained": each.contained,
                "reply": each.reply,
            }
            for each in worst(outcomes, wanted.worst)
        ],
    }
