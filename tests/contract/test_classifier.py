"""What the classifier promises of topics, follow-ups and keywords, with a model behind it and without."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from agents.language_packs import load_language_packs
from agents.message_classifier import MessageClassifier
from agents.ports import Burst, Effects, LanguageModel, ModelError, Topic, TopicAction, Utterance
from agents.query_agent import QueryAgent
from agents.responder import BurstResponder
from agents.sentences import Sentences
from agents.topics import TopicFinder
from database.records import Intent, Mode
from tests.fakes.scripted_model import ScriptedModel
from tests.fakes.small_knowledge import SmallKnowledge, passage
from vectorstore.wordllama_embedder import WordLlamaEmbedder

PACKS = load_language_packs()
HOURS = passage("We open at nine and close at six. On Sundays we are closed.", "hours.pdf", page=2)
BEFORE = (Utterance(by_customer=True, text="when do you open?"), Utterance(by_customer=False, text="At nine."))
RETURNS = ("I want to send this back", "can I return my order", "how do I get a refund")
COMPLAINTS = ("this is broken and I am angry", "I want to complain", "terrible service, it arrived damaged")
ADVICE = ("is this cream good for my rash", "which pills help against headache", "can I take this while pregnant")
OPENING = ("when do you open", "are you open on sunday", "what time do you close")


@dataclass
class FewTopics:
    """Implements agents.ports.Topics."""

    topics: tuple[Topic, ...]

    async def of(self, business_id: str) -> tuple[Topic, ...]:
        return self.topics if business_id == "b" else ()


class ModelThatReads(ScriptedModel):
    """Sorts as the prompt asks, for the texts of these tests: a topic is named where an example's last words are."""

    async def complete(self, system, user, *, business_id="", knowledge_version=None):
        if '"intents"' not in system:
            self.answers = [{"answer": "", "answered": False, "sources": []}]
            return await super().complete(system, user)
        asked = json.loads(user)
        text = " ".join(asked["burst"]).lower()
        named = [each["name"] for each in asked.get("topics", []) if _meant(text, each["examples"])]
        intent = "follow_up" if text.startswith("and ") and asked["before"] else "question"
        self.answers = [{"intents": [intent], "language": "en", "topic": named[0] if named else None}]
        return await super().complete(system, user)


def _meant(text: str, examples: list[str]) -> bool:
    return any(set(example.lower().split()[-2:]) <= set(text.strip("?").split()) for example in examples)


@pytest.fixture(params=["built-in", "model"])
async def classifier(request: pytest.FixtureRequest) -> AsyncIterator[MessageClassifier]:
    """The classifier with the topics of business b, in both forms."""
    embedder = WordLlamaEmbedder()
    yield classifier_of(ModelThatReads() if request.param == "model" else None, embedder)
    embedder.close()


def classifier_of(model: LanguageModel | None, embedder: WordLlamaEmbedder) -> MessageClassifier:
    topics = FewTopics(
        (
            Topic("1", "Returns", RETURNS, TopicAction.ROUTE, "See **shop.example/returns**."),
            Topic("2", "Complaints", COMPLAINTS, TopicAction.HAND_OVER),
            Topic("3", "Medical advice", ADVICE, TopicAction.REFUSE),
            Topic("4", "Hours", OPENING),
        )
    )
    return MessageClassifier(model, PACKS, TopicFinder(topics, embedder))


def responder_of(classifier: MessageClassifier) -> BurstResponder:
    return BurstResponder(classifier, QueryAgent(SmallKnowledge([HOURS]), None, PACKS), Sentences(PACKS))


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("how can I return my order", "Returns"),
        ("hello I want to complain", "Complaints"),
        ("is this good for my rash", "Medical advice"),
        ("what time do you close", "Hours"),
    ],
)
async def test_a_burst_gets_its_topic(classifier: MessageClassifier, text: str, topic: str) -> None:
    """The business's own topic is named."""
    said = await classifier.classify(Burst("b", (text,)))
    assert said.topic is not None
    assert said.topic.name == topic


@pytest.mark.parametrize("text", ["do you sell blue lamps", "who won the football match in brazil"])
async def test_what_is_about_none_has_no_topic(classifier: MessageClassifier, text: str) -> None:
    """Out of scope is an answer, too."""
    assert (await classifier.classify(Burst("b", (text,)))).topic is None


async def test_topics_are_the_business_s_own(classifier: MessageClassifier) -> None:
    """Another business's burst never gets a topic of this one."""
    assert (await classifier.classify(Burst("c", ("how can I return my order",)))).topic is None


async def test_one_message_of_a_burst_is_enough(classifier: MessageClassifier) -> None:
    """A topic among greetings and small talk is found."""
    said = await classifier.classify(Burst("b", ("hi there", "how can I return my order", "thanks")))
    assert said.topic is not None
    assert said.topic.name == "Returns"


async def test_a_follow_up_is_known_as_one(classifier: MessageClassifier) -> None:
    """After an answer, "and on Sundays?" is a follow-up."""
    said = await classifier.classify(Burst("b", ("and on Sundays?",), history=BEFORE))
    assert said.intents[0] is Intent.FOLLOW_UP


