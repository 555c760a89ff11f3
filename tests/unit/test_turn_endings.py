"""Who counts as an admin of a business, and what of a reply is sent."""

from dataclasses import replace

import pytest

from agents.ports import Button, Message, Reply
from database.claims import Claim, PendingMessage, Sender
from database.records import ClosedReason, Intent
from services.heard_messages import heard_in, is_admin
from services.turn_endings import ending_of

CLAIM = Claim(
    turn_id="turn",
    fence=1,
    conversation_id="conversation",
    business_id="business",
    number_id="number",
    contact_id="contact",
    mode="bot",
    language="en",
    opted_out=False,
    blocked=False,
    failed_claims=0,
    superseded=0,
    messages=(),
    history=(),
    sender=Sender("Ann", "491511234567", "DE.ann"),
    summary=None,
    business_slug="default",
)


@pytest.mark.parametrize(
    ("admins", "of_default", "of_other"),
    [
        ({"491511234567"}, True, False),
        ({"DE.ann"}, True, False),
        ({"bakery:491511234567"}, False, True),
        ({"bakery:DE.ann"}, False, True),
        ({"default:491511234567"}, True, False),
        ({"4915112345678", "bakery:None"}, False, False),
    ],
)
def test_an_admin_is_one_of_one_business(admins: set[str], *, of_default: bool, of_other: bool) -> None:
    """Whoever may change one business's knowledge is a customer of every other; a plain entry is the default one's."""
    assert is_admin(CLAIM, admins) is of_default
    assert is_admin(replace(CLAIM, business_slug="bakery"), admins) is of_other
    assert not is_admin(replace(CLAIM, sender=Sender(None, None, None)), admins)


def message(id_: str, type_: str, text: str | None, sent_at: int) -> PendingMessage:
    return PendingMessage(id_, f"wamid.{id_}", type_, text, sent_at, sent_at, None, f'{{"{type_}": {{"id": "1"}}}}')


BURST = replace(
    CLAIM,
    messages=(
        message("old", "text", "Hello?", 9),
        message("file", "document", None, 10),
        message("picture", "image", "See?", 11),
        message("blank", "text", " ", 12),
        message("question", "text", "When?", 13),
    ),
)


@pytest.mark.parametrize(("admins", "ids"), [({"DE.ann"}, ("file", "question")), (set(), ("question",))])
def test_every_message_is_heard_or_has_its_reason(admins: set[str], ids: tuple[str, ...]) -> None:
    """Of a burst each message is heard or closed, never both; files are heard from admins alone."""
    heard = heard_in(BURST, 10, admins)
    assert heard.ids == ids
    assert [said.id for said in heard.said] == ["question"]
    assert [file.message_id for file in heard.attachments] == [id_ for id_ in ids if id_ == "file"]
    assert not set(heard.unread) & set(ids)
    assert {*heard.unread, *ids} == {each.id for each in BURST.messages}
    assert [id_ for id_, reason in heard.unread.items() if reason is ClosedReason.TOO_OLD] == ["old"]


def test_each_question_is_a_message_of_its_own() -> None:
    """A reply with two questions sends both, in order, each with its buttons."""
    save, forget = Button("1", "Save"), Button("2", "Forget")
    reply = Reply((Intent.KNOWLEDGE,), "en", text="One?", buttons=(save,), then=(Message("Two?", (forget,)),))
    drafts = ending_of(heard_in(CLAIM, 0, frozenset()), reply, 0).drafts
    assert [(draft.type, draft.text) for draft in drafts] == [("interactive", "One?"), ("interactive", "Two?")]
