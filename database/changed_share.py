"""How much of a document a new version changes, by the texts of its chunks."""

from database.transaction import Transaction, Unit

LEAST_CHUNKS = 5


def changed_share(version_id: str) -> Unit[float]:
    """The share, 0 to 1, of the chunks that are new or gone, beside the live version of the same document.

    0 for what nobody needs to look at first: a first version, a roll-back, an answer that its owner wrote, and a
    change of fewer than five chunks.
    """

    async def unit(transaction: Transaction) -> float:
        row = await transaction.one(
            "SELECT v.business_id, d.live_version_id AS live FROM versions AS v"
            " JOIN documents AS d ON d.id = v.document_id WHERE v.id = :id AND v.origin IS NULL"
            " AND d.live_version_id IS NOT NULL AND d.source <> 'answer'",
            {"id": version_id},
        )
        if row is None:
            return 0.0
        counted = await transaction.one(
            "SELECT (SELECT count(*) FROM chunks WHERE version_id = :new) AS new,"
            " (SELECT count(*) FROM chunks WHERE version_id = :live) AS live,"
            " (SELECT count(*) FROM chunks AS c WHERE c.version_id = :new AND EXISTS (SELECT 1 FROM chunks AS o"
            " WHERE o.business_id = :business AND o.text_hash = c.text_hash AND o.version_id = :live)) AS kept",
            {"new": version_id, "live": row["live"], "business": row["business_id"]},
        )
        if counted is None:
            return 0.0
        most = max(counted["new"], counted["live"])
        changed = most - counted["kept"]
        return changed / most if changed >= LEAST_CHUNKS else 0.0

    return unit
