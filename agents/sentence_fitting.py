"""Chooses the sentences that fit into a reply, and writes them down."""

from collections.abc import Callable, Collection, Iterable, Sequence

from agents.passage_cuts import Candidate
from agents.sentence_shortener import shortened
from agents.words import is_unspaced
from database.records import Passage

_MOST_SENTENCES = 6
_MOST_CONSIDERED = 12
_LEAST_CHANCE = 0.01
_GAP = " … "


def fitting(
    candidates: Sequence[Candidate],
    chances: Sequence[float],
    budget: int,
    naming: Callable[[Sequence[Passage]], int],
) -> list[Candidate]:
    """The sentences that together hold the answer most likely and fit, names of their sources included, in order.

    `chances` add up to 1; `naming` is how many characters it takes to name passages.
    """
    return [candidates[index] for index in sorted(_Fitting(candidates, chances, budget, naming).best())]


def sources_of(chosen: Iterable[Candidate]) -> tuple[Passage, ...]:
    """The passages that the sentences come from, each once."""
    return tuple({candidate.passage.chunk_id: candidate.passage for candidate in chosen}.values())


class _Fitting:
    """A search through all choices of at most six of the best twelve, cut off where the rest cannot win."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        chances: Sequence[float],
        budget: int,
        naming: Callable[[Sequence[Passage]], int],
    ) -> None:
        order = sorted(range(len(candidates)), key=chances.__getitem__, reverse=True)[:_MOST_CONSIDERED]
        self._order = [index for index in order if chances[index] >= _LEAST_CHANCE * chances[order[0]]]
        self._candidates = candidates
        self._chances = chances
        self._budget = budget
        self._naming = naming
        self._names: dict[tuple[str, ...], int] = {}
        # A sentence that is too long even alone is taken all the same, and shortened.
        self._best: tuple[int, ...] = (order[0],)
        self._value = chances[order[0]] if self._fits(self._best) else 0.0

    def best(self) -> tuple[int, ...]:
        """Places of the chosen candidates, in no order."""
        self._try((), 0, 0.0)
        return self._best

    def _try(self, chosen: tuple[int, ...], start: int, value: float) -> None:
        if value > self._value:
            self._best, self._value = chosen, value
        left = _MOST_SENTENCES - len(chosen)
        for place in range(start, len(self._order)):
            rest = self._order[place : place + left]
            if value + sum(self._chances[index] for index in rest) <= self._value:
                return
            longer = (*chosen, self._order[place])
            if self._fits(longer):
                self._try(longer, place + 1, value + self._chances[self._order[place]])

    def _fits(self, chosen: tuple[int, ...]) -> bool:
        said = sum(len(self._candidates[index].cut.sentence.text) + len(_GAP) for index in chosen)
        if said > self._budget:
            return False
        sources = sources_of(self._candidates[index] for index in sorted(chosen))
        key = tuple(passage.chunk_id for passage in sources)
        if key not in self._names:
            self._names[key] = self._naming(sources)
        return said + self._names[key] <= self._budget


def written(chosen: Sequence[Candidate], wanted: Collection[str], budget: int) -> str:
    """The sentences in the order of the passages: neighbours joined, gaps shown, another passage on its own lines.

    One that is longer than the budget is shortened around the `wanted` stems.
    """
    text = ""
    last: Candidate | None = None
    for candidate in chosen:
        text += _between(last, candidate) + candidate.cut.sentence.text
        last = candidate
    return text if len(text) <= budget else shortened(text, wanted, budget)


def _between(last: Candidate | None, following: Candidate) -> str:
    if last is None:
        return ""
    if last.passage is not following.passage:
        return "\n\n"
    if last.cut.sentence.block != following.cut.sentence.block or following.cut.sentence.begins_line:
        return "\n"
    if following.place - last.place > 1:
        return _GAP
    return "" if is_unspaced(following.cut.sentence.text) else " "
