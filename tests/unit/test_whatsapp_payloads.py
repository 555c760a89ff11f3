"""What a message or a status says."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from database.records import InboundMessage, StatusUpdate
from services.whatsapp.payloads import MeaninglessEventError, read_message, read_status, resolve, split, storable_text
from tests.shared import SHARED
from tests.unit.test_whatsapp_splitting import NUMBER, json_values

ARRIVAL = 1_760_000_100_000
PERSON = {"profile": {"name": "Ana", "username": "@ana"}, "wa_id": "491510000001", "user_id": "DE.1"}


def document(contacts: Any = (), **parts: Any) -> dict[str, Any]:
    value = {"metadata": NUMBER, "contacts": list(contacts) if isinstance(contacts, tuple) else contacts, **parts}
    return {"entry": [{"changes": [{"field": "messages", "value": value}]}]}


def message_of(contacts: Any = (), **message: Any) -> InboundMessage:
    """The message read from a webhook that holds it and `contacts`."""
    defaults = {"id": "wamid.1", "timestamp": "1760000000", "type": "text", "text": {"body": "hello"}}
    webhook = document(contacts, messages=[{**defaults, **message}])
    return read_message(webhook, "/entry/0/changes/0/value/messages/0", ARRIVAL)


def status_of(**status: Any) -> StatusUpdate:
    defaults = {"id": "wamid.1", "status": "sent", "timestamp": "1760000000"}
    return read_status(document(statuses=[{**defaults, **status}]), "/entry/0/changes/0/value/statuses/0", ARRIVAL)


def test_a_text_with_all_that_belongs_to_it():
    """A plain message gives its ids, names, time and words."""
    read = message_of((PERSON,), **{"from": "491510000001", "from_user_id": "DE.1", "context": {"id": "wamid.0"}})
    assert (read.wamid, read.phone_number_id, read.type, read.text) == ("wamid.1", "100", "text", "hello")
    assert (read.phone, read.bsuid, read.name, read.username) == ("491510000001", "DE.1", "Ana", "ana")
    assert (read.sent_at, read.quoted_wamid) == (1_760_000_000_000, "wamid.0")


@pytest.mark.parametrize(
    ("message", "text", "button_id"),
    [
        ({"type": "button", "button": {"payload": "p", "text": "Yes"}}, "Yes", "p"),
        (
            {"type": "interactive", "interactive": {"type": "button_reply", "button_reply": {"id": "b", "title": "B"}}},
            "B",
            "b",
        ),
        (
            {"type": "interactive", "interactive": {"type": "list_reply", "list_reply": {"id": "r", "title": "R"}}},
            "R",
            "r",
        ),
        ({"type": "interactive", "interactive": {"type": "nfm_reply", "nfm_reply": {}}}, None, None),
        ({"type": "image", "image": {"id": "1", "caption": "this one"}}, "this one", None),
        ({"type": "document", "document": {"id": "1"}}, None, None),
        ({"type": "audio", "audio": {"id": "1", "voice": True}}, None, None),
        ({"type": "image", "image": "broken"}, None, None),
        ({"type": "text", "text": {"body": ""}}, "", None),
    ],
)
def test_words_of_each_type(message, text, button_id):
    """The words are what was typed, or the title of what was pressed."""
    read = message_of(**{"from": "491510000001", **message})
    assert (read.type, read.text, read.button_id) == (message["type"], text, button_id)


@pytest.mark.parametrize("odd", ["hologram", "", None, 5, [], "text\0"])
def test_an_unknown_type_is_unknown(odd):
    """Types that Meta may add are read as unknown, not refused."""
    assert message_of(**{"from": "491510000001", "type": odd}).type == "unknown"


@pytest.mark.parametrize("text", [None, 5, {}, {"body": None}, {"body": 5}, "hello"])
def test_a_text_without_text_is_unknown(text):
    """Nothing is answered that cannot be read."""
    read = message_of(**{"from": "491510000001", "text": text})
    assert (read.type, read.text) == ("unknown", None)


def test_contacts_are_paired_by_id_and_not_by_place():
    """A batch with contacts in another order does not mix people up."""
    other = {"profile": {"name": "Ben"}, "wa_id": "491510000002", "user_id": "DE.2"}
    by_phone = message_of((other, PERSON), **{"from": "491510000001"})
    assert (by_phone.name, by_phone.bsuid) == ("Ana", "DE.1")
    by_bsuid = message_of((PERSON, other), from_user_id="DE.2")
    assert (by_bsuid.name, by_bsuid.phone) == ("Ben", "491510000002")
    stranger = message_of((PERSON, other), **{"from": "491510000003"})
    assert (stranger.name, stranger.bsuid) == (None, None)


def test_a_person_without_a_phone():
    """Somebody who hides the phone is known by BSUID alone; the BSUID never becomes a phone."""
    hidden = {"profile": {"username": "ana"}, "user_id": "DE.1", "parent_user_id": "DE.ENT.9"}
    read = message_of((hidden,), from_user_id="DE.1")
    assert (read.phone, read.bsuid, read.parent_bsuid, read.username) == (None, "DE.1", "DE.ENT.9", "ana")
    assert message_of(**{"from": "DE.1"}).phone is None
    assert message_of(**{"from": "DE.1"}).bsuid == "DE.1"


def test_a_lone_contact_speaks_for_a_message_that_names_nobody():
    """One message, one contact: they belong together; with two of either nobody guesses."""
    assert message_of((PERSON,)).bsuid == "DE.1"
    with pytest.raises(MeaninglessEventError):
        message_of((PERSON, PERSON))


@pytest.mark.parametrize(
    ("system", "sender", "expected"),
    [
        ({"wa_id": "492", "user_id": "DE.2", "previous_user_id": "DE.1"}, "491510000001", ("491510000001", "DE.1")),
        ({"wa_id": "492", "user_id": "DE.2"}, "491510000001", ("491510000001", None)),
        ({"user_id": "DE.2", "previous_user_id": "DE.1"}, None, (None, "DE.1")),
        ({"user_id": "DE.2"}, None, (None, "DE.2")),
    ],
)
def test_a_change_of_id_comes_from_the_old_id(system, sender, expected):
    """The old phone is never joined with the new BSUID (WHATSAPP.md 3.3)."""
    read = message_of(**{"type": "system", "system": system, **({"from": sender} if sender else {})})
    assert (read.phone, read.bsuid) == expected


@pytest.mark.parametrize(
    ("timestamp", "sent_at"),
    [
        ("1760000000", 1_760_000_000_000),
        (1_760_000_000, 1_760_000_000_000),
        ("1760000100", ARRIVAL),
        ("1760009999", ARRIVAL),
        ("1760000000000", ARRIVAL),
        ("0", ARRIVAL),
        ("-5", ARRIVAL),
        ("9" * 400, ARRIVAL),
        (2**64, ARRIVAL),
        (True, ARRIVAL),
        ("١٧٦٠٠٠٠٠٠٠", ARRIVAL),
        ("TIMESTAMP", ARRIVAL),
        (None, ARRIVAL),
        (1.5, ARRIVAL),
    ],
)
def test_time_of_a_message(timestamp, sent_at):
    """Seconds become milliseconds; what cannot be a time in the past becomes the arrival, in messages and statuses."""
    assert message_of(**{"from": "491510000001", "timestamp": timestamp}).sent_at == sent_at
    assert status_of(timestamp=timestamp).happened_at == sent_at


@pytest.mark.parametrize(
    "message",
    [{"id": None}, {"id": ""}, {"id": []}, {"from": None}, {"from": "nobody"}, {"from": 5}, {"from": "1" * 40}],
)
def test_a_message_without_its_essentials_means_nothing(message):
    """Without an id or a sender there is a sentence for the dead letter."""
    with pytest.raises(MeaninglessEventError, match="message"):
        message_of(**{"from": "491510000001", **message})


def test_no_number_no_meaning():
    """An event that names no number of ours cannot be handled."""
    webhook = document(messages=[{"id": "a", "from": "491510000001"}])
    del webhook["entry"][0]["changes"][0]["value"]["metadata"]
    with pytest.raises(MeaninglessEventError, match="number"):
        read_message(webhook, "/entry/0/changes/0/value/messages/0", ARRIVAL)


def test_broken_text_is_stored_and_not_refused():
    """Lone surrogates, NUL, integers beyond 64 bits and bottomless nesting are made storable."""
    bottomless: Any = "x"
    for _ in range(200):
        bottomless = [bottomless]
    read = message_of(
        **{
            "from": "491510000001",
            "text": {"body": "a\ud83d b\0 \ud83d\ude00"},
            "referral": {"source_id": "an advertisement"},
            "context": {"id": "wamid.\ud800"},
            "huge": 2**64,
            "deep": bottomless,
            "odd": float("nan"),
            "\udfff": 1,
        }
    )
    assert read.text == "a\ufffd b\ufffd \U0001f600"
    assert read.quoted_wamid == "wamid.\ufffd"
    assert read.payload["huge"] == str(2**64)
    assert json.dumps(read.payload, ensure_ascii=False, allow_nan=False).encode()


def test_a_status_with_our_own_data_and_an_error():
    """A failed status gives the attempt, Meta's code and Meta's words."""
    error = {"code": 131047, "title": "Re-engagement message", "error_data": {"details": "More than 24 hours"}}
    read = status_of(status="failed", biz_opaque_callback_data="attempt", errors=[error])
    assert (read.wamid, read.status, read.attempt_id) == ("wamid.1", "failed", "attempt")
    assert (read.error_code, read.error_text) == (131047, "Re-engagement message: More than 24 hours")


@pytest.mark.parametrize("errors", [None, [], 5, [5], [{}], [{"code": "x"}], [{"code": 2**70}], [{"code": True}]])
def test_odd_errors_of_a_status_are_no_errors(errors):
    """A broken errors list does not hide that the message failed."""
    assert status_of(status="failed", errors=errors) == status_of(status="failed")


def test_an_unknown_status_is_unknown():
    """Statuses that Meta may add are read as unknown; none at all is refused."""
    assert status_of(status="teleported").status == "unknown"
    for missing in ({"id": None}, {"status": None}, {"status": 5}):
        if missing == {"status": 5}:
            assert status_of(**missing).status == "unknown"
        else:
            with pytest.raises(MeaninglessEventError, match="status"):
                status_of(**missing)


@pytest.mark.parametrize(
    ("pointer", "expected"),
    [("", {"a/b": {"~": [1, {"x": 2}]}}), ("/a~1b/~0/0", 1), ("/a~1b/~0/1/x", 2)],
)
def test_pointers_lead_where_the_standard_says(pointer, expected):
    """JSON pointers follow RFC 6901, escapes included."""
    assert resolve({"a/b": {"~": [1, {"x": 2}]}}, pointer) == expected


@pytest.mark.parametrize(
    "pointer", ["/x", "/a/2", "/a/-1", "/a/01", "/a/-", "/a/0/y", "/a/x", "/a/٢", "/a/999999999999"]
)
def test_pointers_that_lead_nowhere_are_refused(pointer):
    """A pointer into nothing is a dead letter, not a fault."""
    with pytest.raises(MeaninglessEventError):
        resolve({"a": [1, 2]}, pointer)


@settings(deadline=None, max_examples=200)
@given(
    st.dictionaries(
        st.sampled_from(
            ["id", "from", "from_user_id", "timestamp", "type", "text", "context", "interactive", "status"]
        ),
        json_values | st.sampled_from(["text", "system", "interactive", "491510000001", "DE.1"]),
    ),
    json_values | st.lists(st.just(PERSON) | json_values, max_size=3),
)
def test_no_message_breaks_the_readers(event, contacts):
    """Whatever a message or status holds, it is read as something storable or refused as meaningless."""
    webhook = document(contacts, messages=[event])
    for reader in (read_message, read_status):
        try:
            read = reader(webhook, "/entry/0/changes/0/value/messages/0", ARRIVAL)
        except MeaninglessEventError:
            continue
        assert read.wamid.encode()
        assert json.dumps(asdict(read), ensure_ascii=False).encode()


@given(st.text(st.characters(codec=None)))
def test_storable_text_keeps_what_it_can(text):
    """Good text is untouched; any text can be encoded afterwards and holds no NUL."""
    stored = storable_text(text)
    assert "\0" not in stored
    encoded = stored.encode()
    assert storable_text(encoded.decode()) == stored
    if "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text):
        assert stored == text


def webhooks(found: Any) -> Iterator[dict[str, Any]]:
    """Every webhook POST within a file of examples."""
    if isinstance(found, dict) and "entry" in found:
        yield found
    elif isinstance(found, dict | list):
        for inner in found.values() if isinstance(found, dict) else found:
            yield from webhooks(inner)


FILES = sorted((SHARED / "payloads").glob("*/*.json"))


@pytest.mark.skipif(not FILES, reason="shared data are not here: payloads (set CONCIERGE_SHARED)")
@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_every_known_example_is_split_and_read(file: Path):
    """Each webhook of the collected examples is split into known kinds; its messages are read, or refused cleanly."""
    for webhook in webhooks(json.loads(file.read_text())):
        events = split(json.dumps(webhook).encode())
        assert events
        for event in events:
            assert event.kind != "unknown"
            if event.kind == "message":
                read_or_placeholder(webhook, event.pointer)
            elif event.kind == "status":
                assert read_status(webhook, event.pointer, ARRIVAL).status != "unknown"


def read_or_placeholder(webhook: Any, pointer: str) -> None:
    """A message must be readable unless the example has a placeholder where the sender should be."""
    message = resolve(webhook, pointer)
    try:
        read = read_message(webhook, pointer, ARRIVAL)
    except MeaninglessEventError:
        assert not str(message.get("from", "")).strip("+").isdigit()
    else:
        assert read.type == message["type"]
        assert read.phone or read.bsuid
