"""The SQL of lexical.db: one FTS5 table a business, kept up to a watermark; behind it, too, some chunks may be."""

import json
import sys
from array import array
from collections.abc import Sequence

from database.chunks import ChunkWords
from database.transaction import Transaction, Unit
from database.word_stems import number_of, stems

# Stems come folded, with spaces between them: this only parts them there.
TOKENIZER = "ascii"
# Which chunks have a stem is all that is asked: neither where in the text it is, nor how long the text is.
DETAIL = "detail=none, columnsize=0"

# A step of so many pages (4 KB) keeps the writer for some milliseconds.
MERGE_PAGES = 64
MERGE_CHANGES = 2


def watermark() -> Unit[int]:
    """Every chunk up to this number is in the index."""

    async def unit(transaction: Transaction) -> int:
        row = await transaction.one("SELECT n FROM watermark WHERE id = 1")
        return int(row["n"]) if row else 0

    return unit


def indexed_among(chunk_ids: Sequence[str]) -> Unit[set[str]]:
    """Those of the chunks that are in the index."""

    async def unit(transaction: Transaction) -> set[str]:
        rows = await transaction.packed(
            "chunk_id",
            "FROM indexed_chunks WHERE chunk_id IN (SELECT value FROM json_each(:ids))",
            {"ids": json.dumps(list(chunk_ids))},
        )
        return {chunk_id for (chunk_id,) in rows}

    return unit


def add_words(chunks: Sequence[ChunkWords], *, in_order: bool = True) -> Unit[None]:
    """Index chunks; `in_order`, the watermark moves to the last of them. What is in the index already is left alone."""

    async def unit(transaction: Transaction) -> None:
        for business_id in sorted({chunk.business_id for chunk in chunks if chunk.wanted}):
            mine = [chunk for chunk in chunks if chunk.wanted and chunk.business_id == business_id]
            number = await _table(transaction, business_id)
            fresh = [(chunk, stems(chunk.body)) for chunk in await _fresh(transaction, mine)]
            await transaction.bulk(
                "INSERT INTO indexed_chunks (n, chunk_id, number, stems) VALUES {rows}",
                [(chunk.n, chunk.id, number, packed(body)) for chunk, body in fresh],
            )
            await transaction.bulk(
                f"INSERT INTO words_{number} (rowid, body) VALUES {{rows}}",
                [(chunk.n, " ".join(body)) for chunk, body in fresh],
            )
            await _count(transaction, number, len(fresh))
        if in_order:
            await transaction.run(
                "UPDATE watermark SET n = :n WHERE id = 1 AND n < :n", {"n": max(chunk.n for chunk in chunks)}
            )

    return unit


async def _fresh(transaction: Transaction, chunks: Sequence[ChunkWords]) -> list[ChunkWords]:
    """Those that are not in the index.

    A row with another id under the same number is from another knowledge.db: repair takes it away.
    """
    rows = await transaction.packed(
        "n, chunk_id",
        "FROM indexed_chunks WHERE n IN (SELECT value FROM json_each(:numbers)) "
        "OR chunk_id IN (SELECT value FROM json_each(:ids))",
        {
            "numbers": json.dumps([chunk.n for chunk in chunks]),
            "ids": json.dumps([chunk.id for chunk in chunks]),
        },
    )
    numbers, ids = {row[0] for row in rows}, {row[1] for row in rows}
    return [chunk for chunk in chunks if chunk.n not in numbers and chunk.id not in ids]


def packed(stems: Sequence[str]) -> bytes:
    """The numbers of stems in their order, 4 bytes each, little endian."""
    numbers = array("I", map(number_of, stems))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def remove_words(chunk_ids: Sequence[str]) -> Unit[int]:
    """Take chunks out; how many were in."""
    ids = json.dumps(list(chunk_ids))

    async def unit(transaction: Transaction) -> int:
        rows = await transaction.packed(
            "n, number", "FROM indexed_chunks WHERE chunk_id IN (SELECT value FROM json_each(:ids))", {"ids": ids}
        )
        await transaction.run(
            "DELETE FROM indexed_chunks WHERE chunk_id IN (SELECT value FROM json_each(:ids))", {"ids": ids}
        )
        for number in sorted({row[1] for row in rows}):
            mine = [row[0] for row in rows if row[1] == number]
            await transaction.run(
                f"DELETE FROM words_{number} WHERE rowid IN (SELECT value FROM json_each(:mine))",
                {"mine": json.dumps(mine)},
            )
            await _count(transaction, number, -len(mine))
        return len(rows)

    return unit


def word_tables() -> Unit[list[int]]:
    """The numbers of the businesses' tables."""

    async def unit(transaction: Transaction) -> list[int]:
        return [row["number"] for row in await transaction.all("SELECT number FROM word_tables ORDER BY number")]

    return unit


def merge_words(number: int, *, first: bool) -> Unit[bool]:
    """A step on the way to one segment, which holds no deleted words; whether there is more to do.

    https://sqlite.org/fts5.html#the_merge_command: the first step is told by a negative number of pages, the end by
    fewer than two changes.
    """

    async def unit(transaction: Transaction) -> bool:
        before = await transaction.one("SELECT total_changes() AS n")
        await transaction.run(
            f"INSERT INTO words_{number} (words_{number}, rank) VALUES ('merge', :pages)",
            {"pages": -MERGE_PAGES if first else MERGE_PAGES},
        )
        after = await transaction.one("SELECT total_changes() AS n")
        return before is not None and after is not None and after["n"] - before["n"] >= MERGE_CHANGES

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
        f"CREATE VIRTUAL TABLE IF NOT EXISTS words_{number} USING fts5 (body, tokenize='{TOKENIZER}', {DETAIL})"
    )
    return number


async def _count(transaction: Transaction, number: int, more: int) -> None:
    await transaction.run(
        "UPDATE word_tables SET chunks = chunks + :more WHERE number = :number", {"more": more, "number": number}
    )
