"""The promises that an owner is given, each judged by what could be seen from outside."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bot.chaos.evidence import Evidence, Line, Shelved
from bot.chaos.silences import DEATHS, may_be_closed, may_stay, needless_apologies
from bot.chaos.stage import Diary, Expected, Upload

WINDOW_MS = 24 * 3600 * 1000
STANDSTILL_SECONDS = 1.0
TOLERANCE = 0.5  # of a message: how much sooner than the one before it may have been on its way
HEARD_MS = 20_000  # after so long a stop that nobody confirmed has to be heard all the same
FEW_BURSTS = 3  # which chance, a late webhook above all, may have torn apart
ARRIVED = frozenset({"accepted", "sent", "delivered", "read", "played"})
PAIR_SECONDS, PAIR_BURST = 6.0, 45  # WHATSAPP.md 6: what one customer may be sent


@dataclass(frozen=True, slots=True)
class Verdict:
    """One promise in the owner's words: how often it was put to the test, and each time it was broken.

    A run in which a `core` promise was never put to the test proves nothing.
    """

    promise: str
    tested: int
    unit: str
    note: str
    broken: tuple[str, ...] = ()
    core: bool = False

    @property
    def word(self) -> str:
        """For the table."""
        if self.broken:
            return "BROKEN"
        if self.tested:
            return "kept"
        return "NOT TESTED" if self.core else "not tested"

    @property
    def holds(self) -> bool:
        """Whether the run as a whole may be called a success."""
        return not self.broken and (self.tested > 0 or not self.core)


def judged(evidence: Evidence) -> list[Verdict]:
    """Every promise, in the order in which a customer would mind."""
    return [judge(evidence) for judge in JUDGES]


def nothing_is_lost(evidence: Evidence) -> Verdict:
    """What was answered 200 is in the books, once."""
    seen = Counter(line.wamid for line in evidence.lines if line.inbound)
    written = evidence.diary.written
    broken = [f"{_who(evidence, wamid)} is in no conversation" for wamid in written if not seen[wamid]]
    broken += [f"{_who(evidence, wamid)} is there {seen[wamid]} times" for wamid in written if seen[wamid] > 1]
    if evidence.unanswered:
        broken.append("some webhooks were never answered 200")
    kills = sum(evidence.diary.kills.values())
    doubled = evidence.struck.get("webhook_duplicate", 0)
    note = f"over {kills} kills; {doubled} webhooks came twice, more came late or mixed up"
    return Verdict("What reaches us is never lost", len(written), "messages", note, tuple(broken), core=True)


def one_end(evidence: Evidence) -> Verdict:
    """Answered by a turn, or closed for the reason that its customer gave us."""
    inbound = [line for line in evidence.lines if line.inbound]
    broken = [f"{_name(line)} is {line.status} ({line.reason})" for line in inbound if not _ended(evidence, line)]
    broken += needless_apologies(evidence)
    closed = sum(line.status == "closed" for line in inbound)
    note = f"{len(inbound) - closed} answered, {closed} closed with a reason"
    promise = "Every message ends with one answer or one reason"
    return Verdict(promise, len(inbound), "messages", note, tuple(broken), core=True)


def one_reply(evidence: Evidence) -> Verdict:
    """Each turn that answered has one reply, and no reply belongs to anything else: nobody is written to unasked."""
    asked = Counter(line.turn_id for line in evidence.lines if line.inbound and line.status == "answered")
    replied = Counter(line.turn_id for line in evidence.lines if not line.inbound)
    broken = [f"turn {turn} has {replied[turn]} replies" for turn in asked if replied[turn] != 1]
    broken += [
        f"{_name(line)} answers nothing (turn {line.turn_id})"
        for line in evidence.lines
        if not line.inbound and line.turn_id not in asked
    ]
    bursts = sum(messages > 1 for messages in asked.values())
    broken += _torn_apart(evidence)
    note = f"{bursts} of them answered several messages at once"
    return Verdict("What is asked together gets one reply", len(asked), "turns", note, tuple(broken), core=True)


def arrives_once(evidence: Evidence) -> Verdict:
    """The phones and the books agree on every reply."""
    phones = Counter(sent.wamid for sent in evidence.arrived)
    outbound = [line for line in evidence.lines if not line.inbound]
    books = {line.wamid for line in outbound if line.status in ARRIVED}
    missing = [line for line in outbound if line.status not in ARRIVED and not may_stay(evidence, line)]
    broken = [f"{_name(line)} never arrived: {line.status} ({line.reason})" for line in missing]
    broken += [f"{_name(line)} is on no phone" for line in outbound if line.wamid in books - phones.keys()]
    for sent in evidence.arrived:
        if sent.wamid not in books:
            broken.append(f"a reply to {sent.customer} arrived that no book knows: sent twice")
    broken += [f"{wamid} arrived {times} times" for wamid, times in phones.items() if times > 1]
    sends = sum(evidence.struck.get(kind, 0) for kind in ("refused", "down", "answer_lost", "answer_500"))
    note = f"{sends} sends met a fault (refused, lost, answered 500)"
    promise = "Every reply arrives, and arrives once"
    return Verdict(promise, len(outbound), "replies", note, tuple(broken), core=True)


def stop_is_stop(evidence: Evidence) -> Verdict:
    """After the answer to "stop" nothing comes until "start"."""
    turn_of = {line.wamid: line.turn_id for line in evidence.lines if line.inbound}
    answer_of = {line.turn_id: line.wamid for line in evidence.lines if not line.inbound}
    at = {sent.wamid: sent.at for sent in evidence.arrived}
    broken, tested, unconfirmed = [], 0, 0
    for stop in evidence.diary.stops:
        confirmed = at.get(answer_of.get(turn_of.get(stop.wamid) or "") or "")
        if confirmed is None:  # that we did not answer is no excuse to write on
            confirmed, unconfirmed = evidence.diary.written[stop.wamid].at + HEARD_MS, unconfirmed + 1
        until = stop.until if stop.until is not None else max(at.values(), default=0) + 1
        written = evidence.diary.written.values()
        tested += sum(each.customer == stop.customer and confirmed < each.at < until for each in written)
        broken += [
            f"{stop.customer} heard from us {(sent.at - confirmed) / 1000:.1f} s "
            "after we had confirmed the stop, or had to"
            for sent in evidence.arrived
            if sent.customer == stop.customer and confirmed < sent.at < until
        ]
    note = f"{len(evidence.diary.stops)} times somebody said stop, and wrote on; {unconfirmed} of them not confirmed"
    return Verdict("Who says stop hears nothing until start", tested, "messages", note, tuple(broken))


def window_is_kept(evidence: Evidence) -> Verdict:
    """Who wrote more than 24 hours ago is not written to."""
    wrote = defaultdict(list)
    for written in evidence.diary.written.values():
        wrote[written.customer].append(written.at)
    broken = [
        f"{sent.customer} got a message outside the 24 hours"
        for sent in evidence.arrived
        if not any(sent.at - WINDOW_MS <= at <= sent.at for at in wrote[sent.customer])
    ]
    late = sum(written.late for written in evidence.diary.written.values())
    note = f"{late} messages reached us a day late"
    return Verdict("Nothing goes out after WhatsApp's 24 hours", late, "messages", note, tuple(broken))


def pair_rate_is_kept(evidence: Evidence) -> Verdict:
    """A message costs its customer six seconds, of which at most 45 messages' worth may be owed."""
    owed_until: dict[str, float] = {}
    broken, most, tested = [], 0, 0
    for sent in sorted(evidence.arrived, key=lambda each: each.at):
        owed_until[sent.customer] = max(owed_until.get(sent.customer, 0.0), sent.at / 1000) + PAIR_SECONDS
        owed = math.ceil((owed_until[sent.customer] - sent.at / 1000) / PAIR_SECONDS - TOLERANCE)
        most, tested = max(most, owed), tested + (owed >= PAIR_BURST)
        if owed > PAIR_BURST:
            broken.append(f"{sent.customer} was sent {owed} messages that are not paid for by time, at {sent.at}")
    note = f"a customer was sent {most} more than one in 6 s at most; {PAIR_BURST} are allowed"
    return Verdict("Nobody is sent more than WhatsApp allows", tested, "sends at the limit", note, tuple(broken))


