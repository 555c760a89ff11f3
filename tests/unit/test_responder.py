import pytest

from agents.clarification import buttons_for
from agents.conversation_memory import ConversationMemory
from agents.language_packs import load_language_packs
from agents.message_classifier import MessageClassifier
from agents.ports import Burst, Effects, LanguageModel, Reply, Utterance
from agents.query_agent import QueryAgent
from agents.responder import BurstResponder
from agents.sentences import Sentences
from database.records import ClosedReason, Intent, Mode
from tests.fakes.scripted_model import ScriptedModel
from tests.fakes.small_knowledge import SmallKnowledge, passage

PACKS = load_language_packs()
SENTENCES = Sentences(PACKS)


def responder(model: LanguageModel | None = None) -> BurstResponder:
    knowledge = SmallKnowledge([passage("We open at nine and close at six.", "hours.pdf", page=2)])
    return BurstResponder(MessageClassifier(model, PACKS), QueryAgent(knowledge, model, PACKS), SENTENCES)


async def respond(*texts: str, **about: object) -> Reply:
    return await responder().respond(Burst("b", texts, **about))  # type: ignore[arg-type]


async def test_a_question_is_answered_with_its_source() -> None:
    """The answer names where it comes from, and how long each stage took is known."""
    reply = await respond("hi", "when do you open?")
    assert reply.text == "We open at nine and close at six.\n\nFrom **Hours**, p. 2"
    assert reply.answered
    assert reply.intents == (Intent.QUESTION, Intent.GREETING)
    assert set(reply.stages) == {"classify", "answer"}
    assert reply.knowledge_version == 1


@pytest.mark.parametrize(
    ("text", "sentence", "language"),
    [
        ("hi", "greeting", "en"),
        ("gracias", "thanks", "es"),
        ("您好", "greeting", "zh"),
        ("वाह क्या बात है जी", "do_not_know", "hi"),
    ],
)
async def test_a_short_word_gets_a_short_reply(text: str, sentence: str, language: str) -> None:
    """Greetings and thanks are answered in the customer's language; no knowledge is missing for them."""
    reply = await respond(text)
    assert (reply.text, reply.answered) == (PACKS[language].sentences[sentence], sentence != "do_not_know")


async def test_whoever_wants_a_person_gets_one() -> None:
    """The customer is told, and the conversation is a person's from then on."""
    reply = await respond("quiero hablar con una persona")
    assert reply.text == PACKS["es"].sentences["hand_over"]
    assert reply.effects == Effects(mode=Mode.PERSON)
    assert reply.answered


async def test_a_yes_accepts_the_person_that_was_offered() -> None:
    """Who says yes to our offer of a person need not find the right word."""
    offer = Utterance(by_customer=False, text=PACKS["en"].sentences["do_not_know"].replace("**", "*"))
    assert (await respond("yes please", history=(offer,))).effects == Effects(mode=Mode.PERSON)
    assert (await respond("yes please")).effects == Effects()


async def test_stop_and_start_are_confirmed_and_stored() -> None:
    """Both change what we may send, and the customer hears so."""
    stopped = await respond("Stop")
    assert stopped.text == SENTENCES.say("stop", "en")
    assert stopped.effects == Effects(opted_out=True)
    started = await respond("start", opted_out=True)
    assert started.text == SENTENCES.say("start", "en")
    assert started.effects == Effects(opted_out=False)


@pytest.mark.parametrize("text", ["when do you open?", "stop", "hi", "a person please"])
async def test_nothing_but_start_reaches_us_after_stop(text: str) -> None:
    """Whoever opted out hears nothing, whatever else they write."""
    reply = await respond(text, opted_out=True)
    assert (reply.text, reply.closed) == (None, ClosedReason.OPTED_OUT)


@pytest.mark.parametrize("text", ["when do you open?", "hi", "a person please", "ok"])
async def test_the_bot_is_silent_while_a_person_answers(text: str) -> None:
    """Nobody talks over the colleague who took the chat."""
    reply = await respond(text, mode=Mode.PERSON)
    assert (reply.text, reply.closed) == (None, ClosedReason.WITH_PERSON)


