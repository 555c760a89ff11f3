"""Finds where a text uses the words of a question, so that a person sees at once why a passage was found."""

from collections.abc import Iterator, Mapping

from agents.language_detector import LanguageDetector
from agents.language_packs import LanguagePack
from agents.words import WRITTEN, folded, is_unspaced, stem, words


class WordMarks:
    """Compares words by their stems, as the search does; words that every text has are not marked."""

    def __init__(self, packs: Mapping[str, LanguagePack]) -> None:
        self._languages = LanguageDetector(packs)
        self._stop_words = {code: pack.stop_words for code, pack in packs.items()}

    def of(self, question: str, text: str, language: str | None) -> list[tuple[int, int]]:
        """The marked places of `text` as [start, end) in code points, in order, touching ones joined.

        `language` is the question's; None is found out.
        """
        language = language or self._languages.detect(question)
        every = words(question)
        stop_words = self._stop_words.get(language or "", frozenset())
        wanted = {stem(word) for word in every if word not in stop_words} or {stem(word) for word in every}
        marks: list[tuple[int, int]] = []
        for start, end in _matches(text, wanted):
            if marks and start <= marks[-1][1]:
                marks[-1] = (marks[-1][0], max(end, marks[-1][1]))
            else:
                marks.append((start, end))
        return marks


def _matches(text: str, wanted: set[str]) -> Iterator[tuple[int, int]]:
    for run in WRITTEN.finditer(text):
        start, end = run.span()
        if not is_unspaced(run.group()):
            if any(stem(word) in wanted for word in words(run.group())):
                yield start, end
            continue
        for at in range(start, max(start + 1, end - 1)):
            pair = text[at : min(at + 2, end)]
            if stem(folded(pair)) in wanted:
                yield at, at + len(pair)