def documents_are_whole(evidence: Evidence) -> Verdict:
    """Uploaded means there with every piece, deleted means gone, whatever was killed meanwhile."""
    shelves = {document.filename: document for document in evidence.shelves}
    broken = [
        f"{upload.filename}: {fault}"
        for upload in evidence.diary.uploads
        if (fault := _shelf_fault(upload, shelves.get(upload.filename), evidence.diary))
    ]
    ours = {upload.filename for upload in evidence.diary.uploads}
    sample = [document for name, document in shelves.items() if name not in ours]
    broken += [f"{document.filename} is {document.status}" for document in sample if document.status != "ready"]
    times = Counter(document.filename for document in evidence.shelves)
    broken += [f"{filename} is there {count} times" for filename, count in times.items() if count > 1]
    broken += evidence.diary.refused
    broken += [f"{filename} was deleted, and a search still finds it" for filename in evidence.still_found]
    if not evidence.vectors_healthy:
        broken.append("the vector store did not heal")
    kills = evidence.diary.kills["vector store"]
    given_up = sum(document.status == "failed" for document in shelves.values())
    note = f"{evidence.diary.pieces} pieces each; {kills} kills of the vector store; {given_up} given up, and said so"
    tested = len(evidence.diary.uploads) + len(sample)
    return Verdict("Documents are there whole, or not at all", tested, "documents", note, tuple(broken))


