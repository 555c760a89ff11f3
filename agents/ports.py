"""What the agents need from others, and what they give, in their own words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from database.records import ClosedReason, Intent, Mode, Passage

if TYPE_CHECKING:  # the doors import these contracts: numpy would cost each command a tenth of a second
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Utterance:
    """One earlier line of a conversation; `by_customer` tells whose, `seq` its place in the conversation."""

    by_customer: bool
    text: str
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a message, still at Meta: fetched by `media_id`. `filename` is the sender's word."""

    message_id: str
    kind: str
    media_id: str
    mime_type: str
    filename: str | None = None


@dataclass(frozen=True, slots=True)
class Burst:
    """What a customer said since the last reply, and what the agents may know about them.

    `texts` are the messages in their order (text and pressed buttons; never empty strings); `pressed` are the ids of
    the buttons among them, in order. `language` is what we noted before (ISO 639-1) or None; `history` is the recent
    past, oldest first, and `summary` what went before it. `facts` are what the customer told of themselves.
    `from_admin` is true only for a contact that the settings name: they alone may change knowledge.
    """

    business_id: str
    texts: tuple[str, ...]
    language: str | None = None
    history: tuple[Utterance, ...] = ()
    mode: Mode = Mode.BOT
    opted_out: bool = False
    conversation_id: str = ""
    contact_name: str | None = None
    summary: str | None = None
    facts: tuple[str, ...] = ()
    pressed: tuple[str, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    from_admin: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """What model calls cost: tokens, US dollars by the price table of the settings."""

    model: str | None = None
    prompt_hash: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            other.model or self.model,
            other.prompt_hash or self.prompt_hash,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cost_usd + other.cost_usd,
        )


@dataclass(frozen=True, slots=True)
class Classification:
    """What a burst wants. `intents` is never empty, the most important first; `language` is ISO 639-1.

    `topic` is the business's own topic that the burst is about, None for none of them; `topics` are the messages that
    ask, each with its own topic, and empty where `topic` is about the burst as a whole. `error` says why the model's
    word was not used, if it was asked.
    """

    intents: tuple[Intent, ...]
    language: str
    usage: Usage = Usage()
    error: str | None = None
    topic: "Topic | None" = None
    topics: "tuple[tuple[str, Topic | None], ...]" = ()


class TopicAction(StrEnum):
    """What a topic does with a burst about it."""

    ANSWER = "answer"
    """As any other question; the topic is noted in the turn."""
    ROUTE = "route"
    """Answered with the topic's own text (where such things are handled)."""
    HAND_OVER = "hand_over"
    """A person takes over."""
    REFUSE = "refuse"
    """A polite sentence that this is not done here, or the topic's own text."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A subject that the business named, with messages that are about it. `reply` is Markdown, for some actions."""

    id: str
    name: str
    examples: tuple[str, ...]
    action: TopicAction = TopicAction.ANSWER
    reply: str | None = None


class Topics(Protocol):
    """The topics that a business named."""

    async def of(self, business_id: str) -> tuple[Topic, ...]:
        """All of them, () when there are none. Cheap: asked for every burst."""
        ...


class Embeddings(Protocol):
    """Turns texts into vectors that are near for texts that mean the same."""

    async def embed(self, texts: Sequence[str]) -> "npt.NDArray[np.float32]":
        """One row of length 1 a text. Runs outside the event loop; raises its own error when it cannot."""
        ...


@dataclass(frozen=True, slots=True)
class Button:
    """A reply button: `id` comes back when it is pressed; `title` has at most 20 characters (WHATSAPP.md 4)."""

    id: str
    title: str


@dataclass(frozen=True, slots=True)
class Answer:
    """`text` is Markdown in the customer's language. Without knowledge, `answered` is False and `sources` empty.

    `error` says why the model's word was not used, if it was asked; `knowledge_version` what was searched.
    `buttons` are what a question back offers; `facts` are what the model heard the customer say of themselves.
    """

    text: str
    answered: bool
    sources: tuple[Passage, ...] = ()
    usage: Usage = Usage()
    error: str | None = None
    knowledge_version: int | None = None
    buttons: tuple[Button, ...] = ()
    facts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """What was said up to the line numbered `until_seq`, in short: later bursts get it instead of those lines."""

    text: str
    until_seq: int


