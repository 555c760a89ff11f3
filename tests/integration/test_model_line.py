"""The line to the models as a whole: stand-in, budget and memory, over real sockets and a real database."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from agents.answer_guard import AnswerGuard, Guarded
from agents.language_detector import LanguageDetector
from agents.language_packs import load_language_packs
from agents.model_answering import Conversation, answered
from agents.model_answers import NonsenseError, read_answer
from agents.model_line import ModelLine
from agents.ports import ModelError
from bot.health import State
from bot.models import model_check, model_options, open_model_line
from bot.settings import Settings
from database.businesses import ensure_default
from database.engine import Database, DatabaseOptions
from database.metrics import Metrics
from database.records import Passage
from database.transaction import Transaction
from tests.fakes.hasty_clock import HastyClock
from tests.fakes.scripted_openai import ScriptedOpenAI

PACKS = load_language_packs()
DAY_SECONDS = 86_400
PRICES = '{"first": [10000, 0], "second": [1, 1]}'  # a call of the first costs a dollar


@pytest.fixture
async def server() -> AsyncIterator[ScriptedOpenAI]:
    async with ScriptedOpenAI(otherwise="Hello!").running() as running:
        yield running


class Bench:
    """Opens lines on one database, with the settings that a test writes down."""

    def __init__(self, directory: Path, server: ScriptedOpenAI, metrics: Metrics) -> None:
        self.clock = HastyClock()
        self.business_id = ""
        self._directory = directory
        self._server = server
        self._metrics = metrics

    @asynccontextmanager
    async def line(self, **settings: Any) -> AsyncIterator[ModelLine]:
        async with AsyncExitStack() as stack:
            chat = await stack.enter_async_context(
                Database.open(self._directory / "concierge.db", DatabaseOptions("chat"), self._metrics)
            )
            self.business_id = (await chat.write(ensure_default("1", self.clock.now()))).id
            chosen = _settings(openai_base_url=self._server.base_url, **settings)
            line = await open_model_line(stack, chosen, chat, self.clock, random.Random(1), self._metrics)
            assert line is not None
            yield line
            self.database = chat

    async def spending(self) -> list[dict[str, Any]]:
        """What is on disk, after the line was closed."""
        options = DatabaseOptions("chat")

        async def unit(transaction: Transaction) -> list[dict[str, Any]]:
            return [dict(row) for row in await transaction.all("SELECT * FROM model_spending ORDER BY day, model")]

        async with Database.open(self._directory / "concierge.db", options, self._metrics) as chat:
            return await chat.read(unit)

    def calls(self, outcome: str, model: str = "first") -> float:
        """How many calls ended like this."""
        labels = {"model": model, "outcome": outcome}
        return self._metrics.registry.get_sample_value("concierge_model_calls_total", labels) or 0.0


@pytest.fixture
def bench(tmp_path: Path, server: ScriptedOpenAI, metrics: Metrics) -> Bench:
    return Bench(tmp_path, server, metrics)


def _settings(**settings: Any) -> Settings:
    return Settings(**{"_env_file": None, "concierge_chat_model": "first", "concierge_model_retries": 0, **settings})


class Kind(BaseModel):
    """An answer that the scripted server does not give."""

    answer: str


async def test_another_model_stands_in(bench: Bench, server: ScriptedOpenAI) -> None:
    """When the chosen model fails, the customer gets the other one's answer, and the turn its name."""
    async with bench.line(concierge_fallback_model="second") as line:
        server.faults.append("status_500")
        completion = await line.complete("s", "u", business_id=bench.business_id)
    assert completion.usage.model == "second"
    assert [asked["model"] for asked in server.chats] == ["first", "second"]


async def test_both_models_fail(bench: Bench, server: ScriptedOpenAI) -> None:
    """With no model left the caller hears what became of each, and answers by itself."""
    async with bench.line(concierge_fallback_model="second") as line:
        server.lasting_fault = "status_500"
        with pytest.raises(ModelError, match="status_500; then the model failed: status_500"):
            await line.complete("s", "u", business_id=bench.business_id)


async def test_a_model_that_hangs_leaves_time_for_the_other(bench: Bench, server: ScriptedOpenAI) -> None:
    """The stand-in answers within the time that a customer waits for all of them."""
    async with bench.line(concierge_fallback_model="second", concierge_model_timeout_seconds=2.5) as line:
        server.faults.append("hang")
        completion = await line.complete("s", "u", business_id=bench.business_id)
    assert completion.usage.model == "second"


async def test_a_key_goes_to_its_own_server_only() -> None:
    """A stand-in elsewhere gets its own key or none, never the first one's."""
    first, second = model_options(
        _settings(
            openai_api_key="sk-first", concierge_fallback_model="m", concierge_fallback_base_url="http://127.0.0.1:1/v1"
        )
    )
    assert (first.api_key, second.api_key) == ("sk-first", "")
    first, second = model_options(_settings(openai_api_key="sk-first", concierge_fallback_model="m"))
    assert second.api_key == "sk-first"


