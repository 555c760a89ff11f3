"""What a burst wants, told by phrases in ten languages: the built-in classifier, and the keywords that always hold."""

import re
from collections.abc import Collection, Mapping, Sequence

from agents.language_packs import LETTER, LanguagePack, either, plain
from agents.words import words
from database.records import Intent

_WAVES = "👋🙋"
_QUESTION_MARKS = re.compile(r"[?？؟]")  # noqa: RUF001 - full-width and Arabic marks are meant
_MOST_BETWEEN = 4
_MOST_EDGES = 12
"""How often a message is looked at for one more greeting or thanks at its edges; nobody stacks more."""
_LONGEST_PHRASE = 256
_MOST_CHARACTERS = 8192
"""What is read of a burst: two of WhatsApp's longest texts; of more, the newest counts."""
_LETTERS = re.compile(r"[^\W_]")


class IntentRules:
    """Stateless; one instance serves all. Phrases of every language hold at once: customers mix them."""

    def __init__(self, packs: Mapping[str, LanguagePack]) -> None:
        self._greeting = _Edges(_phrases(packs, "greeting"))
        self._thanks = _Edges(_phrases(packs, "thanks"))
        self._filler = _Edges(_phrases(packs, "filler"))
        self._whole = {
            kind: _phrases(packs, kind) for kind in ("opt_out", "opt_in", "person", "acknowledgement", "yes")
        }
        self._person_anywhere = _anywhere(packs, "person_anywhere")
        self._person_asked = [_PersonWords(pack) for pack in packs.values()]
        self._person_not = _anywhere(packs, "person_not")  # "are you a real person?" asks, and wants nobody yet

    def keyword(self, texts: Sequence[str]) -> Intent | None:
        """OPT_OUT or OPT_IN when a whole message says so, never from inside a sentence; the last one counts."""
        for text in reversed(texts):
            said = _whole_phrase(text)
            if said in self._whole["opt_out"]:
                return Intent.OPT_OUT
            if said in self._whole["opt_in"]:
                return Intent.OPT_IN
        return None

    def intents(self, texts: Sequence[str]) -> tuple[Intent, ...]:
        """Every intent of the burst, the most important first; never empty. OTHER is what asks for nothing."""
        keyword = self.keyword(texts)
        found = {intent for text in newest(texts) for intent in self._of(text)}
        if keyword is not None:
            found.add(keyword)
        return tuple(intent for intent in _BY_WEIGHT if intent in found)

    def asking(self, texts: Sequence[str]) -> tuple[str, ...]:
        """The messages that ask, without those that only greet or nod; all of them when none seems to ask."""
        read = newest(texts)
        if len(read) == 1:
            return read
        return tuple(text for text in read if Intent.QUESTION in self._of(text)) or read

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
        left = said
        for _ in range(_MOST_EDGES):
            before = left
            for edges, intent in ((self._greeting, Intent.GREETING), (self._thanks, Intent.THANKS)):
                shorter = edges.without(left)
                if shorter != left:
                    found.add(intent)
                    left = shorter
            if found and not self._filler.without(left):
                left = ""
            if not left or left == before:
                break
        if left:
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
        return any(asked.in_words(spoken) for asked in self._person_asked)


POLITE = frozenset({Intent.GREETING, Intent.THANKS, Intent.OTHER})
"""What a message may want that says nothing of substance."""
ORDERS = frozenset({Intent.OPT_OUT, Intent.OPT_IN, Intent.PERSON})
"""What is done at once, whatever else is said."""
_BY_WEIGHT = (
    Intent.OPT_OUT,
    Intent.OPT_IN,
    Intent.PERSON,
    Intent.QUESTION,
    Intent.GREETING,
    Intent.THANKS,
    Intent.OTHER,
)


def newest(texts: Sequence[str]) -> tuple[str, ...]:
    """The last texts of a burst, 8,192 characters at most: the bound of what one customer's burst may cost."""
    room = _MOST_CHARACTERS
    read: list[str] = []
    for text in reversed(texts):
        if room <= 0:
            break
        read.append(text[-room:])
        room -= len(text)
    return tuple(reversed(read))


def _whole_phrase(text: str) -> str:
    """A message as phrases are compared; of a long one nothing, unless it only ends in many marks ("STOP!!!…")."""
    if len(text) <= _LONGEST_PHRASE:
        return plain(text)
    return plain(text[:_LONGEST_PHRASE]) if not _LETTERS.search(text, _LONGEST_PHRASE) else ""


class _PersonWords:
    """A verb of asking and a noun for a person with nothing but small words between: "talk to a real person"."""

    def __init__(self, pack: LanguagePack) -> None:
        self._verbs = frozenset(pack.phrases["person_verbs"])
        self._nouns = frozenset(pack.phrases["person_nouns"])
        self._small = pack.stop_words.union(pack.phrases["person_modifiers"])
        self._verb_last = pack.verb_last

    def in_words(self, spoken: Sequence[str]) -> bool:
        if self._verbs.isdisjoint(spoken) or self._nouns.isdisjoint(spoken):
            return False
        return self._near(spoken, self._verbs, self._nouns) or (
            self._verb_last and self._near(spoken, self._nouns, self._verbs)
        )

    def _near(self, spoken: Sequence[str], first: Collection[str], second: Collection[str]) -> bool:
        return any(
            self._reaches(spoken[at + 1 : at + 2 + _MOST_BETWEEN], second)
            for at, word in enumerate(spoken)
            if word in first
        )

    def _reaches(self, following: Sequence[str], wanted: Collection[str]) -> bool:
        """Whether one of the wanted words follows, with small words alone before it."""
        for word in following:
            if word in wanted:
                return True
            if word not in self._small:
                return False
        return False


class _Edges:
    """Phrases at the beginning and the end of a text, as whole words where words are spaced."""

    def __init__(self, phrases: Collection[str]) -> None:
        phrase = either(phrases)
        self._first = re.compile(rf"{phrase}(?!{LETTER})")
        self._last = re.compile(rf"(?<!{LETTER}){phrase}$")
        self._longest = max(map(len, phrases))

    def without(self, text: str) -> str:
        """The text without one phrase at each edge; the same text when there is none."""
        first = self._first.match(text)
        left = text[first.end() :].lstrip() if first else text
        last = self._last.search(left, max(0, len(left) - self._longest))
        return left[: last.start()].rstrip() if last else left


def _phrases(packs: Mapping[str, LanguagePack], kind: str) -> frozenset[str]:
    return frozenset(phrase for pack in packs.values() for phrase in pack.phrases[kind])


def _anywhere(packs: Mapping[str, LanguagePack], kind: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!{LETTER}){either(_phrases(packs, kind))}(?!{LETTER})")
