"""What a burst wants, told by phrases in ten languages: the built-in classifier, and the keywords that always hold."""

import re
from collections.abc import Iterable, Mapping, Sequence

from agents.language_packs import LanguagePack, plain
from agents.words import UNSPACED, words
from database.records import Intent

_WAVES = "👋🙋"
_QUESTION_MARKS = re.compile(r"[?？؟]")  # noqa: RUF001 - full-width and Arabic marks are meant
_MOST_BETWEEN = 4
_LETTER = rf"[^\W{UNSPACED}]"


class IntentRules:
    """Stateless; one instance serves all. Phrases of every language hold at once: customers mix them."""

    def __init__(self, packs: Mapping[str, LanguagePack]) -> None:
        self._packs = packs
        self._greeting = _edges(packs, "greeting")
        self._thanks = _edges(packs, "thanks")
        self._filler = _edges(packs, "filler")
        self._whole = {
            kind: _phrases(packs, kind) for kind in ("opt_out", "opt_in", "person", "acknowledgement", "yes")
        }
        self._person_anywhere = _anywhere(packs, "person_anywhere")
        self._person_not = _anywhere(packs, "person_not")  # "are you a real person?" asks, and wants nobody yet

    def keyword(self, texts: Sequence[str]) -> Intent | None:
        """OPT_OUT or OPT_IN when a whole message says so, never from inside a sentence; the last one counts."""
        for text in reversed(texts):
            said = plain(text)
            if said in self._whole["opt_out"]:
                return Intent.OPT_OUT
            if said in self._whole["opt_in"]:
                return Intent.OPT_IN
        return None

    def intents(self, texts: Sequence[str]) -> tuple[Intent, ...]:
        """Every intent of the burst, the most important first; never empty. OTHER is what asks for nothing."""
        keyword = self.keyword(texts)
        found = {intent for text in texts for intent in self._of(text)}
        if keyword is not None:
            found.add(keyword)
        return tuple(intent for intent in _BY_WEIGHT if intent in found)

    def asking(self, texts: Sequence[str]) -> tuple[str, ...]:
        """The messages that ask, without those that only greet or nod; all of them when none seems to ask."""
        return tuple(text for text in texts if Intent.QUESTION in self._of(text)) or tuple(texts)

    def asks_nothing(self, texts: Sequence[str]) -> bool:
        """Whether a burst only nods ("ok", "no thanks", an emoji): nobody waits for a reply to that."""
        return all(
            not _QUESTION_MARKS.search(text)
            and not any(wave in text for wave in _WAVES)
            and (not plain(text) or plain(text) in self._whole["acknowledgement"])
            for text in texts
        )

    def has_mark(self, texts: Sequence[str]) -> bool:
        """Whether a question mark stands anywhere."""
        return any(_QUESTION_MARKS.search(text) for text in texts)

    def says_yes(self, texts: Sequence[str]) -> bool:
        """Whether a burst accepts what was offered."""
        return bool(texts) and all(plain(text) in self._whole["yes"] for text in texts)

    def _of(self, text: str) -> set[Intent]:
        said = plain(text)
        if not said:
            return {Intent.GREETING} if any(wave in text for wave in _WAVES) else {Intent.OTHER}
        if said in self._whole["opt_out"] or said in self._whole["opt_in"]:
            return set()
        if self._wants_person(said):
            return {Intent.PERSON}
        if said in self._whole["acknowledgement"] or said in self._whole["yes"]:
            return {Intent.OTHER}
        return self._polite(said)

    def _polite(self, said: str) -> set[Intent]:
        """Greeting and thanks stand at the edges of a message; what is left between them is a question."""
        found: set[Intent] = set()
        left, before = said, ""
        while left and left != before:
            before = left
            for pattern, intent in ((self._greeting, Intent.GREETING), (self._thanks, Intent.THANKS)):
                left, count = pattern.subn(" ", left)
                left = left.strip()
                if count:
                    found.add(intent)
            if found:
                shorter = self._filler.sub(" ", left).strip()
                left = shorter if not shorter or shorter == left else left
        if left and not (found and self._filler.fullmatch(left)):
            found.add(Intent.QUESTION)
        return found

    def _wants_person(self, said: str) -> bool:
        if said in self._whole["person"]:
            return True
        if self._person_not.search(said):
            return False
        if self._person_anywhere.search(said):
            return True
        spoken = words(said)
        return any(_asks_for_person(spoken, pack) for pack in self._packs.values())


_BY_WEIGHT = (
    Intent.OPT_OUT,
    Intent.OPT_IN,
    Intent.PERSON,
    Intent.QUESTION,
    Intent.GREETING,
    Intent.THANKS,
    Intent.OTHER,
)


def _asks_for_person(spoken: Sequence[str], pack: LanguagePack) -> bool:
    """A verb of asking and a noun for a person with nothing but small words between: "talk to a real person"."""
    verbs = [at for at, word in enumerate(spoken) if word in pack.phrases["person_verbs"]]
    nouns = [at for at, word in enumerate(spoken) if word in pack.phrases["person_nouns"]]
    return any(_near(spoken, verb, noun, pack) for verb in verbs for noun in nouns if verb < noun or pack.verb_last)


def _near(spoken: Sequence[str], verb: int, noun: int, pack: LanguagePack) -> bool:
    between = spoken[min(verb, noun) + 1 : max(verb, noun)]
    small = pack.stop_words.union(pack.phrases["person_modifiers"])
    return len(between) <= _MOST_BETWEEN and all(word in small for word in between)


def _phrases(packs: Mapping[str, LanguagePack], kind: str) -> frozenset[str]:
    return frozenset(phrase for pack in packs.values() for phrase in pack.phrases[kind])


def _edges(packs: Mapping[str, LanguagePack], kind: str) -> re.Pattern[str]:
    """Matches any of the phrases at the beginning or the end, as whole words where words are spaced."""
    either = _either(_phrases(packs, kind))
    return re.compile(rf"^{either}(?!{_LETTER})|(?<!{_LETTER}){either}$")


def _anywhere(packs: Mapping[str, LanguagePack], kind: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!{_LETTER}){_either(_phrases(packs, kind))}(?!{_LETTER})")


def _either(phrases: Iterable[str]) -> str:
    return "(?:" + "|".join(re.escape(phrase) for phrase in sorted(phrases, key=lambda each: (-len(each), each))) + ")"
