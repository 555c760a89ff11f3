"""The lexical leg of the search: words of every chunk in lexical.db, which is derived and rebuilt at will."""

import asyncio
import logging
import math
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from database.chunks import ChunkWords, last_number, numbered_ids, words_after, words_of, words_with_ids
from database.engine import Database, DatabaseClosedError, DatabaseOptions
from database.lexical_search import LEAST_RARE, IndexedStems, Proposed, asked_stems, count_words, propose, stems_of
from database.lexical_units import (
    add_words,
    indexed_after,
    indexed_among,
    merge_words,
    remove_words,
    watermark,
    word_tables,
)
from database.metrics import Metrics
from database.migrations import NewerDatabaseError
from database.transaction import Unit
from database.word_scores import AskedWords, asked_words, word_scores
from database.word_stems import stems

T = TypeVar("T")
logger = logging.getLogger(__name__)

SLICE = 64
PAGE = 2_000
KNOWN_WORDS = 4_096
WORD_BUDGET = 5_000
_LEAST = 1e-6
_BROKEN = ("malformed", "not a database", "no such table", "corrupt", "disk i/o error", "vtable constructor failed")


@dataclass(frozen=True, slots=True)
class WordHits:
    """Scores by chunk id, as database.word_scores gives them, live or not. `proposed` were found by the words."""

    scores: Mapping[str, float]
    proposed: int


class LexicalError(Exception):
    """The index did not do it now. When it is `damaged`, `repair` makes it anew; the cause is chained."""


