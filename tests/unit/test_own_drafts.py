"""What we send, held against the rules of the simulated WhatsApp."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.ports import Button
from bot.simulator.media_store import MediaStore
from bot.simulator.send_fields import Shelves
from bot.simulator.send_rules import read_send
from bot.simulator.templates import TemplateShelf
from services.turn_endings import drafts_of
from services.whatsapp.formatting import to_whatsapp

SHELVES = Shelves(MediaStore(1000), TemplateShelf(reviewed_at_once=True), 1_760_000_000_000)
PIECES = ["word ", "*", "**", "_", "~~", "`", "```\n", "\n", "\n\n", "# ", "- ", "1. ", "> ", "| a | b |\n|---|---|\n"]
MORE = ["[text](https://example.org/a_b)", "<br>", "😀", "\u0000", "\ud83d", "\u200b", "سعر", "価格。", "x" * 3000]
markdown = st.lists(st.sampled_from(PIECES + MORE) | st.text(max_size=30), max_size=40).map("".join)
buttons = st.lists(st.text("abcdefghij", min_size=1, max_size=20), min_size=1, max_size=3, unique=True)


def accepted(body: dict[str, Any]) -> None:
    """Raises what WhatsApp would refuse the message by."""
    sent = {"messaging_product": "whatsapp", "to": "+12025550101", "biz_opaque_callback_data": "attempt"} | body
    assert read_send(sent, SHELVES).text


@settings(max_examples=100)
@given(markdown)
def test_every_answer_is_accepted(text):
    """Whatever Markdown an answer is, each of its messages is one that WhatsApp takes."""
    drafts = drafts_of(text, "reply")
    assert bool(drafts) is bool(to_whatsapp(text).strip())
    for draft in drafts:
        accepted(draft.body)


@settings(max_examples=100)
@given(markdown, buttons)
def test_every_answer_with_buttons_is_accepted(text, titles):
    """The same with up to three buttons below it; a long answer goes without them."""
    drafts = drafts_of(text, "reply", [Button(f"id-{title}", title) for title in titles])
    assert bool(drafts) is bool(to_whatsapp(text).strip())
    for draft in drafts:
        accepted(draft.body)
