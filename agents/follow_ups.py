"""Tells by rules whether a burst only makes sense with what was said before it, as "and on Sundays?" does."""

import re
from collections.abc import Mapping, Sequence

from agents.language_packs import LETTER, LanguagePack, either, plain
from agents.ports import Utterance
from agents.words import words

_MOST_WORDS_AFTER_START = 4
_MOST_CONTENT_WORDS = 2
_MOST_WORDS = 12
_LONGEST = 200


class FollowUpRules:
    """`packs` are the bot's languages; each keeps to its own words, since "die" means other things elsewhere."""

    def __init__(self, packs: Mapping[str, LanguagePack]) -> None:
        self._rules = {code: _Rules(pack) for code, pack in packs.items()}

    def leans(self, texts: Sequence[str], history: Sequence[Utterance], language: str) -> bool:
        """Whether the messages that ask (`texts`) need what the customer and we said before. Never without a past."""
        rules = self._rules.get(language)
        if rules is None or not texts or not any(line.by_customer for line in history):
            return False
        together = plain(" ".join(texts)[: _LONGEST + 1])
        return 0 < len(together) <= _LONGEST and rules.lean(together)


class _Rules:
    """One language."""

    def __init__(self, pack: LanguagePack) -> None:
        self._whole = frozenset(pack.phrases["follow_up_whole"])
        self._start = re.compile(rf"{either(pack.phrases['follow_up_start'])}(?!{LETTER})")
        self._back = re.compile(rf"(?<!{LETTER}){either(pack.phrases['follow_up_words'])}(?!{LETTER})")
        self._ends = pack.phrases.get("follow_up_end", ())
        self._small = pack.stop_words

    def lean(self, said: str) -> bool:
        if said in self._whole:
            return True
        start = self._start.match(said)
        rest = said[start.end() :].strip() if start else said
        if start and (rest in self._whole or len(words(rest)) <= _MOST_WORDS_AFTER_START):
            return True
        if self._ends and said.endswith(self._ends) and len(words(said)) <= _MOST_WORDS_AFTER_START:
            return True
        return self._refers_back(said)

    def _refers_back(self, said: str) -> bool:
        """A word that stands for something, with hardly anything beside it that could be what it stands for."""
        if not self._back.search(said):
            return False
        others = words(self._back.sub(" ", said))
        return len(others) <= _MOST_WORDS and sum(word not in self._small for word in others) <= _MOST_CONTENT_WORDS
