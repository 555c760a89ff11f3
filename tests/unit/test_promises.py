"""Each promise of `concierge chaos` is judged kept when it was kept, and broken when it was not."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from agents.language_packs import load_language_packs
from agents.sentences import Sentences
from bot.chaos.customers import REMARKS
from bot.chaos.evidence import Evidence, Line, Shelved
from bot.chaos.promises import JUDGES, PAIR_BURST, WINDOW_MS, Verdict, judged, table
from bot.chaos.stage import ChaosOptions, Diary, Expected, Stop, Upload, Written
from bot.commands.chaos import report
from bot.commands.failures import Exit
from bot.simulator.customers import SentMessage
from services.whatsapp.formatting import to_whatsapp

NOON = 1_760_000_000_000
SORRY = to_whatsapp(Sentences(load_language_packs()).say("apology", "en"))
ANN, BOB, CLEO, DAN, EVE = (f"491510000000{number}" for number in range(1, 6))


def sent(wamid: str, customer: str, at: int) -> SentMessage:
    return SentMessage(wamid, customer, "From nine.", f"attempt of {wamid}", at, {})


def asked(wamid: str, customer: str, turn: str | None, status: str = "answered", reason: str | None = None) -> Line:
    return Line(customer, wamid, inbound=True, text="When?", status=status, reason=reason, turn_id=turn)


def said(wamid: str, customer: str, turn: str, status: str = "read", reason: str | None = None) -> Line:
    return Line(customer, wamid, inbound=False, text="From nine.", status=status, reason=reason, turn_id=turn)


@pytest.fixture
def evidence() -> Evidence:
    """Ann asks; Bob says stop, writes on into the silence, and says start; Cleo is late; Dan only makes a remark.

    Eve has been sent as much as WhatsApp allows. A document is there, another is gone.
    """
    diary = Diary(
        written={
            "a1": Written(ANN, "When?", NOON),
            "b1": Written(BOB, "stop", NOON),
            "b2": Written(BOB, "When?", NOON + 2_000),
            "b3": Written(BOB, "start", NOON + 5_000),
            "c1": Written(CLEO, "When?", NOON - 2 * WINDOW_MS, late=True),
            "d1": Written(DAN, REMARKS[0], NOON),
            **{f"e{number}": Written(EVE, "When?", NOON) for number in range(PAIR_BURST)},
        },
        stops=[Stop("b1", BOB, NOON + 5_000)],
        uploads=[Upload("here.md", Expected.THERE, ("lamp 1",)), Upload("gone.md", Expected.GONE, ("lamp 2",))],
        pieces=40,
        waits=[0.01, 0.02],
    )
    diary.strangers["refused"] = 3
    lines = [
        asked("a1", ANN, "t1"),
        said("r1", ANN, "t1"),
        asked("b1", BOB, "t2"),
        said("r2", BOB, "t2"),
        asked("b2", BOB, "t3", "closed", "opted_out"),
        asked("b3", BOB, "t4"),
        said("r4", BOB, "t4"),
        asked("c1", CLEO, None, "closed", "too_old"),
        asked("d1", DAN, "t5", "closed", "no_reply_needed"),
    ]
    for number in range(PAIR_BURST):
        lines += [asked(f"e{number}", EVE, f"te{number}"), said(f"re{number}", EVE, f"te{number}")]
    arrived = [sent("r1", ANN, NOON + 500), sent("r2", BOB, NOON + 1_000), sent("r4", BOB, NOON + 6_000)]
    arrived += [sent(f"re{number}", EVE, NOON + 500) for number in range(PAIR_BURST)]
    return Evidence(diary, lines, arrived, [Shelved("here.md", "ready", 40, 1)], log_lines=10)


def broken(evidence: Evidence) -> dict[str, tuple[str, ...]]:
    return {verdict.promise: verdict.broken for verdict in judged(evidence) if verdict.broken}


def test_what_was_kept_is_said_to_be_kept(evidence: Evidence):
    """Nothing is called broken that was not, and every promise was put to the test."""
    assert [verdict.word for verdict in judged(evidence)] == ["kept"] * len(JUDGES)


def without(wamid: str) -> Callable[[Evidence], Evidence]:
    return lambda evidence: replace(evidence, lines=[line for line in evidence.lines if line.wamid != wamid])


def with_line(line: Line) -> Callable[[Evidence], Evidence]:
    return lambda evidence: replace(
        evidence, lines=[*(each for each in evidence.lines if each.wamid != line.wamid), line]
    )


def with_second(line: Line) -> Callable[[Evidence], Evidence]:
    return lambda evidence: replace(evidence, lines=[*evidence.lines, line])


def with_sent(message: SentMessage) -> Callable[[Evidence], Evidence]:
    return lambda evidence: replace(evidence, arrived=[*evidence.arrived, message])


def on_shelves(*shelves: Shelved) -> Callable[[Evidence], Evidence]:
    return lambda evidence: replace(evidence, shelves=shelves)


def with_diary(change: Callable[[Diary], None]) -> Callable[[Evidence], Evidence]:
    def spoil(evidence: Evidence) -> Evidence:
        change(evidence.diary)
        return evidence

    return spoil


SPOILED = {
    "a message is missing": (without("c1"), "is in no conversation"),
    "a message is there twice": (with_second(asked("a1", ANN, "t1")), "is there 2 times"),
    "a webhook was never answered": (lambda evidence: replace(evidence, unanswered=True), "never answered 200"),
    "a message has no end": (with_line(asked("a1", ANN, None, "received")), "is received"),
    "a message is closed without a reason": (with_line(asked("c1", ANN, None, "closed")), "is closed (None)"),
    "a message is answered by nobody": (with_line(asked("a1", ANN, None)), "is answered (None)"),
    "a question was left out": (
        with_line(asked("a1", ANN, None, "closed", "rate_limited")),
        "is closed (rate_limited)",
    ),
    "a question was a remark": (with_line(asked("a1", ANN, "t1", "closed", "no_reply_needed")), "(no_reply_needed)"),
    "a fresh message was too old": (with_line(asked("a1", ANN, None, "closed", "too_old")), "is closed (too_old)"),
    "who never said stop has stopped": (with_line(asked("a1", ANN, "t1", "closed", "opted_out")), "(opted_out)"),
    "start was not heard": (with_line(asked("b3", BOB, "t4", "closed", "opted_out")), "is closed (opted_out)"),
    "nobody asked for a person": (
        with_line(asked("a1", ANN, "t1", "closed", "with_person")),
        "is closed (with_person)",
    ),
    "Ann is put off": (with_line(replace(said("r1", ANN, "t1"), text=SORRY)), "kills explain 0"),
    "a reply comes from nowhere": (with_second(said("r9", ANN, "t9")), "answers nothing (turn t9)"),
    "a reply has no turn": (with_second(replace(said("r9", ANN, ""), turn_id=None)), "answers nothing (turn None)"),
    "a burst has two replies": (with_second(said("r9", ANN, "t1")), "has 2 replies"),
    "a turn has no reply": (without("r1"), "turn t1 has 0 replies"),
    "a reply went twice": (with_sent(sent("r1-again", ANN, NOON + 900)), "sent twice"),
    "a reply came twice under one name": (with_sent(sent("r1", ANN, NOON + 900)), "r1 arrived 2 times"),
    "a reply is on no phone": (lambda evidence: replace(evidence, arrived=evidence.arrived[1:]), "is on no phone"),
    "a reply never went": (with_line(said("r1", ANN, "t1", "unconfirmed")), "never arrived: unconfirmed"),
    "a reply was held for no good reason": (with_line(said("r1", ANN, "t1", "held", "unconfirmed")), "never arrived"),
    "a reply waits for nobody": (with_line(said("r1", ANN, "t1", "held", "with_person")), "never arrived: held"),
    "a reply was blocked": (with_line(said("r1", ANN, "t1", "cancelled", "blocked")), "never arrived: cancelled"),
    "a reply was stopped by nobody": (with_line(said("r1", ANN, "t1", "cancelled", "opted_out")), "never arrived"),
    "a reply after start was stopped": (with_line(said("r4", BOB, "t4", "cancelled", "opted_out")), "never arrived"),
    "Eve is sent too much": (with_sent(sent("r7", EVE, NOON + 600)), "46 messages that are not paid for"),
    "Bob hears from us": (with_sent(sent("r5", BOB, NOON + 3_000)), "2.0 s after we had confirmed the stop"),
    "a late customer is answered": (with_sent(sent("r6", CLEO, NOON)), "outside the 24 hours"),
    "a document is lost": (on_shelves(), "is not there any more"),
    "a document lost pieces": (on_shelves(Shelved("here.md", "ready", 39, 1)), "has 39 pieces of 40"),
    "a document is not found": (on_shelves(Shelved("here.md", "ready", 40, 0)), "is not found"),
    "a document never got ready": (on_shelves(Shelved("here.md", "indexing", 40, 1)), "is indexing"),
    "a document is there twice": (
        on_shelves(Shelved("here.md", "ready", 40, 1), Shelved("here.md", "ready", 40, 1)),
        "here.md is there 2 times",
    ),
    "a document was refused": (with_diary(lambda diary: diary.refused.append("x.md was refused")), "x.md was refused"),
    "a deleted document is there": (
        on_shelves(Shelved("here.md", "ready", 40, 1), Shelved("gone.md", "ready", 40, 1)),
        "was deleted, and is still there",
    ),
    "the vectors did not heal": (lambda evidence: replace(evidence, vectors_healthy=False), "did not heal"),
    "the server stood still": (with_diary(lambda diary: diary.waits.append(2.5)), "stood still for 2.5 s"),
    "the server died by itself": (with_diary(lambda diary: diary.deaths.append(-11)), "ended by itself"),
    "a stranger was let in": (with_diary(lambda diary: diary.let_in.append("GET /metrics was answered 200")), "200"),
    "a stranger is in the books": (with_second(asked("f1", "491509", "t9", "closed", "too_old")), "is in the books"),
    "the log talks": (lambda evidence: replace(evidence, leaks=["a secret"]), "the log shows a secret"),
}


@pytest.mark.parametrize(("spoil", "words"), SPOILED.values(), ids=SPOILED)
def test_what_was_broken_is_said_to_be_broken(
    evidence: Evidence, spoil: Callable[[Evidence], Evidence], words: str
) -> None:
    """Each way to break a promise is found, and told with its evidence."""
    found = broken(spoil(evidence))
    assert any(words in fault for faults in found.values() for fault in faults), found


def test_a_reply_that_may_stay_is_not_missing(evidence: Evidence):
    """A reply that was cancelled because the customer said stop breaks nothing."""
    evidence.diary.written["b0"] = Written(BOB, "When?", NOON - 500)
    lines = [*evidence.lines, asked("b0", BOB, "t0"), said("r0", BOB, "t0", "cancelled", "opted_out")]
    assert broken(replace(evidence, lines=lines)) == {}


def test_three_kills_excuse_one_apology(evidence: Evidence):
    """A turn over which the server died three times ends with an apology, which is an honest reply."""
    evidence.diary.kills["server"] = 3
    assert broken(with_line(replace(said("r1", ANN, "t1"), text=SORRY))(evidence)) == {}


def test_an_upload_that_nobody_confirmed_may_be_there_or_not(evidence: Evidence):
    """The server was killed before it answered: both ends are right, but half a document is not."""
    evidence.diary.uploads.append(Upload("perhaps.md", Expected.EITHER, ("lamp 3",)))
    assert broken(evidence) == {}
    half = Shelved("perhaps.md", "ready", 12, 1)
    assert list(broken(replace(evidence, shelves=[*evidence.shelves, half]))) == [
        "Documents are there whole, or not at all"
    ]


@pytest.mark.parametrize(("kills", "pieces", "kept"), [(3, 0, True), (2, 0, False), (3, 12, False)])
def test_a_document_may_be_given_up_after_three_kills(evidence: Evidence, kills: int, pieces: int, *, kept: bool):
    """Three while it was read: with fewer, or with a piece of it there, that is a fault, whatever befell others."""
    evidence.diary.kills["server"] = 9
    evidence.diary.uploads[0] = replace(evidence.diary.uploads[0], kills=kills)
    given_up = replace(evidence, shelves=[Shelved("here.md", "failed", pieces, 0)])
    assert (broken(given_up) == {}) == kept


def test_a_bot_that_never_answers_does_not_pass(evidence: Evidence, capsys: pytest.CaptureFixture[str]):
    """What was closed was closed for a reason, but a run without a single reply shows nothing: exit code 1, and why."""
    evidence.diary.written = {"d1": Written(DAN, REMARKS[0], NOON)}
    evidence.diary.stops.clear()
    silent = replace(evidence, lines=[asked("d1", DAN, "t5", "closed", "no_reply_needed")], arrived=())
    assert broken(silent) == {}
    assert report(ChaosOptions(), silent, as_json=False) is Exit.FAILED
    assert "NOT TESTED: Every reply arrives, and arrives once" in capsys.readouterr().out
    assert report(ChaosOptions(), silent, as_json=True) is Exit.FAILED
    assert json.loads(capsys.readouterr().out)["kept"] is False


def test_the_table_shows_the_first_faults_and_counts_the_rest():
    """A thousand faults do not drown the table."""
    verdict = Verdict("Something", 9, "tries", "a note", tuple(f"fault {number}" for number in range(9)))
    shown = table([verdict, Verdict("Another", 0, "tries", "no occasion")])
    assert "9 tries" in shown
    assert "BROKEN: Something: fault 4" in shown
    assert "fault 5" not in shown
    assert "and 4 more" in shown
    assert "not tested" in shown
