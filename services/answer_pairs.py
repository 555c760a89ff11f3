"""Questions with their answers as knowledge: a pair is stored first, then its document, so that no crash loses it."""

import asyncio
import logging
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakValueDictionary

from database.answer_pairs import (
    PairContent,
    StoredPair,
    change_pair,
    pair_of,
    pairs_page,
    pending_pairs,
    put_pair,
    remove_pair,
    settle_pair,
)
from database.clock import Clock
from database.engine import Database
from database.records import Document
from services.source_documents import SourceDocuments, whole

logger = logging.getLogger(__name__)

LONGEST_QUESTION = 500
LONGEST_ANSWER = 10_000
_LONGEST_NAME = 100
_PENDING_AT_ONCE = 50
_PENDING_AFTER_MS = 60_000
_FIRST = (-1, "")
_KEPT = "The answer is kept, and becomes knowledge as soon as there is room."
# What would make another heading of a line of the answer (CommonMark 4.2, 4.3).
_HEADING_LINE = re.compile(r"^( {0,3})(#{1,6}(?=\s|$)|=+(?=\s*$)|-+(?=\s*$))", re.MULTILINE)


class QuestionTakenError(Exception):
    """Another pair answers this question already; `str(error)` is a sentence for the owner."""


class AnswerNotTakenError(Exception):
    """There is no room for the answer now; `str(error)` is a sentence for the owner."""


@dataclass(frozen=True, slots=True)
class AnswerPair:
    """A pair and what became of it; `document` is None only for one that a crash cut off: the sweep makes it."""

    id: str
    question: str
    answer: str
    tags: tuple[str, ...]
    created_at: int
    updated_at: int
    document: Document | None


