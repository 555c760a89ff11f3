"""`concierge chaos` on bursts torn apart, stops that nobody confirms, and documents found after their end."""

from dataclasses import replace

import pytest

from bot.chaos.evidence import Evidence, Line
from bot.chaos.promises import HEARD_MS, chat_goes_on, documents_are_whole, one_reply, stop_is_stop
from bot.chaos.stage import Diary, Stop, Written
from bot.simulator.customers import SentMessage

NOON = 1_760_000_000_000
ANN = "4915100000001"


def evidence_of(turns: list[tuple[str, str]], diary: Diary) -> Evidence:
    """Each of Ann's messages by its wamid and turn; every turn has a reply."""
    lines = [
        Line(ANN, wamid, inbound=True, text="?", status="answered", reason=None, turn_id=turn) for wamid, turn in turns
    ]
    replies = {turn: f"r-{turn}" for _, turn in turns}
    lines += [
        Line(ANN, wamid, inbound=False, text="!", status="read", reason=None, turn_id=turn)
        for turn, wamid in replies.items()
    ]
    return Evidence(diary, lines, [SentMessage(wamid, ANN, "!", None, NOON, {}) for wamid in replies.values()])


@pytest.mark.parametrize(
    ("turns", "bursts", "kept"),
    [
        ("abcdef", 3, False),  # each message by itself
        ("aabcde", 3, True),  # one burst together, two torn apart by chance
        ("abcd", 2, True),  # too few to tell
    ],
)
def test_who_answers_each_message_by_itself_breaks_the_promise(turns: str, bursts: int, *, kept: bool):
    """Of three bursts without a kill between their messages, one at least must have had one reply."""
    wamids = [f"m{place}" for place in range(2 * bursts)]
    diary = Diary(bursts=[(wamids[2 * number], wamids[2 * number + 1]) for number in range(bursts)])
    verdict = one_reply(evidence_of(list(zip(wamids, turns, strict=True)), diary))
    assert verdict.broken == (() if kept else ("none of 3 bursts was answered together",))


def test_a_stop_counts_without_its_confirmation():
    """Who got no answer to "stop" is not written to later than the answer had to be there."""
    diary = Diary(written={"s": Written(ANN, "stop", NOON)}, stops=[Stop("s", ANN)])
    line = Line(ANN, "s", inbound=True, text="stop", status="closed", reason=None, turn_id=None)
    later = [SentMessage(f"r{after}", ANN, "!", None, NOON + after, {}) for after in (HEARD_MS - 1, HEARD_MS + 3_000)]
    verdict = stop_is_stop(Evidence(diary, [line], later))
    assert verdict.broken == (f"{ANN} heard from us 3.0 s after we had confirmed the stop, or had to",)
    assert "1 of them not confirmed" in verdict.note


def test_nothing_of_a_deleted_document_is_found():
    """A document that is off the list is not gone while a search leads to it."""
    found = replace(evidence_of([], Diary()), still_found=["gone.md"])
    assert documents_are_whole(found).broken == ("gone.md was deleted, and a search still finds it",)


def test_a_server_that_lives_says_so():
    """Any answer but 200 to the question whether it lives is a fault."""
    diary = Diary(waits=[0.01], unwell=[503])
    assert chat_goes_on(evidence_of([], diary)).broken == ("the server was asked whether it lives, and answered 503",)
