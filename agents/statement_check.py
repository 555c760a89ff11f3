"""Compares a statement with what is known already: who says the same, and who says the contrary."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field

from agents.admin_words import AdminWords
from agents.language_packs import LanguagePack
from agents.model_answers import NonsenseError, as_material, read_answer, with_prompt
from agents.ports import LanguageModel, ModelError, Usage
from agents.prompt_files import load_prompt
from agents.sentence_cutter import as_it_stands, sentences
from agents.words import stem, words
from database.records import Passage

MOST_FINDINGS = 3
_PROMPT = load_prompt("contradictions")
# Shares of the statement's words that a sentence must have, found by trying hand-written pairs
# (tests/unit/test_statement_check.py): there is no public set of what shops tell their assistants.
_SAME, _SAME_SUBJECT, _SAME_OCCASION = 0.85, 0.5, 0.6
_FEWEST_SHARED = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence of what is known; `quote` stands in `passage.text` letter by letter."""

    passage: Passage
    quote: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is known about a statement already, at most three findings each, best first."""

    same: tuple[Finding, ...] = ()
    contradicted: tuple[Finding, ...] = ()
    usage: Usage = field(default_factory=Usage)
    error: str | None = None


class _Quoted(BaseModel):
    model_config = ConfigDict(extra="ignore")

    passage: int
    quote: str


class _Compared(BaseModel):
    """What the model was asked for (agents/prompts/contradictions.md)."""

    model_config = ConfigDict(extra="ignore")

    same: list[_Quoted] = Field(max_length=20)
    contradicts: list[_Quoted] = Field(max_length=20)


class StatementCheck:
    """`model` None means rules alone."""

    def __init__(self, model: LanguageModel | None, said: AdminWords, packs: Mapping[str, LanguagePack]) -> None:
        self._model = model
        self._words = said
        self._packs = packs

    async def compare(self, business_id: str, statement: str, passages: Sequence[Passage], language: str) -> Comparison:
        """Never raises: a model that fails or answers nonsense is named in `error`, and the rules decide."""
        if not passages:
            return Comparison()
        if self._model is None:
            return self._by_rules(statement, passages, language)
        try:
            return await self._by_model(self._model, business_id, statement, passages)
        except NonsenseError as exc:
            found = self._by_rules(statement, passages, language)
            return Comparison(found.same, found.contradicted, exc.usage, f"contradictions: {exc}")
        except ModelError as exc:
            found = self._by_rules(statement, passages, language)
            return Comparison(found.same, found.contradicted, error=f"contradictions: {exc}")

    async def _by_model(
        self, model: LanguageModel, business_id: str, statement: str, passages: Sequence[Passage]
    ) -> Comparison:
        listed = [{"number": number, "text": each.text} for number, each in enumerate(passages, start=1)]
        user = as_material(statement=statement, passages=listed)
        completion = with_prompt(await model.complete(_PROMPT.text, user, business_id=business_id), _PROMPT)
        said = read_answer(completion, _Compared)
        same = _found(said.same, passages)
        contradicted = _found(said.contradicts, passages)
        if len(same) < len(said.same) or len(contradicted) < len(said.contradicts):
            raise NonsenseError(completion.usage)
        return Comparison(tuple(same[:MOST_FINDINGS]), tuple(contradicted[:MOST_FINDINGS]), completion.usage)

    def _by_rules(self, statement: str, passages: Sequence[Passage], language: str) -> Comparison:
        pack = self._packs.get(language)
        small = (pack.stop_words if pack else frozenset()) | self._words.weak(language)
        new = [_Facts(each.text, small, self._words) for each in sentences(statement)]
        same: list[tuple[float, Finding]] = []
        contradicted: list[tuple[float, Finding]] = []
        for passage in passages:
            for known in sentences(passage.text):
                quote = as_it_stands(known.text, passage.text)
                if quote is None:
                    continue  # a row of a table, put together from its cells
                facts = _Facts(known.text, small, self._words)
                share = max((each.shared(facts) for each in new), default=0.0)
                finding = Finding(passage, quote)
                if any(each.is_same(facts) for each in new):
                    same.append((share, finding))
                elif any(each.contradicts(facts, passage) for each in new):
                    contradicted.append((share, finding))
        return Comparison(_best(same), _best(contradicted))


class _Facts:
    """The words of a sentence, by what they do: name the subject, count, deny, or say which of two opposites."""

    def __init__(self, text: str, small: frozenset[str], said: AdminWords) -> None:
        every = words(text)
        stems = {stem(word) for word in every}
        self._said = said
        self.denies = bool(stems & said.negation)
        sides = {(n, side) for n, pair in enumerate(said.opposites) for side in (0, 1) if pair[side] <= stems}
        opposite = {word for n, side in sides for word in said.opposites[n][side]}
        self.sides = {(n, side) for n, side in sides if (n, 1 - side) not in sides}
        self.numbers = {word for word in stems if word[0].isdigit()}
        self.subject = (
            {stem(word) for word in every if not {word, stem(word)} & small} - self.numbers - opposite - said.negation
        )
        self.all = self.subject | self.numbers | opposite

    def shared(self, known: "_Facts") -> float:
        """The share of our words that a known sentence has."""
        return len(self.all & known.all) / max(1, len(self.all))

    def is_same(self, known: "_Facts") -> bool:
        return (
            len(self.all) >= _FEWEST_SHARED
            and self.numbers <= known.numbers
            and self.denies == known.denies
            and not self._is_opposite(known)
            and self.shared(known) >= _SAME
        )

    def contradicts(self, known: "_Facts", passage: Passage) -> bool:
        """Whether both speak of the same thing and give it other numbers, or one denies what the other says."""
        around = known.subject | {stem(word) for word in words(passage.heading or "")}
        common = self.subject & around
        if self._is_opposite(known) and self._same_occasion(known, common):
            return True
        if len(common) < min(_FEWEST_SHARED, len(self.subject)) or not common:
            return False
        if len(common) < _SAME_SUBJECT * min(len(self.subject), len(known.subject)):
            return False
        other_numbers = bool(self.numbers and known.numbers) and not (
            self.numbers <= known.numbers or known.numbers <= self.numbers
        )
        denied = self.denies != known.denies and len(common) >= _SAME * len(self.subject)
        return other_numbers or denied

    def _is_opposite(self, known: "_Facts") -> bool:
        """Whether one says "open" where the other says "closed"; who says both says neither."""
        return any((n, 1 - side) in known.sides for n, side in self.sides)

    def _same_occasion(self, known: "_Facts", common: set[str]) -> bool:
        """Whether "open" and "closed" are said of the same day or thing."""
        dates = self.numbers & known.numbers
        if self.numbers and known.numbers and not dates:
            return False
        occasion = self.subject | (self.numbers if known.numbers else set())
        return bool(common) and len(common | dates) >= _SAME_OCCASION * len(occasion)


def _found(quoted: Sequence[_Quoted], passages: Sequence[Passage]) -> list[Finding]:
    """Those whose quotes stand in the passages that they name."""
    found = []
    for each in quoted:
        quote = each.quote.strip()
        if 1 <= each.passage <= len(passages) and quote and quote in passages[each.passage - 1].text:
            found.append(Finding(passages[each.passage - 1], quote))
    return found


def _best(found: Sequence[tuple[float, Finding]]) -> tuple[Finding, ...]:
    ranked = sorted(found, key=lambda pair: -pair[0])
    return tuple({finding.quote: finding for _, finding in ranked}.values())[:MOST_FINDINGS]