class AnswerPairs:
    """May be called by many at once. The same question, whatever its case and marks, is one pair."""

    def __init__(self, database: Database, documents: SourceDocuments, clock: Clock) -> None:
        self._database = database
        self._documents = documents
        self._clock = clock
        self._swept = _FIRST
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def add(self, business_id: str, question: str, answer: str, tags: Sequence[str] | None = ()) -> AnswerPair:
        """A pair, or another answer to a question that there is; searched as soon as its document is ready.

        Without `tags` (None) a question that there is keeps its own. Raises AnswerNotTakenError.
        """
        content = pair_content(question, answer, tags)
        return await self.finish(await self._database.write(put_pair(business_id, content, self._clock.now())))

    async def change(
        self, business_id: str, pair_id: str, question: str, answer: str, tags: Sequence[str] = ()
    ) -> AnswerPair | None:
        """The pair with another content; None when there is none.

        Raises QuestionTakenError, AnswerNotTakenError.
        """
        content = pair_content(question, answer, tags)
        changed = await self._database.write(change_pair(business_id, pair_id, content, self._clock.now()))
        if isinstance(changed, str):
            raise QuestionTakenError(taken_by(changed))
        return None if changed is None else await self._made(changed)

    async def get(self, business_id: str, pair_id: str) -> AnswerPair | None:
        """One pair of a business."""
        found = await self._database.read(pair_of(business_id, pair_id))
        return None if found is None else await self._shown(found)

    async def page(self, business_id: str, limit: int, after: tuple[int, str] | None = None) -> list[AnswerPair]:
        """Pairs, the oldest first; `after` is created_at and id of the last one of the page before."""
        return [await self._shown(each) for each in await self._database.read(pairs_page(business_id, limit, after))]

    async def remove(self, business_id: str, pair_id: str) -> bool:
        """Forget a pair, at once for every search. False when there is none."""
        async with self._turn(pair_id):
            if await self._database.read(pair_of(business_id, pair_id)) is None:
                return False
            # the document first: cut off before the end, the pair is gone with it (database/answer_pairs.py)
            await self._documents.delete(business_id, pair_id)
            await self._database.write(remove_pair(business_id, pair_id))
            return True

    async def finish(self, pair: StoredPair) -> AnswerPair:
        """A pair that another unit wrote, with its document. Raises AnswerNotTakenError."""
        return await self._made(pair) or _answer_pair(pair, None)

    async def sweep(self) -> int:
        """Make the documents that a crash kept from being made; how many there were."""
        before = self._clock.now() - _PENDING_AFTER_MS
        pending = await self._database.read(pending_pairs(before, _PENDING_AT_ONCE, self._swept))
        # round and round: those that there is no room for keep no others waiting
        full = len(pending) == _PENDING_AT_ONCE
        self._swept = (pending[-1].updated_at, pending[-1].document_id) if full else _FIRST
        for pair in pending:
            try:
                await self._made(pair)
            except AnswerNotTakenError:
                logger.info("there is no room yet for the document of answer %s", pair.document_id)
            except Exception as error:  # noqa: BLE001 - the others are to be made all the same
                logger.warning("the document of answer %s could not be made: %r", pair.document_id, error)
        return len(pending)

    def _turn(self, pair_id: str) -> asyncio.Lock:
        """What changes a pair's document does so one after another."""
        return self._turns.setdefault(pair_id, asyncio.Lock())

    async def _made(self, pair: StoredPair) -> AnswerPair | None:
        """Always what is stored by then: the last change is the one that stays. None when it was removed meanwhile."""
        async with self._turn(pair.document_id):
            newest = await self._database.read(pair_of(pair.business_id, pair.document_id))
            return None if newest is None else await self._written(newest)

    async def _written(self, pair: StoredPair) -> AnswerPair | None:
        name, content = _filename(pair.question), _markdown(pair).encode("utf-8", "replace")
        document = await self._documents.replace(pair.business_id, pair.document_id, whole(content), filename=name)
        if document is None:
            document = await self._documents.accept(
                *(pair.business_id, name, whole(content)), document_id=pair.document_id, source="answer", tags=pair.tags
            )
            if await self._documents.get(pair.business_id, pair.document_id) is None:
                await self._refuse(pair, document)
                return None
        elif document.tags != tuple(sorted(pair.tags)):
            document = await self._documents.set_tags(pair.business_id, pair.document_id, pair.tags) or document
        await self._database.write(settle_pair(pair))
        return _answer_pair(pair, document)

    async def _refuse(self, pair: StoredPair, document: Document) -> None:
        """Says why there is no document; nothing when its owner deleted it meanwhile, and the pair with it."""
        if await self._database.read(pair_of(pair.business_id, pair.document_id)) is not None:
            raise AnswerNotTakenError(f"{document.error_message or 'The answer could not be stored.'} {_KEPT}")

    async def _shown(self, pair: StoredPair) -> AnswerPair:
        return _answer_pair(pair, await self._documents.get(pair.business_id, pair.document_id))


def taken_by(pair_id: str) -> str:
    """The sentence for a question that another pair answers."""
    return f"Another answer to this question is there: {pair_id}."


def pair_content(question: str, answer: str, tags: Sequence[str] | None = ()) -> PairContent:
    """As it is stored: the question on one line, the answer without outer blanks."""
    line = " ".join(question.split())
    return PairContent(line, question_key(line), answer.strip(), None if tags is None else tuple(tags))


def question_key(question: str) -> str:
    """What two ways of writing the same question have in common: its letters and digits."""
    plain = unicodedata.normalize("NFKC", question).casefold()
    words = "".join(letter if letter.isalnum() or unicodedata.combining(letter) else " " for letter in plain)
    return " ".join(words.split()) or " ".join(plain.split())


def _markdown(pair: StoredPair) -> str:
    """The question as the heading, the answer below, none of whose lines becomes a heading of its own."""
    return f"# {pair.question}\n\n{_HEADING_LINE.sub(_escaped, pair.answer)}\n"


def _escaped(found: re.Match[str]) -> str:
    return f"{found.group(1)}\\{found.group(2)}"


def _filename(question: str) -> str:
    name = re.sub(r"[/\\]+", " ", question).strip()
    return f"{name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1].rstrip() + '…'}.md"


def _answer_pair(pair: StoredPair, document: Document | None) -> AnswerPair:
    return AnswerPair(
        pair.document_id, pair.question, pair.answer, pair.tags, pair.created_at, pair.updated_at, document
    )