async def test_the_budget_ends_the_spending(bench: Bench, server: ScriptedOpenAI, caplog: Any) -> None:
    """Beyond the daily budget no model is called until the next day (UTC); the log says so once."""
    async with bench.line(concierge_daily_budget_usd=2.5, concierge_model_prices=PRICES) as line:
        for _ in range(3):
            await line.complete("s", "u", business_id=bench.business_id)
        for _ in range(2):
            with pytest.raises(ModelError, match="daily budget is spent"):
                await line.complete("s", "u", business_id=bench.business_id)
        assert (await model_check(line)()).state is State.DEGRADED
        assert server.calls == 3
        assert bench.calls("over_budget") == 2
        await bench.clock.advance(DAY_SECONDS)
        await line.complete("s", "u", business_id=bench.business_id)
        assert (await model_check(line)()).state is State.OK
    assert sum("daily budget" in record.getMessage() for record in caplog.records) == 1


async def test_another_business_has_its_own_budget(bench: Bench) -> None:
    """What one business spends is not taken from another."""
    async with bench.line(concierge_daily_budget_usd=0.5, concierge_model_prices=PRICES) as line:
        await line.complete("s", "u", business_id=bench.business_id)
        with pytest.raises(ModelError, match="budget"):
            await line.complete("s", "u", business_id=bench.business_id)
        await line.complete("s", "u", business_id="another")


async def test_what_was_spent_is_known_after_a_restart(bench: Bench) -> None:
    """The budget is the day's, not the process's: everything is on disk by day and model."""
    limits = {"concierge_daily_budget_usd": 2.0, "concierge_model_prices": PRICES}
    async with bench.line(**limits) as line:
        for _ in range(2):
            await line.complete("s", "u", business_id=bench.business_id)
    async with bench.line(**limits) as line:
        with pytest.raises(ModelError, match="budget"):
            await line.complete("s", "u", business_id=bench.business_id)
    (row,) = await bench.spending()
    assert (row["model"], row["calls"], row["input_tokens"], row["output_tokens"]) == ("first", 2, 200, 40)
    assert row["cost_usd"] == pytest.approx(2.0)


async def test_useless_answers_cost_money_too(bench: Bench, server: ScriptedOpenAI) -> None:
    """An answer without text was paid for all the same."""
    server.faults.append("no_text")
    async with bench.line(concierge_fallback_model="second", concierge_model_prices=PRICES) as line:
        await line.complete("s", "u", business_id=bench.business_id)
    assert [row["model"] for row in await bench.spending()] == ["first", "second"]


async def test_what_nobody_hears_costs_money_too(bench: Bench, server: ScriptedOpenAI) -> None:
    """The server bills calls that ran out of time or were given up: their input counts, estimated; refusals do not."""
    server.lasting_fault = "hang"
    async with bench.line(concierge_model_timeout_seconds=0.5, concierge_model_prices=PRICES) as line:
        with pytest.raises(ModelError, match="timeout"):
            await line.complete("s" * 400, "u", business_id=bench.business_id)
        asked = asyncio.create_task(line.complete("s" * 400, "u", business_id=bench.business_id))
        while server.calls < 2:
            await asyncio.sleep(0.01)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        server.lasting_fault = "status_500"
        with pytest.raises(ModelError):
            await line.complete("s" * 400, "u", business_id=bench.business_id)
    (row,) = await bench.spending()
    assert (row["calls"], row["input_tokens"], row["output_tokens"]) == (2, 202, 0)
    assert row["cost_usd"] == pytest.approx(2.02)


async def test_a_known_question_costs_nothing(bench: Bench, server: ScriptedOpenAI) -> None:
    """The same prompt from the same knowledge is answered from memory: no call, no tokens, also beyond the budget."""
    async with bench.line(concierge_daily_budget_usd=0.5, concierge_model_prices=PRICES) as line:
        asked: dict[str, Any] = {"business_id": bench.business_id, "knowledge_version": 7}
        first = await line.complete("s", "u", **asked)
        again = await line.complete("s", "u", **asked)
    assert again.text == first.text
    assert (again.usage.input_tokens, again.usage.cost_usd) == (0, 0.0)
    assert (again.usage.model, again.usage.prompt_hash) == (first.usage.model, first.usage.prompt_hash)
    assert server.calls == 1
    assert bench.calls("cached") == 1


@pytest.mark.parametrize(
    ("system", "user", "other"),
    [("s", "u", {"knowledge_version": 8}), ("s", "v", {}), ("t", "u", {}), ("s", "u", {"business_id": "another"})],
)
async def test_nothing_else_is_the_same_question(
    bench: Bench, server: ScriptedOpenAI, system: str, user: str, other: dict[str, Any]
) -> None:
    """Another version of the knowledge, prompt, question or business is another call."""
    async with bench.line() as line:
        asked: dict[str, Any] = {"business_id": bench.business_id, "knowledge_version": 7}
        await line.complete("s", "u", **asked)
        await line.complete(system, user, **{**asked, **other})
    assert server.calls == 2


