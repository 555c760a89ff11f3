"""The SQL of a search in lexical.db: candidates by the rarer stems of a question, and the stems of chunks."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from database.transaction import Transaction, Unit
from database.word_stems import is_unspaced

# A word in more chunks than this proposes none of them while there are rarer words: it would cost more than it tells.
# With 50,000 chunks 1,500 lose a question of 30 or 118 in three sets, 8,000 gain none (docs/benchmarks.md).
RARE = 3_000
# A long question, in pairs of characters above all, has many words: together they propose no more than so many.
MOST_PROPOSED = 24_000
LEAST_RARE = 500
COMMON_SHARE = 0.3
MOST_ASKED = 64
_TABLE = "SELECT number, chunks FROM word_tables WHERE business_id = :business_id"

ChunkNumbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class IndexedStems:
    """The stems of chunks, one after another: 4 bytes each, `lengths` of them for each of `numbers` and `chunk_ids`."""

    numbers: tuple[int, ...] = ()
    chunk_ids: tuple[str, ...] = ()
    lengths: tuple[int, ...] = ()
    stems: bytes = b""


@dataclass(frozen=True, slots=True)
class Proposed:
    """Candidates, live or not; `proposed` are the numbers of those that the words found.

    `counted` are document frequencies that had to be counted; `chunks` is how many the business has.
    """

    candidates: IndexedStems = field(default_factory=IndexedStems)
    proposed: Sequence[int] = ()
    counted: Mapping[str, int] = field(default_factory=dict)
    chunks: int = 0


def asked_stems(question: Sequence[str]) -> list[str]:
    """What a question with these stems is searched by: each once, in their order, at most 64."""
    return list(dict.fromkeys(question))[:MOST_ASKED]


def match_term(stem: str) -> str:
    """A stem as FTS5 reads it. A single character of a script that we pair also stands for the pairs it begins."""
    return f'"{stem}" *' if len(stem) == 1 and is_unspaced(stem) else f'"{stem}"'


def propose(
    business_id: str, words: Sequence[str], limit: int, budget: int, known: Mapping[str, int], also: Sequence[str]
) -> Unit[Proposed]:
    """The chunks that share most with the question, counted by its rare words; and those with the ids `also`.

    Where these give fewer than `limit`, the commoner are asked too, as many as `budget`, their summed frequency, lets;
    where they give none, the oldest `budget` of the rarest. `known` are document frequencies that need no counting.
    """

    async def unit(transaction: Transaction) -> Proposed:
        row = await transaction.one(_TABLE, {"business_id": business_id})
        if row is None or not words:
            return Proposed()
        table, chunks = f"words_{row['number']}", row["chunks"]
        rare = min(RARE, max(LEAST_RARE, MOST_PROPOSED // len(words)))
        lists = await _chunks_by_word(transaction, table, [w for w in words if known.get(w, 0) <= rare], rare)
        counted = {
            word: len(found) if len(found) <= rare else await frequency(transaction, table, word)
            for word, found in lists.items()
        }
        telling = _telling([found for found in lists.values() if len(found) <= rare], chunks)
        best = _most_shared(telling, chunks, limit)
        if len(best) < limit:
            common = {word: count for word, count in {**known, **counted}.items() if count > rare}
            asked = within(budget, common) or ([] if best else sorted(common, key=common.__getitem__)[:1])
            more = await _chunks_by_word(transaction, table, asked, budget)
            best = _most_shared([*telling, *more.values()], chunks, limit)
        return Proposed(await _stems(transaction, best, also), best, counted, chunks)

    return unit


def count_words(business_id: str, words: Sequence[str], known: Mapping[str, int]) -> Unit[Proposed]:
    """Document frequencies alone, as `propose` gives them."""

    async def unit(transaction: Transaction) -> Proposed:
        row = await transaction.one(_TABLE, {"business_id": business_id})
        if row is None:
            return Proposed()
        table = f"words_{row['number']}"
        counted = {word: await frequency(transaction, table, word) for word in words if word not in known}
        return Proposed(counted=counted, chunks=row["chunks"])

    return unit


def stems_of(chunk_ids: Sequence[str]) -> Unit[IndexedStems]:
    """Of those that are indexed."""

    async def unit(transaction: Transaction) -> IndexedStems:
        return await _stems(transaction, (), chunk_ids)

    return unit


def within(budget: int, frequencies: Mapping[str, int]) -> list[str]:
    """The words that occur at all, rarest first, as long as their frequencies add up to no more than `budget`."""
    by_rarity = sorted((count, word) for word, count in frequencies.items() if count)
    spent = accumulate(count for count, _ in by_rarity)
    return [word for (_, word), sum_of in zip(by_rarity, spent, strict=True) if sum_of <= budget]


async def frequency(transaction: Transaction, table: str, word: str) -> int:
    """In how many chunks a word is."""
    row = await transaction.one(
        f"SELECT count(*) AS n FROM {table} WHERE {table} MATCH :word", {"word": match_term(word)}
    )
    return int(row["n"]) if row else 0


async def _chunks_by_word(
    transaction: Transaction, table: str, words: Sequence[str], rare: int
) -> dict[str, ChunkNumbers]:
    """The numbers of the chunks that have each word, one more than `rare` at most; all words in one step."""
    if not words:
        return {}
    columns = ", ".join(
        f"(SELECT group_concat(rowid) FROM (SELECT rowid FROM {table} WHERE {table} MATCH :w{at} LIMIT :most))"
        for at in range(len(words))
    )
    terms = {f"w{at}": match_term(word) for at, word in enumerate(words)}
    row = await transaction.one(f"SELECT {columns}", {**terms, "most": rare + 1})
    return {word: np.fromstring(found or "", np.int64, sep=",") for word, found in zip(words, row or (), strict=True)}


def _telling(lists: Sequence[ChunkNumbers], chunks: int) -> list[ChunkNumbers]:
    """Without the words of every third chunk, of which a match says nothing; all of them where there are no others."""
    having = [found for found in lists if len(found)]
    return [found for found in having if len(found) <= chunks * COMMON_SHARE] or having


def _most_shared(lists: Sequence[ChunkNumbers], chunks: int, limit: int) -> list[int]:
    """The chunks whose shared words weigh most; of equal ones the oldest. At most MOST_ASKED lists, none empty."""
    if not lists:
        return []
    lengths = np.array([len(found) for found in lists])
    weights = np.log1p((np.maximum(chunks - lengths, 0) + 0.5) / (lengths + 0.5))
    # A chunk and a word of it in one number: to sort these is several times as quick as np.unique.
    pairs = np.sort(np.concatenate(lists) * MOST_ASKED + np.repeat(np.arange(len(lists)), lengths))
    numbers = pairs // MOST_ASKED
    first = np.flatnonzero(np.diff(numbers, prepend=-1))
    shared = np.add.reduceat(weights[pairs % MOST_ASKED], first)
    least = -np.partition(-shared, limit - 1)[limit - 1] if limit < len(shared) else 0.0
    near = np.flatnonzero(shared >= least)
    best = near[np.argsort(-shared[near], kind="stable")[:limit]]
    result: list[int] = numbers[first[best]].tolist()
    return result


async def _stems(transaction: Transaction, numbers: Sequence[int], chunk_ids: Sequence[str]) -> IndexedStems:
    """In one step, as Transaction.packed reads, but without JSON: half of the time for what is mostly figures."""
    row = await transaction.one(
        "SELECT group_concat(n) AS numbers, group_concat(chunk_id) AS ids, group_concat(length(stems) / 4) AS lengths, "
        "group_concat(hex(stems), '') AS stems "
        "FROM (SELECT n, chunk_id, stems FROM indexed_chunks WHERE n IN (SELECT value FROM json_each(:numbers) "
        "UNION SELECT n FROM indexed_chunks WHERE chunk_id IN (SELECT value FROM json_each(:ids))))",
        {"numbers": json.dumps(numbers), "ids": json.dumps(chunk_ids)},
    )
    if row is None or row["ids"] is None:
        return IndexedStems()
    found, lengths = (tuple(map(int, row[column].split(","))) for column in ("numbers", "lengths"))
    return IndexedStems(found, tuple(row["ids"].split(",")), lengths, bytes.fromhex(row["stems"]))
