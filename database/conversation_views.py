"""What an operator sees of conversations: lists for the API, and the switch between bot and person."""

from dataclasses import dataclass

from database.records import Mode
from database.transaction import Row, Transaction, Unit
from database.turns import set_mode


@dataclass(frozen=True, slots=True)
class ContactView:
    """Who writes to us. `opted_out` is true from "stop" to "start"."""

    id: str
    name: str | None
    username: str | None
    phone: str | None
    bsuid: str | None
    language: str | None
    opted_out: bool


@dataclass(frozen=True, slots=True)
class ConversationView:
    """A conversation in a list. `waiting` counts the messages that no turn has answered or closed yet."""

    id: str
    number_id: str
    contact: ContactView
    mode: Mode
    waiting: int
    last_message_at: int
    last_inbound_at: int | None
    created_at: int


@dataclass(frozen=True, slots=True)
class MessageView:
    """A line of a conversation, from either side. `status` is MessageStatus or Delivery; `seq` is its place."""

    id: str
    seq: int
    wamid: str | None
    direction: str
    type: str
    text: str | None
    status: str
    reason: str | None
    sent_at: int
    turn_id: str | None


_CONVERSATION = """
SELECT v.id, v.number_id, v.mode, v.last_message_at, v.last_inbound_at, v.created_at,
    c.id AS contact_id, c.name, c.username, c.phone, c.bsuid, c.language, c.opted_out_at,
    (SELECT count(*) FROM messages m WHERE m.conversation_id = v.id AND m.status = 'received') AS waiting
FROM conversations v JOIN contacts c ON c.id = v.contact_id
"""


def conversations_of(
    business_id: str, limit: int, after: tuple[int, str] | None = None, contact: str | None = None
) -> Unit[list[ConversationView]]:
    """The conversations of a business, the newest first by when they began: an order that no message changes.

    `after` is (created_at, id) of the last one of the page before. `contact` leaves only those with the customer of
    this phone (digits) or BSUID.
    """

    async def unit(transaction: Transaction) -> list[ConversationView]:
        older = "" if after is None else " AND (v.created_at, v.id) < (:created_at, :id)"
        created_at, last = after or (0, "")
        whose = "" if contact is None else " AND (c.phone = :contact OR c.bsuid = :contact)"
        rows = await transaction.all(
            f"{_CONVERSATION} WHERE v.business_id = :business{older}{whose}"
            " ORDER BY v.created_at DESC, v.id DESC LIMIT :limit",
            {"business": business_id, "limit": limit, "created_at": created_at, "id": last, "contact": contact},
        )
        return [_conversation(row) for row in rows]

    return unit


def messages_of(conversation_id: str, limit: int, after_seq: int = 0) -> Unit[list[MessageView] | None]:
    """The lines of a conversation after place `after_seq`, newest last; None when there is no such conversation.

    An outbound line's `sent_at` is when its last attempt left, or when it was written while there is none.
    """

    async def unit(transaction: Transaction) -> list[MessageView] | None:
        if await _one(transaction, conversation_id) is None:
            return None
        # each side by its own (conversation_id, seq) index, then the two short lists together
        rows = await transaction.all(
            "SELECT * FROM (SELECT id, seq, wamid, 'inbound' AS direction, type, text, status, reason, sent_at, turn_id"
            " FROM messages WHERE conversation_id = :id AND seq > :after ORDER BY seq LIMIT :limit)"
            " UNION ALL SELECT * FROM (SELECT o.id, o.seq, o.wamid, 'outbound', o.type, o.text, o.state, o.reason,"
            " coalesce((SELECT max(a.started_at) FROM send_attempts a WHERE a.outbox_id = o.id), o.created_at),"
            " o.turn_id FROM outbox o WHERE o.conversation_id = :id AND o.seq > :after ORDER BY o.seq LIMIT :limit)"
            " ORDER BY seq LIMIT :limit",
            {"id": conversation_id, "after": after_seq, "limit": limit},
        )
        return [MessageView(*row) for row in rows]

    return unit


def switch_mode(conversation_id: str, mode: Mode, actor: str, now: int) -> Unit[ConversationView | None]:
    """Give a conversation to a person, or back to the bot; the conversation afterwards, None when there is none."""

    async def unit(transaction: Transaction) -> ConversationView | None:
        before = await _one(transaction, conversation_id)
        if before is None or before.mode == mode:
            return before
        await set_mode(transaction, conversation_id, mode.value, actor, now)
        return await _one(transaction, conversation_id)

    return unit


async def _one(transaction: Transaction, conversation_id: str) -> ConversationView | None:
    row = await transaction.one(f"{_CONVERSATION} WHERE v.id = :id", {"id": conversation_id})
    return _conversation(row) if row else None


def _conversation(row: Row) -> ConversationView:
    contact = ContactView(
        id=row["contact_id"],
        name=row["name"],
        username=row["username"],
        phone=row["phone"],
        bsuid=row["bsuid"],
        language=row["language"],
        opted_out=row["opted_out_at"] is not None,
    )
    return ConversationView(
        id=row["id"],
        number_id=row["number_id"],
        contact=contact,
        mode=Mode(row["mode"]),
        waiting=row["waiting"],
        last_message_at=row["last_message_at"],
        last_inbound_at=row["last_inbound_at"],
        created_at=row["created_at"],
    )
