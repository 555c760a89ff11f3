"""What index and repair read of knowledge.db: chunks and their embeddings."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from database.document_versions import STATE
from database.transaction import Row, Transaction, Unit


@dataclass(frozen=True, slots=True)
class ChunkWords:
    """What the lexical index takes of a chunk; `wanted` is False when it does not belong in the indexes."""

    n: int
    id: str
    business_id: str
    body: str
    wanted: bool


@dataclass(frozen=True, slots=True)
class EmbeddedChunk:
    """A chunk that has an embedding, by number and id."""

    n: int
    id: str
    business_id: str


def embedded_text(heading: str | None, text: str) -> str:
    """What both legs of the search are given of a chunk: the path of headings above it, and its text."""
    return f"{heading}\n{text}" if heading else text


def words_after(n: int, limit: int) -> Unit[list[ChunkWords]]:
    """The next chunks behind `n`, of every business and version."""

    async def unit(transaction: Transaction) -> list[ChunkWords]:
        rows = await transaction.packed(
            "n, id, business_id, heading, text, wanted",
            f"FROM ({_WORDS} WHERE c.n > :n ORDER BY c.n LIMIT :limit)",
            {"n": n, "limit": limit},
        )
        return [
            ChunkWords(n, key, business_id, embedded_text(heading, text), bool(wanted))
            for n, key, business_id, heading, text, wanted in rows
        ]

    return unit


def words_of(numbers: Sequence[int]) -> Unit[list[ChunkWords]]:
    """The chunks with these numbers, in order."""
    return _words_among("n", numbers)


def words_with_ids(chunk_ids: Sequence[str]) -> Unit[list[ChunkWords]]:
    """The chunks with these ids, in the order of their numbers."""
    return _words_among("id", chunk_ids)


def _words_among(column: str, values: Sequence[object]) -> Unit[list[ChunkWords]]:
    names, parameters = listed("value", values)

    async def unit(transaction: Transaction) -> list[ChunkWords]:
        rows = await transaction.all(f"{_WORDS} WHERE c.{column} IN ({names}) ORDER BY c.n", parameters)
        return [_words(row) for row in rows]

    return unit


def numbered_ids(after: int, limit: int) -> Unit[list[tuple[int, str]]]:
    """Number and id of the next chunks behind `after` that belong in the indexes."""

    async def unit(transaction: Transaction) -> list[tuple[int, str]]:
        rows = await transaction.all(
            f"SELECT c.n, c.id {_INDEXED} AND c.n > :after ORDER BY c.n LIMIT :limit",
            {"after": after, "limit": limit},
        )
        return [(row["n"], row["id"]) for row in rows]

    return unit


def last_number() -> Unit[int]:
    """The highest number that a chunk ever had, also when it is gone (SQLite keeps it; PostgreSQL: the sequence)."""

    async def unit(transaction: Transaction) -> int:
        row = await transaction.one("SELECT seq FROM sqlite_sequence WHERE name = 'chunks'")
        return int(row["seq"]) if row else 0

    return unit


def embedded_after(embedder: str, after: int, limit: int) -> Unit[list[EmbeddedChunk]]:
    """The next chunks behind `after` with an embedding of this embedder that belong in the indexes, and stay there."""

    async def unit(transaction: Transaction) -> list[EmbeddedChunk]:
        rows = await transaction.all(
            f"SELECT c.n, c.id, c.business_id {_STAYING} AND c.n > :after AND EXISTS (SELECT 1 FROM embeddings "
            "WHERE chunk_id = c.id AND embedder = :embedder) ORDER BY c.n LIMIT :limit",
            {"embedder": embedder, "after": after, "limit": limit},
        )
        return [EmbeddedChunk(row["n"], row["id"], row["business_id"]) for row in rows]

    return unit


def vectors_of(embedder: str, ids: Sequence[str]) -> Unit[list[tuple[str, bytes]]]:
    """Id and stored embedding (float32, little endian) of those chunks that have one."""
    names, parameters = listed("id", ids)

    async def unit(transaction: Transaction) -> list[tuple[str, bytes]]:
        rows = await transaction.all(
            f"SELECT chunk_id, vector FROM embeddings WHERE embedder = :embedder AND chunk_id IN ({names})",
            parameters | {"embedder": embedder},
        )
        return [(row["chunk_id"], row["vector"]) for row in rows]

    return unit


def staying_among(ids: Sequence[str]) -> Unit[set[str]]:
    """Those ids whose chunks are there and belong in the indexes: not those that the sweep is about to take out."""
    names, parameters = listed("id", ids)

    async def unit(transaction: Transaction) -> set[str]:
        rows = await transaction.all(
            f"SELECT c.id {_STAYING} AND c.id IN ({names})",
            parameters,
        )
        return {row["id"] for row in rows}

    return unit


# what is over will be swept: taken in after the sweep asked for it to be forgotten, it would stay
_WORDS = (
    "SELECT c.n, c.id, c.business_id, c.heading, c.text, "
    f"d.deleted_at IS NULL AND {STATE} IN ('live', 'working', 'held') AS wanted "
    "FROM chunks AS c JOIN documents AS d ON d.id = c.document_id JOIN versions AS v ON v.id = c.version_id"
)
# of documents that are not deleted and versions that are not only kept for a roll-back
_INDEXED = (
    "FROM chunks AS c JOIN documents AS d ON d.id = c.document_id JOIN versions AS v ON v.id = c.version_id "
    "WHERE d.deleted_at IS NULL AND v.shelved_at IS NULL"
)
_STAYING = f"{_INDEXED} AND {STATE} IN ('live', 'working', 'held')"


def _words(row: Row) -> ChunkWords:
    body = embedded_text(row["heading"], row["text"])
    return ChunkWords(row["n"], row["id"], row["business_id"], body, bool(row["wanted"]))


def listed(name: str, values: Iterable[Any]) -> tuple[str, dict[str, Any]]:
    """The names for an IN list and their values: (":n0, :n1", {"n0": …, "n1": …}).

    Not json_each as elsewhere: of that SQLite cannot tell how few values it holds, and for what is live it would go
    through every chunk of the business instead (EXPLAIN QUERY PLAN, 3.40).
    """
    parameters = {f"{name}{i}": value for i, value in enumerate(values)}
    return ", ".join(f":{key}" for key in parameters), parameters