@dataclass(frozen=True, slots=True)
class Effects:
    """What a turn changes besides replying; None leaves it as it is. Applied in the turn's finishing unit.

    `new_facts` are what the customer said of themselves; `settled` are proposals' ids and what became of
    them.
    """

    mode: Mode | None = None
    opted_out: bool | None = None
    language: str | None = None
    summary: Summary | None = None
    new_facts: tuple[str, ...] = ()
    proposals: "tuple[Proposal, ...]" = ()
    settled: "tuple[tuple[str, ProposalState], ...]" = ()


class ProposalState(StrEnum):
    """What became of a change of knowledge that an admin was asked about."""

    OPEN = "open"
    READING = "reading"
    """Said yes to; a document of it is still being read, and its admin will be told."""
    DONE = "done"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change of knowledge that waits for an admin's yes. `kind`: add, replace, forget; `details` is JSON.

    `chosen` is the answer that was begun to be carried out (add, replace, forget, drop), None before one was given.
    """

    id: str
    kind: str
    details: dict[str, Any]
    chosen: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """Markdown with buttons below it, under the same limits as a Reply."""

    text: str
    buttons: tuple[Button, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """What to do with a burst: say `text` (Markdown, with its sources named), or close it with a reason.

    Exactly one of `text` and `closed` is set. `buttons` (at most three) stand below a text of at most 1,024
    characters. `answered` is False where knowledge was missing or the customer was asked back: a greeting or a
    hand-over needs none. `stages` are seconds by stage (classify, answer …); `topic` is the name of the burst's topic.
    `then` are further messages, sent after it.
    """

    intents: tuple[Intent, ...]
    language: str
    text: str | None = None
    closed: ClosedReason | None = None
    effects: Effects = Effects()
    answered: bool = False
    sources: tuple[Passage, ...] = ()
    usage: Usage = Usage()
    stages: dict[str, float] = field(default_factory=dict)
    error: str | None = None
    knowledge_version: int | None = None
    buttons: tuple[Button, ...] = ()
    topic: str | None = None
    then: tuple[Message, ...] = ()


class Knowledge(Protocol):
    """What the business uploaded. Never raises for "nothing found": that is an empty list."""

    async def version(self, business_id: str) -> int:
        """How often that has changed: a turn records what it answered from."""
        ...

    async def search(self, business_id: str, query: str, *, limit: int) -> list[Passage]:
        """The best passages, best first."""
        ...


class AnswerThresholds(Protocol):
    """How sure a business wants to be before its customers are answered from what was found."""

    async def of(self, business_id: str) -> float | None:
        """The least answerability, 0 (always answer) to 1 (never); None where it set none. Asked for every burst."""
        ...


def _nothing() -> None:
    """What rejecting an answer does that nobody remembers."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What a chat model said, and its price. Whoever finds it useless calls `reject`: it is not given again."""

    text: str
    usage: Usage = Usage()
    reject: Callable[[], None] = field(default=_nothing, repr=False, compare=False)


class ModelError(Exception):
    """The model gave no usable answer (time-out, refusal, fault, nonsense); the cause is chained."""


class LanguageModel(Protocol):
    """A chat model with time-out, bounded retries and a concurrency limit of its own."""

    async def complete(
        self, system: str, user: str, *, business_id: str = "", knowledge_version: int | None = None
    ) -> Completion:
        """One answer, paid from the business's daily budget. Raises ModelError, also when that is spent.

        With a `knowledge_version` the same prompt may be answered from memory while that version holds.
        """
        ...


class Responder(Protocol):
    """All that a turn needs from the agents."""

    async def respond(self, burst: Burst) -> Reply:
        """Think about a burst. Falls back to built-in answers by itself; raises only on our own faults."""
        ...

    def apology(self, language: str | None) -> str:
        """What a customer hears after three failed attempts."""
        ...

    def subscription(self, texts: Sequence[str], language: str | None) -> Reply | None:
        """What a whole message "stop" or "start" brings, by rules alone: it is obeyed when all else fails."""
        ...

    def unsupported(self, language: str | None) -> str:
        """What a customer hears who sent only what we cannot read."""
        ...
