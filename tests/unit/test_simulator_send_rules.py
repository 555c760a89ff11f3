"""The simulator's rules hold whatever stands in whichever place of a message or a template."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from bot.simulator.media_store import MediaStore
from bot.simulator.refusals import MetaRefusalError
from bot.simulator.send_fields import Shelves
from bot.simulator.send_rules import read_send
from bot.simulator.templates import TemplateShelf, check_template
from tests.fakes.whatsapp_business import MARIA
from tests.integration.test_simulator_sends import GOOD

STRANGE: list[Any] = [None, 5, -1.5, 10**400, True, "", "\ud800", "http://[x", "https://[::1", [], ["x"], {}, {"x": []}]
PARAMETERS = [{"type": "text", "parameter_name": "name", "text": "Ann"}]
BUTTONS = [{"type": "QUICK_REPLY", "text": "Thanks"}, {"type": "URL", "text": "Open", "url": "https://a.example/{{1}}"}]
SHELF_TEMPLATE = {
    "name": "ready",
    "language": "en",
    "category": "UTILITY",
    "parameter_format": "NAMED",
    "components": [
        {"type": "HEADER", "format": "IMAGE"},
        {"type": "BODY", "text": "Dear {{name}}, it is ready.", "example": {}},
        {"type": "BUTTONS", "buttons": BUTTONS},
    ],
}
TEMPLATE = {
    "name": "ready",
    "language": {"code": "en"},
    "components": [
        {"type": "header", "parameters": [{"type": "image", "image": {"link": "https://a.example/a.png"}}]},
        {"type": "body", "parameters": PARAMETERS},
        {"type": "button", "index": "0", "parameters": [{"type": "payload", "payload": "thanks"}]},
        {"type": "button", "index": "1", "parameters": [{"type": "text", "text": "7"}]},
    ],
}


def spoilt(value: Any) -> Iterator[Any]:
    """The same with something strange in place of each of its parts, in turn; of a list, its first four count."""
    for key in value if isinstance(value, dict) else ():
        yield from ({**value, key: strange} for strange in (*STRANGE, *spoilt(value[key])))
    for place in range(min(len(value), 4)) if isinstance(value, list) else ():
        strange_ones = (*STRANGE, *spoilt(value[place]))
        yield from ([*value[:place], strange, *value[place + 1 :]] for strange in strange_ones)


@pytest.mark.parametrize(("kind", "content"), [*GOOD, ("template", TEMPLATE)])
def test_a_send_is_taken_or_refused_and_nothing_else(kind, content):
    """Strange values are a refusal with one of Meta's codes, never an error of the simulator's own."""
    templates = TemplateShelf(reviewed_at_once=True)
    templates.create(SHELF_TEMPLATE, 0)
    shelves = Shelves(MediaStore(1000), templates, 0)
    context = {"context": {"message_id": "wamid.x"}, "biz_opaque_callback_data": "1"}
    good = {"messaging_product": "whatsapp", "to": f"+{MARIA}", "type": kind, kind: content} | context
    assert read_send(good, shelves).type == kind
    for envelope in spoilt(good):
        with suppress(MetaRefusalError):
            assert read_send(envelope, shelves).address


def test_a_template_is_taken_or_refused_and_nothing_else():
    """The same for what is handed in for review."""
    for document in spoilt(SHELF_TEMPLATE):
        with suppress(MetaRefusalError):
            check_template(document)
