"""With a key a chat model answers; when it is slow, down or talks nonsense, there is an answer all the same."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, get_args

import pytest
import pytest_asyncio

from tests.e2e.ledger import check_log
from tests.e2e.stage import Stage, running_stage
from tests.fakes.scripted_openai import Fault, ScriptedOpenAI

pytestmark = [
    pytest.mark.blocking_allowed,  # looks into files and starts processes
    pytest.mark.asyncio(loop_scope="module"),
]

KEY = "sk-scripted-key"
MODEL = "scripted-chat"
HOURS = b"# Opening hours\n\nOn Saturdays the shop is open from ten to four.\n\nOn Sundays the shop is closed.\n"
QUESTION = "When is the shop open on Saturdays?"
COPIED = "the shop is open from ten to four"
BY_THE_MODEL = "Come by on Saturday, between ten and four."
SPOKEN = (KEY, "Bearer", QUESTION, BY_THE_MODEL, COPIED, "lighthouse")
SORTED = {"intents": ["question"], "language": "en"}
CLASSIFIER, ANSWERER = "You sort messages", "You answer customers"


@dataclass
class Talk:
    """A stage and the model behind it; the tests share both and leave the model as it was."""

    stage: Stage
    model: ScriptedOpenAI

    async def turn(self, customer: str, question: str = QUESTION) -> tuple[str, dict[str, Any]]:
        """Ask: what the customer read, and the turn's row."""
        reply = await self.stage.ask(customer, question)
        await self.stage.settled()
        turn_id = (await self.stage.messages(customer))[-1]["turn_id"]
        return reply, next(row for row in self.stage.server.rows("SELECT * FROM turns") if row["id"] == turn_id)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Talk]:
    async with ScriptedOpenAI().running() as model:
        model.when(system=CLASSIFIER, say=SORTED)
        model.when(system=ANSWERER, user=QUESTION, say=answer(BY_THE_MODEL))
        settings = {
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": model.base_url,
            "CONCIERGE_CHAT_MODEL": MODEL,
            "CONCIERGE_MODEL_TIMEOUT_SECONDS": "3",
            "CONCIERGE_MODEL_RETRIES": "1",
            "CONCIERGE_MODEL_PRICES": json.dumps({MODEL: [1.0, 10.0]}),
            "CONCIERGE_MODEL_CACHE_ENTRIES": "0",  # the tests ask the same question, and want it asked
        }
        async with running_stage(tmp_path_factory.mktemp("model"), **settings) as stage:
            await stage.upload([("hours.md", HOURS)])
            await stage.ask("4915120000000", QUESTION)  # the first call imports the client's library
            yield Talk(stage, model)


@pytest.fixture
def talk(running: Talk) -> Talk:
    """As `running`, with a model that behaves."""
    running.model.lasting_fault, running.model.latency_seconds = None, 0.0
    running.model.otherwise = "I am a language model."
    return running


def answer(text: str, *, answered: bool = True) -> dict[str, Any]:
    return {"answer": text, "answered": answered, "sources": [1] if answered else []}


async def test_the_model_answers_with_a_source_and_its_price(talk: Talk):
    """The model's sentence reaches the customer with the source; tokens and cost are in the turn."""
    reply, turn = await talk.turn("4915121000000")
    assert reply == f"{BY_THE_MODEL}\n\nFrom *Opening hours*"
    assert (turn["outcome"], turn["model"], turn["error"]) == ("answered", MODEL, None)
    assert (turn["input_tokens"], turn["output_tokens"]) == (200, 40)  # the classifier's call and the answer's
    assert turn["cost_usd"] == pytest.approx((200 * 1.0 + 40 * 10.0) / 1_000_000)
    assert turn["prompt_hash"]
    assert set(json.loads(turn["stages"])) == {"classify", "answer"}
    async with talk.stage.session.get("/metrics") as metrics:
        assert f'concierge_model_calls_total{{model="{MODEL}",outcome="answered"}}' in await metrics.text()


async def test_a_slow_model_is_waited_for(talk: Talk):
    """An answer that takes its time is used, and the customer sees that somebody types."""
    talk.model.latency_seconds = 0.6
    typing = talk.stage.simulator.counts["typing"]
    reply, turn = await talk.turn("4915122000000")
    assert reply.startswith(BY_THE_MODEL)
    assert turn["error"] is None
    assert talk.stage.simulator.counts["typing"] > typing


@pytest.mark.parametrize("fault", get_args(Fault))
async def test_a_model_that_fails_costs_no_answer(talk: Talk, fault: Fault):
    """Whatever way the model fails, sentences copied from the knowledge answer; once it works it is used again."""
    customer = f"49151230000{get_args(Fault).index(fault):02d}"
    assert (await talk.turn(customer))[0].startswith(BY_THE_MODEL)
    talk.model.lasting_fault = fault
    reply, turn = await talk.turn(customer)
    assert COPIED in reply
    assert "From *Opening hours*" in reply
    assert turn["outcome"] == "answered"
    assert turn["error"]


@pytest.mark.parametrize(
    ("customer", "said"),
    [
        ("4915124000000", "As a language model I cannot say."),
        ("4915124000001", json.dumps(answer("Call 555 123 4567 or see https://made-up.example for the lamp."))),
        ("4915124000002", json.dumps(answer("The lamp is blue.") | {"sources": [99]})),
        ("4915124000003", json.dumps(answer(""))),
    ],
)
async def test_nonsense_is_not_passed_on(talk: Talk, customer: str, said: str):
    """What is no answer, rests on no passage or makes up a phone number is not what the customer reads."""
    await talk.stage.upload([("lamp.txt", b"The lamp of the lighthouse is green and turns every nine seconds.")])
    talk.model.otherwise = said
    reply, turn = await talk.turn(customer, "Which colour is the lamp of the lighthouse?")
    assert "is green" in reply
    assert "From *Lamp*" in reply
    assert turn["error"]
    assert turn["output_tokens"] == 40, "nonsense costs all the same"


async def test_the_key_travels_with_every_call_and_into_no_log(talk: Talk):
    """Every call carries the key; the log does not, and neither does it hold what was asked or said."""
    assert set(talk.model.keys) == {KEY}
    check_log(talk.stage.server, *SPOKEN)


async def test_many_customers_are_answered_while_the_model_hangs(talk: Talk):
    """A model that never answers holds up nobody for longer than its time-outs."""
    talk.model.lasting_fault = "hang"
    customers = [f"49151250000{n:02d}" for n in range(12)]
    replies = await asyncio.gather(*(talk.stage.ask(customer, QUESTION) for customer in customers))
    assert all(COPIED in reply for reply in replies)
    check_log(talk.stage.server, *SPOKEN)
