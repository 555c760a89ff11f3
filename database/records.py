"""The records and words that every layer speaks in. Times are UTC epoch milliseconds in fields named `*_at`."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import uuid_utils


def new_id() -> str:
    """A UUIDv7 as text: unique, and sorted by the time it was made (RFC 9562)."""
    return str(uuid_utils.uuid7())


class Mode(StrEnum):
    """Who answers a conversation."""

    BOT = "bot"
    PERSON = "person"


class MessageStatus(StrEnum):
    """An inbound message: received, then exactly one of the other two, for ever."""

    RECEIVED = "received"
    ANSWERED = "answered"
    CLOSED = "closed"


class ClosedReason(StrEnum):
    """Why an inbound message got no answer of its own. The list is fixed."""

    UNSUPPORTED = "unsupported"
    WITH_PERSON = "with_person"
    OPTED_OUT = "opted_out"
    BLOCKED = "blocked"
    RATE_LIMITED = "rate_limited"
    TOO_OLD = "too_old"
    REVOKED = "revoked"
    NOT_FOR_US = "not_for_us"
    NO_REPLY_NEEDED = "no_reply_needed"


class Delivery(StrEnum):
    """Where an outbound message stands. Statuses from Meta only move it forward."""

    QUEUED = "queued"
    SENDING = "sending"
    UNCONFIRMED = "unconfirmed"
    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    PLAYED = "played"
    FAILED = "failed"
    HELD = "held"
    CANCELLED = "cancelled"


class Intent(StrEnum):
    """What a burst of messages wants."""

    QUESTION = "question"
    GREETING = "greeting"
    THANKS = "thanks"
    PERSON = "person"
    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"
    KNOWLEDGE = "knowledge"
    FOLLOW_UP = "follow_up"
    OTHER = "other"


class DocumentStatus(StrEnum):
    """How far an uploaded document is; `ready` and `failed` end it."""

    QUEUED = "queued"
    PARSING = "parsing"
    EMBEDDING = "embedding"
    INDEXING = "indexing"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Business:
    """A tenant. `slug` is its name in addresses."""

    id: str
    slug: str
    name: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document that a search found. `text` is the original, at most 1,200 characters; `score` is 0..1.

    `cosine` is the similarity of question and passage by their embeddings, None where no embedding was asked.
    `title` is what the document calls itself, None where it says nothing.
    """

    chunk_id: str
    document_id: str
    filename: str
    text: str
    score: float
    page: int | None = None
    heading: str | None = None
    cosine: float | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """What an owner sees of a document. `progress` is 0..1; `error_message` and `warning` are for its owner.

    `version` is the newest one's number, of which `status`, `progress`, `error_message` and `bytes` speak;
    `live_version` is the one that answers, `held_version` one that is complete and waits to be published.
    `chunks_count` and `chunks_missing` (found by their words only) are of the live one; `chunks_dropped` and
    `warning` (what could not be read) of the newest.
    """

    id: str
    business_id: str
    filename: str
    status: DocumentStatus
    progress: float
    is_processed: bool
    chunks_count: int
    error_message: str | None
    version: int
    bytes: int
    created_at: int
    updated_at: int
    live_version: int | None = None
    held_version: int | None = None
    source: str = "upload"
    tags: tuple[str, ...] = ()
    warning: str | None = None
    chunks_missing: int = 0
    chunks_dropped: int = 0


class VersionState(StrEnum):
    """What a version of a document is now."""

    LIVE = "live"
    HELD = "held"
    WORKING = "working"
    FAILED = "failed"
    OLD = "old"


@dataclass(frozen=True, slots=True)
class VersionView:
    """A version of a document for its owner. `origin` is the version that it repeats, for a roll-back.

    `completed_at` is when all of it was in the indexes, `live_at` when it began to answer.
    """

    number: int
    bytes: int
    sha256: str
    created_at: int
    live_at: int | None
    completed_at: int | None
    chunks_count: int | None
    error_message: str | None
    origin: int | None
    state: VersionState


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document version. `text` is at most 1,200 characters; `heading` is the path of headings above it."""

    id: str
    business_id: str
    document_id: str
    version_id: str
    ordinal: int
    text: str
    heading: str | None = None
    page: int | None = None


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message from a customer, read tolerantly from a webhook (WHATSAPP.md 2).

    `phone` is digits without "+", `bsuid` as in WHATSAPP.md 3.1; at least one of them is set.
    `type` is Meta's type, or "unknown". `text` is what the customer typed or the title of the pressed button.
    `sent_at` is the message's own timestamp in epoch milliseconds.
    """

    wamid: str
    phone_number_id: str
    type: str
    sent_at: int
    phone: str | None = None
    bsuid: str | None = None
    parent_bsuid: str | None = None
    name: str | None = None
    username: str | None = None
    text: str | None = None
    button_id: str | None = None
    quoted_wamid: str | None = None
    group_id: str | None = None
    payload: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StatusUpdate:
    """What became of a message that we sent (WHATSAPP.md 2.3). `attempt_id` is our biz_opaque_callback_data."""

    wamid: str
    status: str
    phone_number_id: str
    happened_at: int
    attempt_id: str | None = None
    error_code: int | None = None
    error_text: str | None = None


@dataclass(frozen=True, slots=True)
class InboxEvent:
    """One event of a webhook POST. `pointer` is its JSON pointer into the body (RFC 6901)."""

    kind: str
    dedupe_key: str
    pointer: str
    phone_number_id: str | None = None
    subject: str | None = None