class LexicalIndex:
    """Takes its words from knowledge.db. Every method raises LexicalError."""

    def __init__(self, path: Path, knowledge: Database, metrics: Metrics, *, word_budget: int = WORD_BUDGET) -> None:
        self._path = path
        self._knowledge = knowledge
        self._metrics = metrics
        self._word_budget = word_budget
        self._stack = AsyncExitStack()
        self._database: Database | None = None
        self._catching_up = asyncio.Lock()
        self._slices = asyncio.Lock()
        # (business, word) → (chunks of the business when it was counted, document frequency)
        self._frequencies: dict[tuple[str, str], tuple[int, int]] = {}
        self._sizes: dict[str, int] = {}

    @classmethod
    @asynccontextmanager
    async def open(
        cls, path: Path, knowledge: Database, metrics: Metrics, *, word_budget: int = WORD_BUDGET
    ) -> "AsyncIterator[LexicalIndex]":
        """Open the file; one that cannot be opened is deleted, for `repair` to fill. The caller owns the directory.

        `word_budget` bounds what a query costs: the summed document frequency of the words it is asked with.
        """
        index = cls(path, knowledge, metrics, word_budget=word_budget)
        try:
            await index._open()
            yield index
        finally:
            await index._stack.aclose()

    @property
    def damaged(self) -> bool:
        """Whether the file must be made anew."""
        return self._database is None

    async def search(self, business_id: str, query: str, limit: int) -> list[tuple[str, float]]:
        """(chunk id, score as database.word_scores gives it), best first; live or not."""
        scores = (await self.hits(business_id, query, limit)).scores
        return sorted(scores.items(), key=lambda item: (-item[1], item[0]))

    async def hits(self, business_id: str, query: str, limit: int, also: Sequence[str] = ()) -> WordHits:
        """At most `limit` candidates by the words of a question, and the chunks `also`, as far as they are indexed."""
        question = stems(query)
        words = asked_stems(question)
        known = self._known(business_id, words)
        found = await self._read(propose(business_id, words, limit, self._word_budget, known, also))
        scores = _scored(self._asked(business_id, question, known, found), found.candidates)
        if not any(scores.values()):
            # Found by a prefix, as single Chinese characters are.
            proposed, candidates = set(found.proposed), found.candidates
            ids = zip(candidates.numbers, candidates.chunk_ids, strict=True)
            scores |= {key: _LEAST for number, key in ids if number in proposed}
        return WordHits(scores, len(found.proposed))

    async def weigh(self, business_id: str, query: str) -> AskedWords:
        """How much each word of the question tells, for `scores_of`."""
        question = stems(query)
        words = asked_stems(question)
        known = self._known(business_id, words)
        return self._asked(business_id, question, known, await self._read(count_words(business_id, words, known)))

    async def scores_of(self, asked: AskedWords, chunk_ids: Sequence[str]) -> dict[str, float]:
        """The scores of these chunks; without those that are not indexed."""
        return _scored(asked, await self._read(stems_of(chunk_ids)))

    def _known(self, business_id: str, words: Sequence[str]) -> dict[str, int]:
        """Document frequencies that were counted before and still hold."""
        size = self._sizes.get(business_id, 0)
        counts = ((word, self._frequencies.get((business_id, word))) for word in words)
        return {word: count[1] for word, count in counts if count and _similar(count[0], size)}

    def _asked(self, business_id: str, question: Sequence[str], known: dict[str, int], found: Proposed) -> AskedWords:
        self._sizes[business_id] = found.chunks
        for word, count in found.counted.items():
            # Rare words are counted anew each time, which is cheap: an old count would hide a new document.
            if count > LEAST_RARE:
                self._remember((business_id, word), (found.chunks, count))
        frequencies = {**known, **found.counted}
        return asked_words([stem for stem in question if stem in frequencies], frequencies, found.chunks)

    async def add(self, chunk_ids: Sequence[str]) -> None:
        """Index these chunks of knowledge.db now, and about as many of those that wait before them.

        Those may be a hundred thousand, of documents that are being read: nobody else's wait for all of them.
        """
        if not self._catching_up.locked():
            await self.catch_up(len(chunk_ids) + SLICE)
        have = await self._read(indexed_among(chunk_ids))
        missing = [chunk_id for chunk_id in chunk_ids if chunk_id not in have]
        for start in range(0, len(missing), SLICE):
            async with self._slices:
                chunks = await self._knowledge.read(words_with_ids(missing[start : start + SLICE]))
                if chunks:
                    await self._write(add_words(chunks, in_order=False))

    async def catch_up(self, most: float = math.inf) -> int:
        """Index every chunk of knowledge.db behind the watermark, in slices, until there are `most`; how many."""
        done = 0
        async with self._catching_up:
            after = await self._read(watermark())
            while done < most and (chunks := await self._taken_in(after)):
                after = chunks[-1].n
                done += len(chunks)
        return done

    async def _taken_in(self, after: int) -> list[ChunkWords]:
        """One slice. Between its reading and its writing nothing is removed: it would come back."""
        async with self._slices:
            chunks = await self._knowledge.read(words_after(after, SLICE))
            if chunks:
                await self._write(add_words(chunks))
        return chunks

    async def remove(self, chunk_ids: Sequence[str]) -> int:
        """Forget chunks, known or not; how many there were."""
        removed = 0
        for start in range(0, len(chunk_ids), SLICE):
            unit = remove_words(chunk_ids[start : start + SLICE])
            async with self._slices:
                removed += await self._write(unit)
        return removed

    async def scrub(self) -> bool:
        """Take what was removed out of the file, too: FTS5 keeps deleted words until its segments are merged.

        In small steps. False when a reader kept the last step from being done.
        """
        for number in await self._read(word_tables()):
            step = merge_words(number, first=True)
            while await self._write(step):
                step = merge_words(number, first=False)
        return await self._guarded(lambda database: database.scrub())

    async def repair(self) -> tuple[int, int]:
        """Make the index what knowledge.db says, by comparing the sets; how many chunks were added and removed."""
        async with self._catching_up:  # not while `rebuild` has the file in its hands
            if not self.damaged and await self._from_another_time():
                await self._discard(self._database)
            if self.damaged:
                await self._open()
        added = await self.catch_up()
        have = await _all_pages(lambda after: self._read(indexed_after(after, PAGE)))
        # Read after the index: what came in between is in both, or is only missing and added a second time.
        want = await _all_pages(lambda after: self._knowledge.read(numbered_ids(after, PAGE)))
        mark = await self._read(watermark())
        removed = await self.remove([chunk_id for _, chunk_id in have - want])
        missing = sorted(n for n, _ in want - have if n <= mark)
        for start in range(0, len(missing), SLICE):
            chunks = await self._knowledge.read(words_of(missing[start : start + SLICE]))
            if chunks:
                await self._write(add_words(chunks))
        return added + len(missing), removed

    async def rebuild(self) -> int:
        """Make the index anew in a file beside this one, which answers meanwhile, and take that file; its chunks."""
        beside = self._path.with_name(f"{self._path.stem}-fresh{self._path.suffix}")
        await asyncio.to_thread(_delete, beside)
        try:
            async with LexicalIndex.open(beside, self._knowledge, self._metrics) as fresh:
                count = await fresh.catch_up()
            async with self._catching_up:
                await self._discard(self._database)
                await asyncio.to_thread(beside.replace, self._path)
                await self._open()
            await self.catch_up()  # what was added to the former file meanwhile
        finally:
            await asyncio.to_thread(_delete, beside)
        return count

    async def _from_another_time(self) -> bool:
        """Whether the index is of an older form, or knows more chunks than knowledge.db ever had: that was replaced."""
        try:
            mark = await self._read(watermark())
        except LexicalError:
            return False
        return mark < 0 or mark > await self._knowledge.read(last_number())

    async def _read(self, unit: Unit[T]) -> T:
        return await self._guarded(lambda database: database.read(unit))

    async def _write(self, unit: Unit[T]) -> T:
        return await self._guarded(lambda database: database.write(unit))

    async def _guarded(self, use: Callable[[Database], Awaitable[T]]) -> T:
        database = self._database
        if database is None:
            raise LexicalError("lexical.db is being made anew")
        try:
            return await use(database)
        except (sqlite3.Error, TimeoutError, DatabaseClosedError, ValueError) as error:
            if any(sign in str(error).lower() for sign in _BROKEN):
                logger.warning("lexical.db is damaged and will be made anew: %s", error)
                await self._discard(database)
            elif isinstance(error, ValueError) and self._database is database:
                raise  # not the way that a connection says that it was closed under us
            raise LexicalError(str(error)) from error

    async def _open(self) -> None:
        try:
            self._database = await self._stack.enter_async_context(self._opened())
        except (sqlite3.Error, NewerDatabaseError) as error:
            logger.warning("lexical.db cannot be opened and is made anew: %s", error)
            await asyncio.to_thread(_delete, self._path)
            self._database = await self._stack.enter_async_context(self._opened())

    def _opened(self) -> AbstractAsyncContextManager[Database]:
        return Database.open(
            self._path, DatabaseOptions("lexical", writer_cache_mb=16, secure_delete=True), self._metrics
        )

    async def _discard(self, database: Database | None) -> None:
        if database is None or self._database is not database:
            return
        self._database = None
        self._frequencies.clear()
        self._sizes.clear()
        stack, self._stack = self._stack, AsyncExitStack()
        try:
            await stack.aclose()
        except sqlite3.Error as error:
            logger.warning("lexical.db did not close: %s", error)
        await asyncio.to_thread(_delete, self._path)

    def _remember(self, key: tuple[str, str], count: tuple[int, int]) -> None:
        if len(self._frequencies) >= KNOWN_WORDS:
            self._frequencies.pop(next(iter(self._frequencies)))
        self._frequencies[key] = count


def _scored(asked: AskedWords, chunks: IndexedStems) -> dict[str, float]:
    scores: list[float] = word_scores(asked, chunks.lengths, chunks.stems).tolist()
    return dict(zip(chunks.chunk_ids, scores, strict=True))


def _delete(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _similar(then: int, now: int) -> bool:
    """Whether what was counted still tells rare from common: the business has changed by less than a tenth."""
    return abs(now - then) * 10 <= then


async def _all_pages(page: Callable[[int], Awaitable[list[tuple[int, str]]]]) -> set[tuple[int, str]]:
    found: set[tuple[int, str]] = set()
    after = 0
    while rows := await page(after):
        found.update(rows)
        after = rows[-1][0]
    return found
