import random
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Self

import pytest

from agents.intent_rules import IntentRules, newest
from agents.language_packs import load_language_packs
from agents.message_classifier import MessageClassifier
from agents.ports import Burst
from agents.query_agent import QueryAgent
from agents.question_splitter import split_questions
from agents.responder import BurstResponder
from agents.sentences import Sentences
from database.records import Intent
from services.whatsapp.formatting import split_text, to_whatsapp
from tests.fakes.small_knowledge import SmallKnowledge, passage

PACKS = load_language_packs()
RULES = IntentRules(PACKS)
LONGEST = 4096
# Calls of functions, Python's and C's: the same on every machine. Linear work takes a tenth of it.
MOST_CALLS = 1_000_000
LETTERS = "?!.,*_~`[](){}<>|#-\n\t \\&;:/@a1한日ก👋\u0301é"


def phrases() -> list[str]:
    return sorted({phrase for pack in PACKS.values() for listed in pack.phrases.values() for phrase in listed})


def hostile_texts() -> Iterator[str]:
    dice = random.Random(7)
    for phrase in phrases():
        yield (f"{phrase} " * LONGEST)[: LONGEST - 10] + " when open"
    for letter in LETTERS:
        yield letter * LONGEST
        yield f"\n{letter}a" * (LONGEST // 3)
    for _ in range(40):
        yield " ".join(dice.choices(phrases(), k=900))[:LONGEST]
        yield "".join(dice.choices(dice.sample(LETTERS, 4), k=LONGEST))
    yield ("talk " * 410 + "person " * 300)[:LONGEST]
    yield " ".join(f"what is number {number}?" for number in range(64))
    yield "".join(chr(0x4E00 + dice.randrange(20_000)) for _ in range(LONGEST))


class Work:
    """Counts the calls made inside its block."""

    def __enter__(self) -> Self:
        self.calls = 0
        sys.setprofile(self._count)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _count(self, _frame: FrameType, event: str, _what: object) -> None:
        self.calls += event in {"call", "c_call"}


def test_no_text_keeps_the_rules_busy() -> None:
    """Whatever fits into one message is judged in few steps, or one customer would keep all others waiting."""
    for text in hostile_texts():
        with Work() as work:
            RULES.intents([text])
        assert work.calls < MOST_CALLS


@pytest.mark.parametrize("messages", [1, 50])
async def test_no_burst_keeps_the_agents_busy(messages: int) -> None:
    """Fifty of the longest messages cost about as much as two: what is read of a burst has a bound."""
    dice = random.Random(8)
    vocabulary = sorted(word for pack in PACKS.values() for word in pack.marks)
    knowledge = SmallKnowledge(
        [passage(f"{place} " + ". ".join(dice.choices(vocabulary, k=150)), f"{place}.md") for place in range(8)]
    )
    agents = BurstResponder(MessageClassifier(None, PACKS), QueryAgent(knowledge, None, PACKS), Sentences(PACKS))
    for text in dice.sample(list(hostile_texts()), 60):
        with Work() as work:
            reply = await agents.respond(Burst("b", (text,) * messages))
            split_text(to_whatsapp(reply.text or ""))
        assert work.calls < MOST_CALLS


@pytest.mark.parametrize("letter", LETTERS)
def test_no_answer_keeps_the_formatting_busy(letter: str) -> None:
    """A model that repeats one mark until its answer is full does not stall the server."""
    with Work() as work:
        split_text(to_whatsapp(f"{letter}a" * (LONGEST // 2)))
    assert work.calls < MOST_CALLS


def test_brackets_without_end_stay_as_they_are() -> None:
    """Beyond 64 brackets nothing is a link, and nothing is lost."""
    assert to_whatsapp("[x](https://a.example) " * 100).count("[x](https://a.example)") == 100
    assert to_whatsapp("[x](https://a.example)") == "x: https://a.example"


def test_a_few_greetings_in_a_row_are_still_a_greeting() -> None:
    """The bound is far above what people write."""
    assert RULES.intents(["hi hi hello hey, hi good morning!"]) == (Intent.GREETING,)
    assert RULES.intents(["thanks thanks thank you, hi, when do you open"]) == (
        Intent.QUESTION,
        Intent.GREETING,
        Intent.THANKS,
    )


def test_a_stop_is_never_too_loud() -> None:
    """An opt-out holds with any number of marks behind it; a long message that begins so is none."""
    assert RULES.keyword(["STOP" + "!" * 4000]) is Intent.OPT_OUT
    assert RULES.keyword(["stop" + "!" * 4000 + "at which station?"]) is None
    assert RULES.keyword(["stop", *["x" * LONGEST] * 50]) is Intent.OPT_OUT


def test_of_a_long_burst_the_newest_counts() -> None:
    """Two of the longest texts are read, the last ones whole."""
    assert newest(["a" * LONGEST, "b" * LONGEST, "c" * LONGEST]) == ("b" * LONGEST, "c" * LONGEST)
    assert newest(["a" * LONGEST, "b" * LONGEST, "c"]) == ("a" * (LONGEST - 1), "b" * LONGEST, "c")


def test_of_a_long_story_the_question_is_searched() -> None:
    """A question stands before its mark; without a mark the beginning is what somebody wants."""
    assert split_questions(["I was there. " * 300 + "Do you ship?"], ())[0].endswith("there. Do you ship?")
    assert split_questions(["I want a refund. " + "I was there. " * 300], ())[0].startswith("I want a refund. I was")
    assert len(split_questions(["word " * 800], ())[0]) == 1000
