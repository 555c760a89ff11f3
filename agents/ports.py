"""What the agents need from others, and what they give, in their own words."""

from dataclasses import dataclass, field
from typing import Protocol

from database.records import ClosedReason, Intent, Mode, Passage


@dataclass(frozen=True, slots=True)
class Utterance:
    """One earlier line of a conversation; `by_customer` tells whose."""

    by_customer: bool
    text: str


@dataclass(frozen=True, slots=True)
class Burst:
    """What a customer said since the last reply, and what the agents may know about them.

    `texts` are the messages in their order (text and pressed buttons; never empty strings);
    `language` is what we noted before (ISO 639-1) or None; `history` is the recent past, oldest first.
    """

    business_id: str
    texts: tuple[str, ...]
    language: str | None = None
    history: tuple[Utterance, ...] = ()
    mode: Mode = Mode.BOT
    opted_out: bool = False


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

    `error` says why the model's word was not used, if it was asked.
    """

    intents: tuple[Intent, ...]
    language: str
    usage: Usage = Usage()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """`text` is Markdown in the customer's language. Without knowledge, `answered` is False and `sources` empty.

    `error` says why the model's word was not used, if it was asked; `knowledge_version` what was searched.
    """

    text: str
    answered: bool
    sources: tuple[Passage, ...] = ()
    usage: Usage = Usage()
    error: str | None = None
    knowledge_version: int | None = None


@dataclass(frozen=True, slots=True)
class Effects:
    """What a turn changes besides replying; None leaves it as it is. Applied in the turn's finishing unit."""

    mode: Mode | None = None
    opted_out: bool | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What to do with a burst: say `text` (Markdown, with its sources named), or close it with a reason.

    Exactly one of `text` and `closed` is set. `stages` are seconds by stage (classify, answer …).
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


class Knowledge(Protocol):
    """What the business uploaded. Never raises for "nothing found": that is an empty list."""

    async def version(self, business_id: str) -> int:
        """How often that has changed: a turn records what it answered from."""
        ...

    async def search(self, business_id: str, query: str, *, limit: int) -> list[Passage]:
        """The best passages, best first."""
        ...


@dataclass(frozen=True, slots=True)
class Completion:
    """What a chat model said, and its price."""

    text: str
    usage: Usage = Usage()


class ModelError(Exception):
    """The model gave no usable answer (time-out, refusal, fault, nonsense); the cause is chained."""


class LanguageModel(Protocol):
    """A chat model with time-out, bounded retries and a concurrency limit of its own."""

    async def complete(self, system: str, user: str) -> Completion:
        """One answer. Raises ModelError."""
        ...


class Responder(Protocol):
    """All that a turn needs from the agents."""

    async def respond(self, burst: Burst) -> Reply:
        """Think about a burst. Falls back to built-in answers by itself; raises only on our own faults."""
        ...

    def apology(self, language: str | None) -> str:
        """What a customer hears after three failed attempts."""
        ...

    def unsupported(self, language: str | None) -> str:
        """What a customer hears who sent only what we cannot read."""
        ...
