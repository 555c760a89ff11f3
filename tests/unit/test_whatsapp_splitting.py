"""What a webhook POST holds."""

import json
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.whatsapp.payloads import UnsplittableError, resolve, split
from services.whatsapp.splitting import parse
from services.whatsapp.storable import storable

NUMBER = {"display_phone_number": "15550001111", "phone_number_id": "100"}


def post(*values, field="messages", **entry):
    """A POST with one change a value, as bytes."""
    changes = [{"field": field, "value": value} for value in values]
    envelope = {"object": "whatsapp_business_account", "entry": [{"id": "waba", **entry, "changes": changes}]}
    return json.dumps(envelope).encode()


def value(**parts):
    return {"messaging_product": "whatsapp", "metadata": NUMBER, **parts}


def message(wamid, text="hello"):
    return {
        "id": wamid,
        "from": "491510000001",
        "timestamp": "1760000000",
        "type": "text",
        "text": {"body": text},
    }


def test_every_message_and_status_is_an_event():
    """All entries, changes, messages and statuses are found, each with a pointer that leads to it."""
    first = json.loads(
        post(value(messages=[message("a"), message("b")]), value(statuses=[{"id": "c", "status": "sent"}]))
    )
    second = json.loads(post(value(messages=[message("d")])))
    document = {**first, "entry": first["entry"] + second["entry"]}
    events = split(json.dumps(document).encode())
    assert [(event.kind, event.subject) for event in events] == [
        ("message", "a"),
        ("message", "b"),
        ("status", "c"),
        ("message", "d"),
    ]
    assert [resolve(document, event.pointer)["id"] for event in events] == ["a", "b", "c", "d"]
    assert {event.phone_number_id for event in events} == {"100"}


def test_a_repeat_has_the_same_keys_and_nothing_else_has():
    """Keys tell events apart by what they are, not by where or beside what they came (WHATSAPP.md 1.5)."""
    alone = split(post(value(messages=[message("a")])))
    beside = split(post(value(messages=[message("b"), message("a", "changed on the way")])))
    assert alone[0].dedupe_key == beside[1].dedupe_key
    assert alone[0].dedupe_key != beside[0].dedupe_key
    other_number = value(messages=[message("a")]) | {"metadata": {"phone_number_id": "200"}}
    assert split(post(other_number))[0].dedupe_key != alone[0].dedupe_key


def test_each_status_of_a_message_counts_once_for_each_participant():
    """Sent and delivered are two events, and so is delivered to two people of a group."""
    statuses = [
        {"id": "a", "status": "sent"},
        {"id": "a", "status": "delivered"},
        {"id": "a", "status": "delivered", "recipient_participant_id": "1"},
        {"id": "a", "status": "delivered", "recipient_participant_id": "2"},
        {"id": "a", "status": "delivered", "recipient_participant_id": "2", "timestamp": "1"},
    ]
    keys = [event.dedupe_key for event in split(post(value(statuses=statuses)))]
    assert len(set(keys)) == 4
    assert keys[3] == keys[4]


def test_what_has_no_id_is_known_by_its_content():
    """The same account event is a repeat; another time or content is another event."""
    banned = {"event": "DISABLED_UPDATE"}

    def key(content, time):
        return split(post(content, field="account_update", time=time))[0].dedupe_key

    assert key(banned, 1) == key(dict(reversed(banned.items())), 1)
    assert len({key(banned, 1), key(banned, 2), key({"event": "ACCOUNT_DELETED"}, 1)}) == 3


@pytest.mark.parametrize(
    ("field", "content", "kinds"),
    [
        ("messages", value(errors=[{"code": 130429}]), ["errors"]),
        ("messages", value(user_actions=[{"action": "click"}]), ["user_action"]),
        ("messages", value(messages=[message("a")], errors=[{"code": 130429}]), ["message", "errors"]),
        ("messages", value(contacts=[]), ["unknown"]),
        ("messages", value(messages={"id": "a"}), ["unknown"]),
        ("messages", value(messages=[5, message("a"), None]), ["unknown", "message", "unknown"]),
        ("messages", value(messages=[{"type": "text"}]), ["message"]),
        ("smb_message_echoes", value(message_echoes=[message("a"), message("b")]), ["echo", "echo"]),
        ("standby", value(messages=[message("a")]), ["standby"]),
        ("account_update", {"event": "X"}, ["account"]),
        ("message_template_status_update", {"event": "X"}, ["template"]),
        ("calls", value(calls=[{"id": "a"}]), ["call"]),
        ("user_preferences", value(user_preferences=[{}]), ["user_preference"]),
        ("brand_new", value(), ["unknown"]),
        (["odd"], value(), ["unknown"]),
        ("messages", "text", ["unknown"]),
        ("messages", None, ["unknown"]),
    ],
)
def test_kinds(field, content, kinds):
    """Every change is at least one event of the right kind, and a malformed piece costs its neighbours nothing."""
    assert [event.kind for event in split(post(content, field=field))] == kinds


