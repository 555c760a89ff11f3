"""The books at the end of a test: each message has one end, each reply went once, the log kept its mouth shut."""

from collections import Counter

from bot.simulator.simulator import Simulator
from tests.e2e.processes import ACCESS_TOKEN, ADMIN_TOKEN, APP_SECRET, VERIFY_TOKEN, Server


def check_dispositions(server: Server, written: list[str]) -> None:
    """Every message is there once and ended once."""
    messages = server.rows("SELECT wamid, status, reason, turn_id FROM messages")
    assert Counter(message["wamid"] for message in messages) == Counter(written)
    for message in messages:
        assert message["status"] in {"answered", "closed"}
        assert (message["status"] == "answered") == (message["turn_id"] is not None)
    assert server.rows("SELECT count(*) AS n FROM inbox_events WHERE state = 'dead'") == [{"n": 0}]


def check_replies(server: Server, simulator: Simulator) -> None:
    """Every turn that answered has one reply, and WhatsApp took it once."""
    replies = server.rows("SELECT turn_id, count(*) AS n, group_concat(state) AS states FROM outbox GROUP BY turn_id")
    answering = server.rows("SELECT DISTINCT turn_id FROM messages WHERE turn_id IS NOT NULL")
    assert {reply["turn_id"] for reply in replies} == {row["turn_id"] for row in answering}
    assert all(reply["n"] == 1 for reply in replies)
    message_of = {row["id"]: row["outbox_id"] for row in server.rows("SELECT id, outbox_id FROM send_attempts")}
    taken = Counter(message_of[sent.attempt_id or ""] for sent in simulator.sent)
    expected = Counter(row["id"] for row in server.rows("SELECT id FROM outbox"))
    assert taken == expected


def check_log(server: Server, *spoken: str) -> None:
    """No secret, no signature, no query string, and nothing of what was said."""
    log = (server.directory.parent / "server.log").read_text()
    assert log
    secrets = (ACCESS_TOKEN, ADMIN_TOKEN, APP_SECRET, VERIFY_TOKEN, "sha256=", "hub.", "?limit=")
    assert [words for words in (*secrets, *spoken) if words in log] == []
