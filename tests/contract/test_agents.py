"""What the agents promise, with a model behind them and without: both must pass every test."""

import json
import random
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from agents.chat_model import ModelOptions, OpenAIChatModel
from agents.conversation_memory import ConversationMemory
from agents.language_packs import load_language_packs
from agents.message_classifier import MessageClassifier
from agents.ports import Burst, LanguageModel, Responder, Utterance
from agents.query_agent import QueryAgent
from agents.responder import BurstResponder
from agents.sentences import Sentences
from database.metrics import Metrics
from database.records import ClosedReason, Intent, Mode
from tests.fakes.hasty_clock import HastyClock
from tests.fakes.scripted_openai import Fault, ScriptedOpenAI
from tests.fakes.small_knowledge import SmallKnowledge, passage

PACKS = load_language_packs()
HOURS = passage("We open at nine and close at six. On Sundays we are closed.", "hours.pdf", page=2)
LAMPS = passage("The blue lamp costs 40.50 dollars and comes with a bulb.", "lamps.md")
ANSWERS = {
    "open": ("We open at nine.", "We open at nine"),
    "lamp": ("It costs 40.50 dollars.", "The blue lamp"),
    "wrong price": ("It costs 39.99 dollars.", "The blue lamp"),
}
INTENTS = {
    "hello": (["greeting"], "en"),
    "gracias": (["thanks"], "es"),
    "hola": (["question", "greeting"], "es"),
    "human": (["person"], "en"),
    "humano": (["person"], "pt"),
    "👍": (["other"], "en"),
}


@pytest.fixture(params=["built-in", "model", "model says nonsense", "model away"])
async def responder(request: pytest.FixtureRequest, metrics: Metrics) -> AsyncIterator[Responder]:
    """The agents in every condition that a customer may meet them in."""
    if request.param == "built-in":
        yield _responder(None)
        return
    async with _scripted().running() as server:
        if request.param == "model says nonsense":
            server.rules = []
        server.lasting_fault = _fault(request.param)
        options = ModelOptions("test-model", "key", server.base_url, retries=1)
        model = OpenAIChatModel(options, HastyClock(), random.Random(1), metrics)
        yield _responder(model)
        await model.close()


async def test_a_question_gets_a_grounded_answer(responder: Responder) -> None:
    """The answer holds what the document says, and names the document."""
    reply = await responder.respond(Burst("b", ("when do you open?",)))
    assert reply.answered
    assert reply.intents[0] is Intent.QUESTION
    assert reply.text is not None
    assert "nine" in reply.text
    assert "From **Hours**, p. 2" in reply.text
    assert reply.sources == (HOURS,)


async def test_a_greeting_with_a_question_gets_the_answer_only(responder: Responder) -> None:
    """One burst, one reply, about what matters."""
    reply = await responder.respond(Burst("b", ("hello", "what does the blue lamp cost?")))
    assert reply.text is not None
    assert "40.50" in reply.text
    assert PACKS["en"].sentences["greeting"] not in reply.text


async def test_what_nobody_wrote_down_is_not_known(responder: Responder) -> None:
    """No document, no answer; the customer is offered a person."""
    reply = await responder.respond(Burst("b", ("who painted the Sistine chapel?",)))
    assert not reply.answered
    assert reply.sources == ()
    assert reply.text == PACKS["en"].sentences["do_not_know"]


@pytest.mark.parametrize(("text", "name", "language"), [("hello", "greeting", "en"), ("gracias", "thanks", "es")])
async def test_short_words_get_short_replies(responder: Responder, text: str, name: str, language: str) -> None:
    """Greetings and thanks are answered in the customer's language."""
    reply = await responder.respond(Burst("b", (text,)))
    assert reply.text == PACKS[language].sentences[name]
    assert reply.language == language


async def test_a_person_takes_over(responder: Responder) -> None:
    """The customer hears it, the conversation changes hands."""
    reply = await responder.respond(Burst("b", ("I want to talk to a human",)))
    assert reply.text == PACKS["en"].sentences["hand_over"]
    assert reply.effects.mode is Mode.PERSON


@pytest.mark.parametrize(("text", "opted_out"), [("stop", True), ("退订", True), ("start", False), ("mulai", False)])
async def test_stop_and_start_hold_whatever_a_model_says(responder: Responder, text: str, *, opted_out: bool) -> None:
    """The customer's right to silence depends on no model."""
    reply = await responder.respond(Burst("b", (text,)))
    assert reply.effects.opted_out is opted_out


async def test_stop_inside_a_sentence_stops_nothing(responder: Responder) -> None:
    """A question about stopping is a question."""
    reply = await responder.respond(Burst("b", ("how do I stop the blue lamp from blinking?",)))
    assert reply.effects.opted_out is None


