"""Which silences and apologies the play explains: who was late, said stop or only made a remark, and kills."""

from collections import Counter
from functools import cache

from agents.language_packs import load_language_packs
from agents.sentences import Sentences
from bot.chaos.customers import REMARKS
from bot.chaos.evidence import Evidence, Line
from services.whatsapp.formatting import to_whatsapp

UNSENT = frozenset({"cancelled", "held"})
DEATHS = 3  # so often the server may die over a turn or a document before it gives it up


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


def needless_apologies(evidence: Evidence) -> list[str]:
    """Who was told that something went wrong more often than kills explain: it takes three for each time."""
    excused = evidence.diary.kills["server"] // DEATHS
    times = Counter(line.customer for line in evidence.lines if not line.inbound and line.text in _apologies())
    return [
        f"{customer} was told {count} times that something went wrong; kills explain {excused}"
        for customer, count in times.items()
        if count > excused
    ]


@cache
def _apologies() -> frozenset[str]:
    sentences = Sentences(load_language_packs())
    return frozenset(to_whatsapp(text) for text in sentences.in_every_language("apology"))