async def test_a_topic_routes(classifier: MessageClassifier) -> None:
    """The topic's own text is the reply, and the turn knows the topic."""
    reply = await responder_of(classifier).respond(Burst("b", ("how can I return my order",)))
    assert (reply.text, reply.topic, reply.answered) == ("See **shop.example/returns**.", "Returns", True)


async def test_a_topic_hands_over(classifier: MessageClassifier) -> None:
    """A person takes over, and the customer hears so."""
    reply = await responder_of(classifier).respond(Burst("b", ("I want to complain",)))
    assert reply.text == PACKS["en"].sentences["hand_over"]
    assert reply.effects.mode is Mode.PERSON


async def test_a_topic_is_refused(classifier: MessageClassifier) -> None:
    """A polite sentence; the knowledge is not asked."""
    reply = await responder_of(classifier).respond(Burst("b", ("is this good for my rash",)))
    assert (reply.text, reply.topic) == (PACKS["en"].sentences["refused"], "Medical advice")
    assert reply.effects.mode is None


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ("is this good for my rash", PACKS["en"].sentences["refused"]),
        ("how can I return my order", "See **shop.example/returns**."),
    ],
)
async def test_a_topic_answers_only_its_own_message(classifier: MessageClassifier, about: str, said: str) -> None:
    """What else was asked in the same burst is answered too, in the same reply; nothing is said twice."""
    reply = await responder_of(classifier).respond(Burst("b", (about, "when do you close?")))
    assert reply.text is not None
    assert reply.text.startswith(f"{said}\n\nWe open at nine")
    assert reply.sources == (HOURS,)
    twice = await responder_of(classifier).respond(Burst("b", (about, about)))
    assert (twice.text, twice.sources) == (said, ())


async def test_what_nobody_knows_is_said_beside_a_topic(classifier: MessageClassifier) -> None:
    """A second question without an answer is not passed over; a remark that asks nothing is."""
    reply = await responder_of(classifier).respond(Burst("b", ("how can I return my order", "who won the match?")))
    assert reply.text == f"See **shop.example/returns**.\n\n{PACKS['en'].sentences['do_not_know']}"
    reply = await responder_of(classifier).respond(Burst("b", ("how can I return my order", "my cat likes the box")))
    assert reply.text == "See **shop.example/returns**."


async def test_a_remark_beside_a_topic_keeps_its_price_and_its_facts() -> None:
    """Finding out that the rest of a burst asks nothing is paid for, and what it told of the customer is kept."""
    embedder = WordLlamaEmbedder()
    heard = {"answer": "", "answered": False, "sources": [], "facts": ["my cat likes open boxes"]}
    answering = QueryAgent(SmallKnowledge([HOURS]), ScriptedModel(heard), PACKS)
    responder = BurstResponder(classifier_of(None, embedder), answering, Sentences(PACKS))
    reply = await responder.respond(Burst("b", ("how can I return my order", "my cat likes open boxes"), "en"))
    assert (reply.text, reply.answered, reply.sources) == ("See **shop.example/returns**.", True, ())
    assert (reply.usage.cost_usd, reply.effects.new_facts) == (0.25, ("my cat likes open boxes",))
    assert (set(reply.stages), reply.knowledge_version) == ({"classify", "answer"}, 1)
    failing = QueryAgent(SmallKnowledge([HOURS]), ScriptedModel(ModelError("the model is away")), PACKS)
    responder = BurstResponder(classifier_of(None, embedder), failing, Sentences(PACKS))
    reply = await responder.respond(Burst("b", ("how can I return my order", "my cat likes open boxes"), "en"))
    assert (reply.text, reply.error) == ("See **shop.example/returns**.", "answer: the model is away")
    embedder.close()


async def test_a_topic_that_is_answered_is_only_noted(classifier: MessageClassifier) -> None:
    """The knowledge answers, with its source."""
    reply = await responder_of(classifier).respond(Burst("b", ("when do you close?",)))
    assert reply.topic == "Hours"
    assert reply.sources == (HOURS,)


async def test_a_topic_never_outweighs_stop(classifier: MessageClassifier) -> None:
    """Beside a topic, "stop" still ends all messages."""
    reply = await responder_of(classifier).respond(Burst("b", ("how can I return my order", "stop")))
    assert reply.effects == Effects(opted_out=True)


async def test_a_model_cannot_invent_a_topic() -> None:
    """A name that is none of the business's topics is none, however a model came to it."""
    embedder = WordLlamaEmbedder()
    model = ScriptedModel({"intents": ["question"], "language": "en", "topic": "Free money"})
    assert (await classifier_of(model, embedder).classify(Burst("b", ("give me money",)))).topic is None
    embedder.close()


async def test_a_model_that_fails_leaves_the_topics_to_the_examples() -> None:
    """Nonsense from a model costs no topic."""
    embedder = WordLlamaEmbedder()
    said = await classifier_of(ScriptedModel("nonsense"), embedder).classify(Burst("b", ("can I return my order",)))
    assert said.topic is not None
    assert said.error is not None
    embedder.close()