@pytest.mark.parametrize("entry", [5, None, "x", {}, {"id": "1"}, {"changes": []}, {"changes": 5}, {"messaging": []}])
def test_a_malformed_entry_is_kept_as_unknown(entry):
    """An entry that is none does not take the good one beside it along."""
    good = json.loads(post(value(messages=[message("a")])))["entry"][0]
    events = split(json.dumps({"object": "whatsapp_business_account", "entry": [entry, good]}).encode())
    assert [event.kind for event in events] == ["unknown", "message"]


def test_no_entry_no_event():
    """An empty envelope is a good one."""
    assert split(b'{"object":"whatsapp_business_account","entry":[]}') == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"\xff\xfe\xfd",
        b"null",
        b"[]",
        b"5",
        b'{"entry": 5}',
        b'{"object": "page", "entry": []}',
        b'{"object": 5, "entry": []}',
        b"[" * 1_000_000,
        b'{"entry":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}",
        b'{"entry": [' + b"1," * 10_001 + b"1]}",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_cannot_be_split_says_so(body):
    """What is no envelope raises UnsplittableError with a reason, and nothing else."""
    with pytest.raises(UnsplittableError, match=r"\w"):
        split(body)


@pytest.mark.parametrize("broken", [b"9" * 5_000, b'"\xff\xc3"', b'"\x00 \x1f"'], ids=["integer", "utf-8", "control"])
def test_a_broken_piece_costs_its_neighbours_nothing(broken):
    """An endless integer, bytes that are no UTF-8, bare control characters: every event is there and can be read."""
    body = post(value(messages=[message("a"), {"id": "b", "odd": {"ODD": 1}}, message("c")]))
    body = body.replace(b'{"ODD": 1}', broken)
    assert [(event.kind, event.subject) for event in split(body)] == [("message", name) for name in "abc"]
    assert split(body) == split(body)
    json.dumps(storable(resolve(parse(body), split(body)[1].pointer))).encode()


def test_deep_json_beside_a_message_costs_it_nothing():
    """A piece that is nested as deep as the parser goes is unknown; its neighbour is read."""
    known = 0
    for depth in range(100, 1_500, 25):
        deep = b'{"x":' * depth + b"1" + b"}" * depth
        body = post(value(messages=[message("a")]), {"DEEP": 1}).replace(b'{"DEEP": 1}', deep)
        try:
            known += [event.kind for event in split(body)] == ["message", "unknown"]
        except UnsplittableError:
            break
    assert known > 10


def test_ids_that_no_database_takes_are_not_used_as_keys():
    """A lone surrogate, NUL or a book instead of an id: the event is kept under a key of its own."""
    odd: list[Any] = ["\ud83d", "a\0b", "x" * 5_000, "", None, []]
    events = split(post(value(messages=[message(wamid) for wamid in odd])))
    assert len({event.dedupe_key for event in events}) == 6
    assert {event.subject for event in events} == {None}
    assert all(event.dedupe_key.isascii() and len(event.dedupe_key) < 100 for event in events)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def envelopes(draw):
    """Envelopes in which any piece may be anything."""
    items = json_values | st.builds(message, st.sampled_from(["a", "b"]))
    values = json_values | st.builds(
        value, messages=json_values | st.lists(items), statuses=json_values | st.lists(items), errors=json_values
    )
    changes = json_values | st.fixed_dictionaries({"field": st.just("messages") | json_values, "value": values})
    entries = json_values | st.fixed_dictionaries({"id": json_values, "changes": st.lists(changes, max_size=3)})
    return {"entry": draw(json_values | st.lists(entries, max_size=3))}


@settings(deadline=None)
@given(st.binary() | st.text(st.characters(codec=None)).map(json.dumps).map(str.encode))
def test_no_body_breaks_it(body):
    """Any bytes end as events or as UnsplittableError."""
    events = []
    with suppress(UnsplittableError):
        events = split(body)
    assert all(event.dedupe_key for event in events)


@settings(deadline=None, max_examples=200)
@given(envelopes())
def test_any_envelope_is_split_into_storable_events(document):
    """Whatever stands in an envelope, each of its events has a pointer that leads somewhere and storable words."""
    body = json.dumps(document).encode()
    try:
        events = split(body)
    except UnsplittableError:
        assert not isinstance(document["entry"], list)
        return
    assert split(body) == events
    loaded = json.loads(body)
    for event in events:
        resolve(loaded, event.pointer)
        for text in (event.kind, event.dedupe_key, event.pointer, event.subject or "", event.phone_number_id or ""):
            assert text.isascii()
            assert text.isprintable()
    assert max(Counter(event.pointer for event in events).values(), default=1) == 1
