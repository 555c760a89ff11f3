"""The audit log: who did what to what."""

from database.records import new_id
from database.transaction import Transaction


async def note(
    transaction: Transaction,
    action: str,
    *,
    actor: str,
    about: str,
    business_id: str,
    contact_id: str | None = None,
    now: int,
) -> None:
    """Write a line, in the unit that does what it tells. `about` is the id of the thing that `action` changed."""
    await transaction.run(
        "INSERT INTO audit_log (id, business_id, actor, action, object, contact_id, happened_at)"
        " VALUES (:id, :business, :actor, :action, :object, :contact, :now)",
        {
            "id": new_id(),
            "business": business_id,
            "actor": actor,
            "action": action,
            "object": about,
            "contact": contact_id,
            "now": now,
        },
    )
