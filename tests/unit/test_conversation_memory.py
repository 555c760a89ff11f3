import asyncio
import json

import pytest

from agents.conversation_memory import LONGEST_SUMMARY, ConversationMemory
from agents.ports import Burst, Completion, ModelError, Utterance
from tests.fakes.scripted_model import ScriptedModel


class SilentModel:
    """A model that never answers."""

    async def complete(
        self, system: str, user: str, *, business_id: str = "", knowledge_version: int | None = None
    ) -> Completion:
        return await asyncio.Future()


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


def test_a_long_line_does_not_push_the_others_out() -> None:
    """Of a question as long as the budget the beginning stays, and so does what was said around it."""
    said = ("hi", "The lamp " + "x" * 4090, "From Lamps")
    history = tuple(Utterance(bool(seq % 2), text, seq) for seq, text in enumerate(said))
    recalled = ConversationMemory(None).recalled(Burst("b", ("and?",), history=history))
    assert [line.text[:8] for line in recalled.history] == ["hi", "The lamp", "From Lam"]
    assert len(recalled.history[1].text) == 500
    assert recalled.summary is None


def test_what_leaves_the_budget_is_not_out_of_sight() -> None:
    """Until the new summary is stored, the turn has the customer's questions of the older lines in short."""
    recalled = ConversationMemory(None, 100).recalled(talk(30, summary="Before."))
    assert recalled.summary is not None
    assert recalled.summary.splitlines()[:2] == ["Before.", "Line 1."]
    assert recalled.summary.endswith("Line 19.")


async def test_a_slow_model_does_not_hold_the_reply_up() -> None:
    """Beyond the time that the reply waits, the summary is the customer's own sentences."""
    memory = ConversationMemory(SilentModel(), 100, model_seconds=0.01)
    remembered = await memory.summarized(talk(30), use_model=True)
    assert remembered.summary is not None
    assert remembered.summary.text.startswith("Line 1.")
    assert remembered.error == "summary: the model was slow"


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
