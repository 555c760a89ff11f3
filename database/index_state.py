"""Which embedder's vectors answer, and the switch to another one: one row, one unit."""

from dataclasses import dataclass

from database.transaction import Transaction, Unit


class EmbedderChangedError(Exception):
    """Vectors are of an embedder that does not answer any more: to be made again, by the one that does."""


@dataclass(frozen=True, slots=True)
class IndexRow:
    """`installation` names us on a Chroma server that others use, too."""

    installation: str
    embedder: str


def index_state(default_embedder: str, new_installation: str, now: int) -> Unit[IndexRow]:
    """The state; at the first time it is made: served by who embedded most of what is live, else by the default."""

    async def unit(transaction: Transaction) -> IndexRow:
        row = await transaction.one("SELECT installation, embedder FROM index_state")
        if row is None:
            used = await transaction.one(
                "SELECT v.embedder FROM documents AS d JOIN versions AS v ON v.id = d.live_version_id "
                "WHERE d.deleted_at IS NULL AND v.embedder IS NOT NULL "
                "GROUP BY v.embedder ORDER BY COUNT(*) DESC, v.embedder LIMIT 1"
            )
            embedder = used["embedder"] if used else default_embedder
            await transaction.run(
                "INSERT INTO index_state (id, installation, embedder, switched_at) "
                "VALUES (1, :installation, :embedder, :now)",
                {"installation": new_installation, "embedder": embedder, "now": now},
            )
            return IndexRow(new_installation, embedder)
        return IndexRow(row["installation"], row["embedder"])

    return unit


def installation() -> Unit[str | None]:
    """Our name on a Chroma server; None before the first start."""

    async def unit(transaction: Transaction) -> str | None:
        row = await transaction.one("SELECT installation FROM index_state")
        return row["installation"] if row else None

    return unit


def switch_to(embedder: str, now: int) -> Unit[bool]:
    """From this commit on this embedder's vectors answer. False, and nothing changed, while a document lacks them.

    Single chunks that cannot be embedded by it are counted, not waited for.
    """

    async def unit(transaction: Transaction) -> bool:
        waiting = await transaction.one(
            f"SELECT 1 {UNSHELVED} AND COALESCE(v.embedder, '') <> :embedder "
            "AND COALESCE(v.embedded_too, '') <> :embedder LIMIT 1",
            {"embedder": embedder},
        )
        if waiting is not None:
            return False
        await transaction.run(
            "UPDATE versions SET embedder = embedded_too, embedded_too = NULL WHERE embedded_too = :embedder",
            {"embedder": embedder},
        )
        await count_missing(transaction, embedder)
        await _serve(transaction, embedder, now)
        return True

    return unit


def serve_at_once(embedder: str, now: int) -> Unit[None]:
    """From this commit on this embedder's vectors answer, as far as there are any: the old one cannot be asked."""

    async def unit(transaction: Transaction) -> None:
        await _serve(transaction, embedder, now)

    return unit


def serves(embedder: str) -> Unit[bool]:
    """Whether this embedder's vectors answer; also True where nothing was decided yet."""

    async def unit(transaction: Transaction) -> bool:
        return await still_serves(transaction, embedder)

    return unit


async def still_serves(transaction: Transaction, embedder: str) -> bool:
    """`serves` as a part of a larger unit: what is made live must have the vectors that answer."""
    row = await transaction.one("SELECT 1 FROM index_state WHERE embedder <> :embedder", {"embedder": embedder})
    return row is None


async def count_missing(transaction: Transaction, embedder: str, version_id: str | None = None) -> None:
    """As a part of a larger unit: how many chunks this embedder lacks, of one version that answers or of them all."""
    await transaction.run(
        "UPDATE documents SET chunks_missing = (SELECT COUNT(*) FROM chunks AS c WHERE "
        "c.version_id = documents.live_version_id AND NOT EXISTS "
        "(SELECT 1 FROM embeddings WHERE chunk_id = c.id AND embedder = :embedder)) "
        "WHERE live_version_id IS NOT NULL AND live_version_id = COALESCE(:version_id, live_version_id)",
        {"embedder": embedder, "version_id": version_id},
    )


async def _serve(transaction: Transaction, embedder: str, now: int) -> None:
    await transaction.run("UPDATE index_state SET embedder = :embedder, switched_at = :now", {
        "embedder": embedder, "now": now
    })  # fmt: skip
    # Other passages may come first from now on: what remembers answers must ask again.
    await transaction.run("UPDATE knowledge_versions SET version = version + 1")


# Versions that answer or may be published: what was shelved for a roll-back, or is on its way, is embedded later.
UNSHELVED = (
    "FROM documents AS d JOIN versions AS v ON v.document_id = d.id WHERE d.deleted_at IS NULL "
    "AND v.shelved_at IS NULL AND (v.id = d.live_version_id OR (v.number = d.version AND v.completed_at IS NOT NULL))"
)