def chat_goes_on(evidence: Evidence) -> Verdict:
    """While documents are read the server answers; a second would be a standstill."""
    waits = sorted(evidence.diary.waits)
    broken = [f"the server stood still for {wait:.1f} s" for wait in waits if wait > STANDSTILL_SECONDS]
    broken += [f"the server was asked whether it lives, and answered {status}" for status in evidence.diary.unwell]
    broken += [f"the server ended by itself, with code {code}" for code in evidence.diary.deaths]
    p99 = 1000 * waits[int(len(waits) * 0.99)] if waits else 0.0
    note = f"an answer took {p99:.0f} ms at p99, this machine's own load included"
    return Verdict("Reading documents never stops the chat", len(waits), "looks", note, tuple(broken))


def strangers_stay_out(evidence: Evidence) -> Verdict:
    """No signature, no token: 401 or 403, and nothing of it is kept."""
    known = {written.customer for written in evidence.diary.written.values()}
    broken = list(evidence.diary.let_in)
    broken += [f"{line.customer} is in the books" for line in evidence.lines if line.customer not in known]
    tested = sum(evidence.diary.strangers.values())
    note = "forged webhooks, guessed tokens"
    return Verdict("Strangers are not let in", tested, "attempts", note, tuple(broken))


def log_is_silent(evidence: Evidence) -> Verdict:
    """No secret, and nothing that was said."""
    broken = tuple(f"the log shows {kind}" for kind in evidence.leaks)
    note = "no secret, nothing that was said"
    return Verdict("The log keeps it to itself", evidence.log_lines, "lines", note, broken)


JUDGES: tuple[Callable[[Evidence], Verdict], ...] = (
    nothing_is_lost,
    one_end,
    one_reply,
    arrives_once,
    stop_is_stop,
    window_is_kept,
    pair_rate_is_kept,
    documents_are_whole,
    chat_goes_on,
    strangers_stay_out,
    log_is_silent,
)


def _torn_apart(evidence: Evidence) -> list[str]:
    """One who answers each message by itself answers no burst together, although no kill came between."""
    turn_of = {line.wamid: line.turn_id for line in evidence.lines if line.inbound}
    bursts = [[turn_of[wamid] for wamid in burst if turn_of.get(wamid)] for burst in evidence.diary.bursts]
    together = any(len(set(turns)) < len(turns) for turns in bursts)
    return [] if together or len(bursts) < FEW_BURSTS else [f"none of {len(bursts)} bursts was answered together"]


def _ended(evidence: Evidence, line: Line) -> bool:
    if line.status == "answered":
        return line.turn_id is not None
    return line.status == "closed" and may_be_closed(evidence, line)


def _shelf_fault(upload: Upload, document: Shelved | None, diary: Diary) -> str | None:
    if document is None:
        return "is not there any more" if upload.expected is Expected.THERE else None
    if upload.expected is Expected.GONE:
        return "was deleted, and is still there"
    if document.status == "failed" and upload.kills >= DEATHS and not document.pieces and not document.found:
        return None  # nothing of it is shown, and its owner is told
    if document.status != "ready":
        return f"is {document.status}"
    if document.pieces != diary.pieces:
        return f"has {document.pieces} pieces of {diary.pieces}"
    return None if document.found == len(upload.facts) else "is not found by all that it says"


def _who(evidence: Evidence, wamid: str) -> str:
    return f"message {wamid} of {evidence.diary.written[wamid].customer}"


def _name(line: Line) -> str:
    return f"{'message' if line.inbound else 'reply'} {line.wamid or ''} of {line.customer}"


def table(verdicts: Iterable[Verdict]) -> str:
    """For people: a line a promise, and below what was broken."""
    rows = [("promise", "put to the test", "result", "evidence")]
    verdicts = list(verdicts)
    rows += [(each.promise, f"{each.tested:,} {each.unit}", each.word, each.note) for each in verdicts]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]) for row in rows
    ]
    lines.insert(1, "-" * max(map(len, lines)))
    for each in verdicts:
        lines += [f"BROKEN: {each.promise}: {fault}" for fault in each.broken[:5]]
        if len(each.broken) > 5:  # noqa: PLR2004 - as many as are shown
            lines.append(f"BROKEN: {each.promise}: and {len(each.broken) - 5} more")
        if not each.holds and not each.broken:
            lines.append(f"NOT TESTED: {each.promise}: without it this run proves nothing")
    return "\n".join(lines)
