"""Finds passages for a question, and for one that leans on what was said before: without a model, by two searches."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from agents.language_packs import LanguagePack
from agents.ports import Knowledge, Utterance
from agents.sentences import SentenceName, Sentences, without_marks
from agents.words import words
from database.records import Passage

# Measured on MTRAG's follow-up questions (tests/bench/conversations.py): fused with equal weights, the question alone
# and the question with the last exchange find a right passage among five more often than either, .96 against .88.
# Chosen on these very conversations, of mixtures of two searches: weights of .4 to .6 and 10 to 20 passages of each
# give .939 to .959.
_FETCH = 20
_LONGEST_QUERY = 1000
_MOST_LEANING_WORDS = 8
_SAID_BY_ITSELF: tuple[SentenceName, ...] = (
    "greeting", "thanks", "do_not_know", "apology", "hand_over", "stop", "start", "unsupported", "say_more", "refused",
)  # fmt: skip


class PassageSearch:
    """`packs` are the bot's languages: what it says by itself tells nothing about what a customer asks for."""

    def __init__(self, knowledge: Knowledge, packs: Mapping[str, LanguagePack]) -> None:
        self._knowledge = knowledge
        sentences = Sentences(packs)
        self._own = {without_marks(said) for name in _SAID_BY_ITSELF for said in sentences.in_every_language(name)}

    def last_exchange(self, history: Sequence[Utterance]) -> str:
        """What the customer asked last, and what we answered; nothing before the first question."""
        asked = next((line.text for line in reversed(history) if line.by_customer), "")
        said = next((line.text for line in reversed(history) if not line.by_customer), "")
        return f"{asked}\n{'' if without_marks(said) in self._own else said}".strip()

    async def find(self, business_id: str, question: str, before: str, *, limit: int) -> list[Passage]:
        """The best passages, best first; `before` is what was said before the question, or nothing."""
        if not before:
            return await self._knowledge.search(business_id, question, limit=limit)
        query = f"{question}\n{before}"[:_LONGEST_QUERY]
        alone, leaning = await asyncio.gather(
            self._knowledge.search(business_id, question, limit=_FETCH),
            self._knowledge.search(business_id, query, limit=_FETCH),
        )
        return fused(alone, leaning)[:limit]


def fused(alone: Sequence[Passage], leaning: Sequence[Passage]) -> list[Passage]:
    """Both findings as one, by the mean of the scores; what one did not find counts there as its last does.

    The best of both keeps the better of the two best scores: it tells how far words and meaning agreed.
    """
    passages = {passage.chunk_id: passage for passage in (*leaning, *alone)}  # the question's own cosine is kept
    scores = dict.fromkeys(passages, 0.0)
    for found in (alone, leaning):
        last = found[-1].score if len(found) >= _FETCH else 0.0  # behind so many there are more, as good as these
        for passage in found:
            scores[passage.chunk_id] += (passage.score - last) / 2
    best = max((passage.score for passage in passages.values()), default=0.0)
    scale = best / (max(scores.values(), default=0.0) or 1.0)
    ranked = sorted(passages.values(), key=lambda passage: (-scores[passage.chunk_id], passage.chunk_id))
    return [replace(passage, score=scale * scores[passage.chunk_id]) for passage in ranked]


def leans_on_before(question: str, stop_words: frozenset[str]) -> bool:
    """Whether a question is short enough to lean on what was said before: a long one stands alone."""
    return sum(word not in stop_words for word in words(question)) <= _MOST_LEANING_WORDS
