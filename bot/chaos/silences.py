"""Which silences the play explains: who wrote a day late, who had said stop, and who only made a remark."""

from bot.chaos.customers import REMARKS
from bot.chaos.evidence import Evidence, Line

UNSENT = frozenset({"cancelled", "held"})


def may_be_closed(evidence: Evidence, line: Line) -> bool:
    """Whether a message may end without an answer, for the reason that the books give.

    Nobody in the play asks for a person, is blocked or sends what cannot be read: those reasons excuse nothing.
    """
    written = evidence.diary.written.get(line.wamid or "")
    if written is None:
        return False
    if line.reason == "too_old":
        return written.late
    if line.reason == "no_reply_needed":
        return written.text in REMARKS
    return line.reason == "opted_out" and any(
        stop.customer == written.customer
        and evidence.diary.written[stop.wamid].at <= written.at
        and (stop.until is None or written.at < stop.until)
        for stop in evidence.diary.stops
    )


def may_stay(evidence: Evidence, line: Line) -> bool:
    """Whether a reply may stay with us: only where its customer said stop after asking."""
    if line.status not in UNSENT or line.reason != "opted_out":
        return False
    written = evidence.diary.written
    asked = [
        written[each.wamid].at
        for each in evidence.lines
        if each.inbound and each.turn_id == line.turn_id and each.wamid in written
    ]
    stops = [written[stop.wamid].at for stop in evidence.diary.stops if stop.customer == line.customer]
    return bool(asked) and any(at >= max(asked) for at in stops)
