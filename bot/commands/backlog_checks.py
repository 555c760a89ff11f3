"""What `concierge doctor` says of what waits and what failed: events, replies, documents."""

from bot.commands.findings import Finding, ok, warning
from database.backlog import ChatBacklog, KnowledgeBacklog

LATE_SECONDS = 60


def check_events(found: ChatBacklog, now: int, *, served: bool) -> Finding:
    """Webhooks that nobody has handled yet."""
    if not found.events_waiting or found.oldest_event_at is None:
        return ok("Events", "none waits")
    age = max(0, now - found.oldest_event_at) // 1000
    text = f"{found.events_waiting} wait, the oldest for {_span(age)}"
    if not served:
        return warning("Events", text, "The next start of `concierge serve` handles them.")
    if age > LATE_SECONDS:
        return warning("Events", text, "Intake is behind: look at CPU, disk and the log.")
    return ok("Events", text)


def check_dead_letters(found: ChatBacklog) -> Finding:
    """Events that could not mean anything."""
    if not found.dead_letters:
        return ok("Dead letters", "none")
    return warning("Dead letters", f"{found.dead_letters}", "`concierge dead-letters list` shows why.")


def check_replies(found: ChatBacklog, now: int, *, served: bool) -> Finding:
    """Replies that are not with the customer."""
    parts = [
        f"{count} {name}"
        for count, name in (
            (found.queued, "queued"),
            (found.unconfirmed, "unconfirmed"),
            (found.held, "held within a day"),
            (found.failed, "failed within a day"),
        )
        if count
    ]
    if not parts:
        return ok("Replies", "all went out")
    text = ", ".join(parts)
    late = found.oldest_due_at is not None and now - found.oldest_due_at > LATE_SECONDS * 1000
    if late and served:
        return warning("Replies", text, "Sending stands: /health/ready and the log say why.")
    if late:
        return warning("Replies", text, "The next start of `concierge serve` sends what may still go.")
    if found.held or found.failed:
        return warning("Replies", text, "Each has its reason: GET /api/v1/conversations/{id}/messages.")
    return ok("Replies", text)


def check_documents(found: KnowledgeBacklog) -> Finding:
    """What was uploaded."""
    waiting = f"{found.documents_waiting} being read" if found.documents_waiting else ""
    if found.documents_failed:
        text = ", ".join(filter(None, (f"{found.documents_failed} failed", waiting)))
        return warning("Documents", text, "Each has its reason: GET /api/v1/businesses/default/documents.")
    return ok("Documents", waiting or "none waits, none failed")


def _span(seconds: int) -> str:
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
