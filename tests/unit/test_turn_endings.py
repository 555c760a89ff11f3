"""Who counts as an admin of a business, and what of a reply is sent."""

from dataclasses import replace

import pytest

from agents.ports import Button, Message, Reply
from database.claims import Claim, Sender
from database.records import Intent
from services.turn_endings import ending_of, is_admin

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
    summary_seq=0,
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


def test_each_question_is_a_message_of_its_own() -> None:
    """A reply with two questions sends both, in order, each with its buttons."""
    save, forget = Button("1", "Save"), Button("2", "Forget")
    reply = Reply((Intent.KNOWLEDGE,), "en", text="One?", buttons=(save,), then=(Message("Two?", (forget,)),))
    drafts = ending_of(CLAIM, reply, 0, 0).drafts
    assert [(draft.type, draft.text) for draft in drafts] == [("interactive", "One?"), ("interactive", "Two?")]