async def test_a_nod_is_closed(responder: Responder) -> None:
    """A lone thumb needs no reply."""
    assert (await responder.respond(Burst("b", ("👍",)))).closed is ClosedReason.NO_REPLY_NEEDED


async def test_no_documents_at_all(responder: Responder) -> None:
    """A business that uploaded nothing yet still greets, and says that it does not know."""
    burst = Burst("b", ("where is the elephant?",))
    assert (await responder.respond(burst)).text == PACKS["en"].sentences["do_not_know"]


async def test_every_question_of_a_burst_is_answered(responder: Responder) -> None:
    """Two questions, one reply, both documents named."""
    reply = await responder.respond(Burst("b", ("when do you open?", "what does the blue lamp cost?")))
    assert reply.text is not None
    assert "nine" in reply.text
    assert "40.50" in reply.text
    assert set(reply.sources) == {HOURS, LAMPS}


async def test_a_follow_up_is_understood_from_what_was_said(responder: Responder) -> None:
    """After a talk of a lamp, "how much is it?" is about the lamp that was spoken of."""
    history = (
        Utterance(by_customer=True, text="do you have a blue lamp?", seq=1),
        Utterance(by_customer=False, text="The blue lamp comes with a bulb.", seq=2),
    )
    reply = await responder.respond(Burst("b", ("and how much is it?",), history=history))
    assert reply.answered
    assert reply.text is not None
    assert "40.50" in reply.text


async def test_what_customers_say_of_themselves_is_remembered(responder: Responder) -> None:
    """In their own words, once."""
    burst = Burst("b", ("my name is Ana Silva.", "when do you open?"))
    assert (await responder.respond(burst)).effects.new_facts == ("my name is Ana Silva",)
    assert (await responder.respond(replace(burst, facts=("my name is Ana Silva",)))).effects.new_facts == ()


async def test_a_long_talk_is_summed_up(responder: Responder) -> None:
    """What leaves the budget of recent lines stays as a summary."""
    history = tuple(Utterance(bool(seq % 2), f"line {seq} " + "x" * 200, seq) for seq in range(1, 31))
    summary = (await responder.respond(Burst("b", ("when do you open?",), history=history))).effects.summary
    assert summary is not None
    assert 1 <= summary.until_seq < 30
    assert summary.text


async def test_an_answer_without_ground_is_replaced(responder: Responder) -> None:
    """Whatever a model makes up, the customer reads only figures of the documents."""
    reply = await responder.respond(Burst("b", ("what does the blue lamp cost, with the wrong price?",)))
    assert reply.text is not None
    assert "39.99" not in reply.text


def _responder(model: LanguageModel | None) -> BurstResponder:
    knowledge = SmallKnowledge([HOURS, LAMPS])
    return BurstResponder(
        MessageClassifier(model, PACKS),
        QueryAgent(knowledge, model, PACKS),
        Sentences(PACKS),
        ConversationMemory(model, 1000),
    )


def _fault(condition: str) -> Fault | None:
    return "status_500" if condition == "model away" else None


def _scripted() -> ScriptedOpenAI:
    """A model that does what the prompts ask for, for the texts of these tests."""
    return ScriptedOpenAI(rules=[_sorted, _rewritten, _summarized, _answered])


def _sorted(system: str, user: str) -> str | None:
    if '"intents"' not in system:
        return None
    texts = json.loads(user)["burst"]
    found = [INTENTS[word] for text in texts for word in text.split() if word in INTENTS and len(texts) == 1]
    intents, language = found[0] if found else (["question"], "en")
    return json.dumps({"intents": intents, "language": language})


def _answered(system: str, user: str) -> str | None:
    if '"answered"' not in system:
        return None
    asked = json.loads(user)
    question = asked["meaning"] or asked["question"]
    said: list[str] = []
    sources: list[int] = []
    for word, (answer, beginning) in ANSWERS.items():
        numbers = [each["number"] for each in asked["passages"] if each["text"].startswith(beginning)]
        if word in question and "stop" not in question and numbers:
            said = [answer] if "wrong" in word else [*said, answer]
            sources += numbers
    facts = ["my name is Ana Silva", "likes cheese"] if "Ana" in asked["question"] else []
    return json.dumps({"answer": " ".join(said), "answered": bool(said), "sources": sources, "facts": facts})


def _rewritten(system: str, user: str) -> str | None:
    if "for a search" not in system:
        return None
    asked = json.loads(user)
    about = " lamp" if "how much is it" in asked["question"] else ""
    return json.dumps({"question": asked["question"] + about})


def _summarized(system: str, user: str) -> str | None:
    return json.dumps({"summary": "They talked of lines."}) if "keep the memory" in system else None