async def test_without_a_version_nothing_is_remembered(bench: Bench, server: ScriptedOpenAI) -> None:
    """What does not rest on the knowledge is asked anew."""
    async with bench.line() as line:
        await line.complete("s", "u", business_id=bench.business_id)
        await line.complete("s", "u", business_id=bench.business_id)
    assert server.calls == 2


async def test_memory_is_bounded_in_number_and_age(bench: Bench, server: ScriptedOpenAI) -> None:
    """The oldest answers go first, and none outlives its time."""
    async with bench.line(concierge_model_cache_entries=2, concierge_model_cache_seconds=60) as line:
        for user in ("a", "b", "c", "b", "a"):  # a was forgotten for c
            await line.complete("s", user, knowledge_version=1)
        assert server.calls == 4
        await bench.clock.advance(61)
        await line.complete("s", "a", knowledge_version=1)
    assert server.calls == 5


async def test_the_same_question_at_the_same_time_is_asked_once(bench: Bench, server: ScriptedOpenAI) -> None:
    """Forty customers with one question cost one call; one who gives up does not take it from the others."""
    server.latency_seconds = 0.1
    async with bench.line() as line:
        calls = [asyncio.create_task(line.complete("s", "u", knowledge_version=1)) for _ in range(40)]
        while not server.calls:
            await asyncio.sleep(0.01)
        calls[0].cancel()
        answers = await asyncio.gather(*calls, return_exceptions=True)
    assert server.calls == 1
    assert isinstance(answers[0], asyncio.CancelledError)
    assert {answer.text for answer in answers[1:] if not isinstance(answer, BaseException)} == {"Hello!"}
    assert len(answers[1:]) == 39


async def test_a_question_that_everybody_gave_up_is_dropped(bench: Bench, server: ScriptedOpenAI) -> None:
    """Nobody pays on for an answer that nobody reads; the next one asks anew."""
    server.lasting_fault = "hang"
    async with bench.line() as line:
        asked = asyncio.create_task(line.complete("s", "u", knowledge_version=1))
        while not server.calls:
            await asyncio.sleep(0.01)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        server.lasting_fault = None
        assert (await line.complete("s", "u", knowledge_version=1)).text == "Hello!"


async def test_failures_are_not_remembered(bench: Bench, server: ScriptedOpenAI) -> None:
    """A fault that is over is not repeated from memory."""
    async with bench.line() as line:
        server.faults.append("status_500")
        with pytest.raises(ModelError):
            await line.complete("s", "u", knowledge_version=1)
        assert (await line.complete("s", "u", knowledge_version=1)).text == "Hello!"


async def test_nonsense_is_not_remembered(bench: Bench, server: ScriptedOpenAI) -> None:
    """An answer that is not the JSON it should be is not given to the next customer."""
    async with bench.line() as line:
        with pytest.raises(NonsenseError):
            read_answer(await line.complete("s", "u", knowledge_version=1), Kind)
        server.otherwise = '{"answer": "At nine."}'
        assert read_answer(await line.complete("s", "u", knowledge_version=1), Kind).answer == "At nine."


async def test_readiness_shows_a_model_that_is_left_alone(bench: Bench, server: ScriptedOpenAI) -> None:
    """`ready` says which model does not answer, without asking it; without any model there is nothing wrong."""
    async with bench.line(concierge_model_breaker_failures=1) as line:
        assert (await model_check(line)()).state is State.OK
        server.lasting_fault = "status_500"
        with pytest.raises(ModelError):
            await line.complete("s", "u")
        found = await model_check(line)()
    assert found.state is State.DEGRADED
    assert found.facts == {"breakers": {"first": "open"}, "problems": ["first does not answer"]}
    assert (await model_check(None)()).state is State.OK


@pytest.mark.parametrize("refused", ["A cake costs 999 euros.", "The owner is an idiot."])
async def test_inventions_are_not_remembered(bench: Bench, server: ScriptedOpenAI, refused: str) -> None:
    """An answer that is refused for a price or for its words is not offered to the next customer from memory."""
    asked = Conversation(business_id="b", question="What does a cake cost?", language="en")
    passages = [Passage("c", "d", "prices.md", "A cake costs 20 euros.", 1.0)]
    guard = AnswerGuard(LanguageDetector(PACKS))

    def check(text: str, known: Sequence[str]) -> Guarded:
        return guard.checked(text, known, [asked.question], PACKS["en"].stop_words, "en")

    async with bench.line() as line:
        server.otherwise = json.dumps({"answer": refused, "answered": True, "sources": [1]})
        with pytest.raises(NonsenseError):
            await answered(line, asked, passages, 1, 400, check)
        server.otherwise = '{"answer": "A cake costs 20 euros.", "answered": true, "sources": [1]}'
        assert (await answered(line, asked, passages, 1, 400, check)).text == "A cake costs 20 euros."
