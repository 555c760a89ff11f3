"""The business's own topics: name them, show them, change them, try them out."""

from http import HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import AfterValidator, BaseModel, Field, ValidationInfo, field_validator

from agents.ports import TopicAction
from agents.topics import TopicGuess
from bot.api.bodies import StrictRequest, Words, read_body, spoken
from bot.api.businesses import business_of, id_of
from bot.api.guard import CALLER
from bot.api.needs import API
from bot.api.paging import cursor_id, cut_page, page_limit
from bot.api.problems import ProblemError, not_found
from bot.api.schemas import Time, answered, rfc3339
from database.topics import (
    NotWritten,
    StoredTopic,
    TopicContent,
    TopicLimits,
    create_topic,
    delete_topic,
    replace_topic,
    topic_of,
    topics_page,
)
from vectorstore.embedders import EmbeddingError

LONGEST_NAME = 80
LONGEST_EXAMPLE = 500
LONGEST_REPLY = 4096  # WhatsApp's longest text (WHATSAPP.md 4)
MOST_EXAMPLES = 200
# All examples together bound how long learning them takes: some seconds, and some hundred megabytes meanwhile.
LIMITS = TopicLimits(topics=200, examples=5000)
LARGEST_TOPIC = 1024 * 1024


def _one_line(text: str) -> str:
    return " ".join(text.split())


Name = Annotated[str, Field(max_length=LONGEST_NAME), AfterValidator(spoken), AfterValidator(_one_line)]
Example = Annotated[str, Field(max_length=LONGEST_EXAMPLE), AfterValidator(spoken)]


class TopicRequest(StrictRequest):
    """A topic. `examples` are messages as customers would write them; `reply` is Markdown.

    `action`: `answer` from the knowledge as any other question, the topic is only noted; `route` says the `reply`;
    `hand_over` gives the chat to a person; `refuse` says politely that this is not done here. The last two have
    sentences of their own where there is no `reply`.
    """

    name: Name
    examples: Annotated[list[Example], Field(min_length=1, max_length=MOST_EXAMPLES)]
    # JSON has no enums: the strict form would take none
    action: Annotated[TopicAction, Field(strict=False)] = TopicAction.ANSWER
    reply: Annotated[str, Field(max_length=LONGEST_REPLY), AfterValidator(spoken)] | None = Field(
        default=None, validate_default=True
    )

    @field_validator("reply")
    @classmethod
    def _fits_action(cls, reply: str | None, others: ValidationInfo) -> str | None:
        action = others.data.get("action")
        if action is TopicAction.ROUTE and reply is None:
            raise ValueError("is missing: it is what the action route says")
        if action is TopicAction.ANSWER and reply is not None:
            raise ValueError("would never be said: the action answer answers from the knowledge")
        return reply

    def content(self) -> TopicContent:
        """For our records; examples that are there twice count once."""
        return TopicContent(self.name, tuple(dict.fromkeys(self.examples)), self.action.value, self.reply)


class TopicTryRequest(StrictRequest):
    """A message as a customer might write it."""

    text: Words


class TopicOut(BaseModel):
    """A topic of a business."""

    id: str
    name: str
    examples: list[str]
    action: TopicAction
    reply: str | None
    created_at: Time
    updated_at: Time

    @classmethod
    def of(cls, topic: StoredTopic) -> "TopicOut":
        """From our record."""
        return cls(
            id=topic.id,
            name=topic.name,
            examples=list(topic.examples),
            action=TopicAction(topic.action),
            reply=topic.reply,
            created_at=rfc3339(topic.created_at),
            updated_at=rfc3339(topic.updated_at),
        )


class TopicPage(BaseModel):
    """A page of topics, the oldest first."""

    topics: list[TopicOut]
    next_cursor: str | None


class TopicGuessOut(BaseModel):
    """What a text is held to be about without a language model: a topic's name from 0.5 on, null below."""

    topic: str | None
    score: Annotated[float, Field(ge=0, le=1)]

    @classmethod
    def of(cls, guess: TopicGuess) -> "TopicGuessOut":
        """From what the classifier guessed."""
        return cls(topic=guess.topic.name if guess.topic else None, score=round(guess.score, 4))


async def list_topics(request: web.Request) -> web.Response:
    """A page of the topics of a business."""
    business = await business_of(request)
    limit, after = page_limit(request), cursor_id(request) or ""
    found = await request.app[API].chat.read(topics_page(business.id, limit + 1, after))
    page, following = cut_page(found, limit, lambda each: (each.id,))
    return answered(TopicPage(topics=[TopicOut.of(each) for each in page], next_cursor=following))


async def get_topic(request: web.Request) -> web.Response:
    """One topic."""
    business = await business_of(request)
    found = await request.app[API].chat.read(topic_of(business.id, id_of(request, "topic")))
    if found is None:
        raise not_found("topic")
    return answered(TopicOut.of(found))


async def add_topic(request: web.Request) -> web.Response:
    """Name a new topic."""
    business = await business_of(request)
    wanted = await read_body(request, TopicRequest, largest=LARGEST_TOPIC)
    needs = request.app[API]
    actor = f"api:{request[CALLER]}"
    written = await needs.chat.write(create_topic(business.id, wanted.content(), LIMITS, actor, needs.clock.now()))
    return answered(TopicOut.of(_written(written)), HTTPStatus.CREATED)


async def change_topic(request: web.Request) -> web.Response:
    """Put another content in a topic's place."""
    business = await business_of(request)
    topic_id = id_of(request, "topic")
    wanted = await read_body(request, TopicRequest, largest=LARGEST_TOPIC)
    needs = request.app[API]
    actor = f"api:{request[CALLER]}"
    changed = replace_topic(business.id, topic_id, wanted.content(), LIMITS, actor, needs.clock.now())
    return answered(TopicOut.of(_written(await needs.chat.write(changed))))


async def remove_topic(request: web.Request) -> web.Response:
    """Forget a topic."""
    business = await business_of(request)
    needs = request.app[API]
    actor = f"api:{request[CALLER]}"
    if not await needs.chat.write(delete_topic(business.id, id_of(request, "topic"), actor, needs.clock.now())):
        raise not_found("topic")
    return web.Response(status=HTTPStatus.NO_CONTENT)


async def try_topics(request: web.Request) -> web.Response:
    """What a text would be held to be about; nothing is sent or stored."""
    business = await business_of(request)
    wanted = await read_body(request, TopicTryRequest)
    try:
        return answered(TopicGuessOut.of(await request.app[API].topics.guess(business.id, wanted.text)))
    except EmbeddingError as error:
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "The embedder is away; please try again.") from error


def _written(topic: StoredTopic | NotWritten) -> StoredTopic:
    if isinstance(topic, StoredTopic):
        return topic
    if topic is NotWritten.MISSING:
        raise not_found("topic")
    where, wrong = {
        NotWritten.NAME_TAKEN: ("/name", "is the name of another topic of this business"),
        NotWritten.TOO_MANY_TOPICS: ("/name", f"is one too many: a business has at most {LIMITS.topics} topics"),
        NotWritten.TOO_MANY_EXAMPLES: (
            "/examples",
            f"are too many: all topics of a business together have at most {LIMITS.examples:,}",
        ),
    }[topic]
    status = HTTPStatus.CONFLICT if topic is NotWritten.NAME_TAKEN else HTTPStatus.UNPROCESSABLE_ENTITY
    raise ProblemError(status, "The topic was not written.", errors=[(where, wrong)])
