"""The SQL of lexical.db: one FTS5 table a business, kept up to a watermark."""

import sys
from array import array
from collections.abc import Sequence

from database.chunks import ChunkWords
from database.transaction import Transaction, Unit
from database.word_stems import stem_numbers
from database.words import cut

TOKENIZER = "porter unicode61 remove_diacritics 2 categories ''L* N* Co Mn Mc''"


def watermark() -> Unit[int]:
    """Every chunk up to this number is in the index."""

    async def unit(transaction: Transaction) -> int:
        row = await transaction.one("SELECT n FROM watermark WHERE id = 1")
        return int(row["n"]) if row else 0

    return unit


def add_words(chunks: Sequence[ChunkWords]) -> Unit[None]:
    """Index chunks, and move the watermark to the last of them. What is in the index already is left alone."""

    async def unit(transaction: Transaction) -> None:
        for business_id in sorted({chunk.business_id for chunk in chunks if chunk.wanted}):
            mine = [chunk for chunk in chunks if chunk.wanted and chunk.business_id == business_id]
            number = await _table(transaction, business_id)
            fresh = []
            for chunk in mine:
                # A row with another id under the same number is from another knowledge.db: repair takes it away.
                added = await transaction.run(
                    "INSERT INTO indexed_chunks (n, chunk_id, number, stems) VALUES (:n, :id, :number, :stems) "
                    "ON CONFLICT DO NOTHING",
                    {"n": chunk.n, "id": chunk.id, "number": number, "stems": packed_stems(chunk.body)},
                )
                if added:
                    fresh.append({"n": chunk.n, "body": cut(chunk.body)})
            await transaction.many(f"INSERT INTO words_{number} (rowid, body) VALUES (:n, :body)", fresh)
            await _count(transaction, number, len(fresh))
        await transaction.run(
            "UPDATE watermark SET n = :n WHERE id = 1 AND n < :n", {"n": max(chunk.n for chunk in chunks)}
        )

    return unit


def packed_stems(text: str) -> bytes:
    """The stems of a text in their order, 4 bytes each, little endian."""
    stems = array("I", stem_numbers(text))
    if sys.byteorder == "big":
        stems.byteswap()
    return stems.tobytes()


def remove_words(chunk_ids: Sequence[str]) -> Unit[int]:
    """Take chunks out; how many were in."""

    async def unit(transaction: Transaction) -> int:
        removed = 0
        for chunk_id in chunk_ids:
            rows = await transaction.all(
                "DELETE FROM indexed_chunks WHERE chunk_id = :id RETURNING n, number", {"id": chunk_id}
            )
            for row in rows:
                await transaction.run(f"DELETE FROM words_{row['number']} WHERE rowid = :n", {"n": row["n"]})
                await _count(transaction, row["number"], -1)
                removed += 1
        return removed

    return unit


def indexed_after(n: int, limit: int) -> Unit[list[tuple[int, str]]]:
    """Number and id of the next indexed chunks behind `n`."""

    async def unit(transaction: Transaction) -> list[tuple[int, str]]:
        rows = await transaction.all(
            "SELECT n, chunk_id FROM indexed_chunks WHERE n > :n ORDER BY n LIMIT :limit", {"n": n, "limit": limit}
        )
        return [(row["n"], row["chunk_id"]) for row in rows]

    return unit


async def _table(transaction: Transaction, business_id: str) -> int:
    await transaction.run(
        "INSERT INTO word_tables (business_id) VALUES (:business_id) ON CONFLICT (business_id) DO NOTHING",
        {"business_id": business_id},
    )
    row = await transaction.one(
        "SELECT number FROM word_tables WHERE business_id = :business_id", {"business_id": business_id}
    )
    number = int(row["number"]) if row else 0
    await transaction.run(
        f"CREATE VIRTUAL TABLE IF NOT EXISTS words_{number} USING fts5 (body, tokenize='{TOKENIZER}')"
    )
    return number


async def _count(transaction: Transaction, number: int, more: int) -> None:
    await transaction.run(
        "UPDATE word_tables SET chunks = chunks + :more WHERE number = :number", {"more": more, "number": number}
    )