async def test_what_is_told_to_a_person_is_summed_up() -> None:
    """When the bot gets the chat back, it knows what the customer had asked, without a model's call for it."""
    history = tuple(Utterance(by_customer=True, text=f"Line {seq}. {'x' * 200}", seq=seq) for seq in range(1, 41))
    reply = await respond("and?", mode=Mode.PERSON, history=history)
    assert reply.closed is ClosedReason.WITH_PERSON
    assert reply.effects.summary is not None
    assert reply.effects.summary.text.endswith(f"Line {reply.effects.summary.until_seq}.")


@pytest.mark.parametrize(
    ("text", "opted_out", "asked"),
    [("stop", False, 0), ("start", True, 0), ("let me talk to a person", False, 0), ("when do you open?", False, 1)],
)
async def test_what_is_to_be_obeyed_does_not_wait_for_a_summary(text: str, asked: int, *, opted_out: bool) -> None:
    """Stop, start and a hand-over pay no model for a summary; the customer's own sentences are kept at once."""
    model = ScriptedModel({"summary": "Line 1."})
    memory = ConversationMemory(model, 100)
    knowing = QueryAgent(SmallKnowledge([]), None, PACKS)
    mind = BurstResponder(MessageClassifier(None, PACKS), knowing, SENTENCES, memory)
    history = tuple(Utterance(by_customer=True, text=f"Line {seq}. {'x' * 200}", seq=seq) for seq in range(1, 41))
    reply = await mind.respond(Burst("b", (text,), history=history, opted_out=opted_out))
    assert len(model.asked) == asked
    assert reply.effects.summary is not None


async def test_stop_is_obeyed_while_a_person_answers() -> None:
    """Opting out holds also in a chat that a person took; no model is asked."""
    model = ScriptedModel("unused")
    reply = await responder(model).respond(Burst("b", ("stop",), mode=Mode.PERSON))
    assert reply.effects == Effects(opted_out=True)
    assert model.asked == []


@pytest.mark.parametrize("text", ["👍", "ok", "no thanks", "好的"])
async def test_a_nod_gets_no_reply(text: str) -> None:
    """Nobody is bothered with an answer to "ok"."""
    assert (await respond(text)).closed is ClosedReason.NO_REPLY_NEEDED


async def test_thanks_with_many_words_are_thanks() -> None:
    """A sentence of thanks that no document answers is no unanswered question; a question is."""
    thanked = await respond("thank you, you have been a wonderful elephant")
    assert (thanked.text, thanked.answered) == (SENTENCES.say("thanks", "en"), True)
    asked = await respond("thank you! where is the elephant?")
    assert asked.text == SENTENCES.say("do_not_know", "en")


async def test_a_lone_question_mark_is_asked_back() -> None:
    """Who writes only "?" is asked what they need."""
    assert (await respond("?")).text == SENTENCES.say("greeting", "en")


async def test_one_failing_model_costs_one_wait() -> None:
    """After the classifier's model failed, the answer is copied at once: the customer does not wait twice."""
    model = ScriptedModel("nonsense")
    reply = await responder(model).respond(Burst("b", ("when do you open?",)))
    assert reply.answered
    assert reply.error is not None
    assert len(model.asked) == 1


async def test_every_burst_ends_in_one_way() -> None:
    """A reply or a reason, never both, never neither; apology and unsupported speak the customer's language."""
    for text in ["hi", "ok", "stop", "12", "?!", "when?", "مرحبا", "\u200b", "thanks", "a" * 4000]:
        reply = await respond(text)
        assert (reply.text is None) != (reply.closed is None), text
    assert responder().apology("fr") == PACKS["fr"].sentences["apology"]
    assert responder().unsupported(None) == PACKS["en"].sentences["unsupported"]


async def test_a_pressed_button_is_answered_as_the_whole_question() -> None:
    """The customer presses "Hours", and hears what they had asked."""
    button = buttons_for("when do you open?", ["Hours"])[0]
    reply = await respond(button.title, pressed=(button.id,))
    assert reply.answered
    assert reply.text is not None
    assert "nine" in reply.text


async def test_an_answer_back_carries_its_buttons() -> None:
    """What the query agent asks back reaches the customer with buttons."""
    knowledge = SmallKnowledge(
        [passage(f"Delivery takes {days} days.", heading=where) for where, days in (("Here", 2), ("Abroad", 9))]
    )
    asking = BurstResponder(MessageClassifier(None, PACKS), QueryAgent(knowledge, None, PACKS), SENTENCES)
    reply = await asking.respond(Burst("b", ("delivery",)))
    assert [button.title for button in reply.buttons] == ["Here", "Abroad"]
    assert not reply.answered
