import json

import pytest

from agents.conversation_memory import LONGEST_SUMMARY, ConversationMemory
from agents.ports import Burst, ModelError, Utterance
from tests.fakes.scripted_model import ScriptedModel


def talk(lines: int, length: int = 40, summary: str | None = None) -> Burst:
    """A burst after a talk of both sides, numbered from 1."""
    history = tuple(
        Utterance(bool(seq % 2), f"Line {seq}. ".ljust(length, "x"), seq) for seq in range(1, lines + 1)
    )  # fmt: skip
    return Burst("b", ("and?",), history=history, summary=summary)


def test_recent_lines_keep_to_the_budget() -> None:
    """A hundred tokens are about four hundred characters: the newest lines that fit."""
    recalled = ConversationMemory(None, 100).recalled(talk(30))
    assert [line.seq for line in recalled.history] == list(range(21, 31))


async def test_a_short_talk_needs_no_summary() -> None:
    """Nothing is summed up, and no model is paid, while the budget holds everything."""
    model = ScriptedModel({"summary": "unused"})
    remembered = await ConversationMemory(model, 1000).summarized(talk(20), use_model=True)
    assert remembered.summary is None
    assert model.asked == []


async def test_without_a_model_the_customers_questions_are_kept() -> None:
    """The first sentences of what the customer wrote, behind the summary so far, down to half of the budget."""
    remembered = await ConversationMemory(None, 100).summarized(talk(30, summary="Before."), use_model=True)
    assert remembered.summary is not None
    assert remembered.summary.until_seq == 25
    assert remembered.summary.text.splitlines()[:3] == ["Before.", "Line 1.", "Line 3."]
    assert "Line 2." not in remembered.summary.text


async def test_many_short_lines_are_summed_up_too() -> None:
    """Lines are counted as well: none falls out of sight without a summary."""
    remembered = await ConversationMemory(None, 100_000).summarized(talk(41), use_model=True)
    assert remembered.summary is not None
    assert remembered.summary.until_seq == 21


async def test_a_summary_never_grows_without_end() -> None:
    """Of what has no room the newest is kept."""
    remembered = await ConversationMemory(None, 100).summarized(talk(400), use_model=True)
    assert remembered.summary is not None
    assert len(remembered.summary.text) <= LONGEST_SUMMARY
    assert remembered.summary.text.endswith("Line 395.")


async def test_a_model_writes_the_summary() -> None:
    """It gets the summary so far and the lines that leave, as data; what it costs is known."""
    model = ScriptedModel({"summary": "They counted to 25."})
    remembered = await ConversationMemory(model, 100).summarized(talk(30, summary="Before."), use_model=True)
    assert remembered.summary is not None
    assert (remembered.summary.text, remembered.summary.until_seq) == ("They counted to 25.", 25)
    assert remembered.usage.cost_usd == 0.25
    asked = json.loads(model.users[0])
    assert asked["summary"] == "Before."
    assert len(asked["lines"]) == 25


@pytest.mark.parametrize(
    "said", ["nonsense", {"summary": ""}, {"summary": "They want 7000 lamps."}, ModelError("away")]
)
async def test_a_model_that_fails_costs_nothing(said: object) -> None:
    """Nonsense, inventions and silence are replaced by the customer's own sentences, and named."""
    remembered = await ConversationMemory(ScriptedModel(said), 100).summarized(talk(30), use_model=True)  # type: ignore[arg-type]
    assert remembered.summary is not None
    assert remembered.summary.text.startswith("Line 1.")
    assert remembered.error is not None
