"""Asking back: which of several things a customer means, with a button for each, and what a pressed button asks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agents.document_names import document_name, section_name
from agents.passage_cuts import stems_of
from agents.ports import Burst, Button
from agents.words import is_unspaced, stem, words
from database.records import Passage

MOST_OPTIONS = 3
_PREFIX, _BAR = "ask:", "|"
_LONGEST_ID, _LONGEST_TITLE = 256, 20  # WHATSAPP.md 4
_MOST_CONTENT_WORDS, _MOST_WORDS = 2, 3
_MOST_LETTERS_UNSPACED = 4
# No data behind it: scores of two passages about the same words differ by a few hundredths.
_NEARLY_AS_GOOD = 0.85


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a pressed button asks: `question` is whole, `option` is the title that was pressed."""

    question: str
    option: str


def buttons_for(question: str, options: Sequence[str]) -> tuple[Button, ...]:
    """A button an option. Its id holds the question, so that the answer needs no memory of it."""
    titles = list(dict.fromkeys(title for option in options if (title := _title(option))))[:MOST_OPTIONS]
    asked = " ".join(question.split())
    return tuple(Button(f"{_PREFIX}{title}{_BAR}{asked}"[:_LONGEST_ID], title) for title in titles)


def chosen_of(burst: Burst) -> Chosen | None:
    """What the last pressed button asks, if it is one of ours."""
    for button_id in reversed(burst.pressed):
        option, bar, question = button_id.removeprefix(_PREFIX).partition(_BAR)
        if button_id.startswith(_PREFIX) and bar and question.strip():
            return Chosen(question.strip(), option)
    return None


def with_whole_question(burst: Burst, chosen: Chosen) -> Burst:
    """The burst as if the customer had written the whole question instead of pressing a button."""
    whole = f"{chosen.question} {chosen.option}"
    return replace(burst, texts=tuple(whole if text == chosen.option else text for text in burst.texts))


def of_option(passages: Sequence[Passage], option: str) -> list[Passage]:
    """The passages that the pressed button spoke of; all of them where none is called so."""
    return [passage for passage in passages if option in _titles(passage)] or list(passages)


def options_of(question: str, passages: Sequence[Passage], stop_words: frozenset[str]) -> list[str]:
    """Two or three things that a few words may mean, by the headings of passages that speak of them equally well.

    `[]` where the question tells enough, or one thing is clearly meant.
    """
    content = {stem(word) for word in words(question) if word not in stop_words}
    if not content or not _says_little(question, content) or not passages:
        return []
    least = passages[0].score * _NEARLY_AS_GOOD
    speaking = [each for each in passages if each.score >= least and content <= stems_of(each.text, each.heading or "")]
    names = _distinguishing(speaking)
    if sum(content <= stems_of(name, "") for name in names) == 1:
        return []
    return names if 1 < len(names) <= MOST_OPTIONS else []


def _says_little(question: str, content: set[str]) -> bool:
    if is_unspaced(question):
        return len(question.strip()) <= _MOST_LETTERS_UNSPACED
    return len(content) <= _MOST_CONTENT_WORDS and len(question.split()) <= _MOST_WORDS


def _distinguishing(passages: Sequence[Passage]) -> list[str]:
    """The sections' names; the documents' where sections of several documents are called alike."""
    sections = list(dict.fromkeys(section_name(passage) for passage in passages))
    if len(sections) > 1:
        return sections
    return list(dict.fromkeys(document_name(passage) for passage in passages))


def _titles(passage: Passage) -> set[str]:
    return {_title(name) for name in (section_name(passage), document_name(passage))}


def _title(option: str) -> str:
    """At most 20 characters, without the bar that ends it in a button's id."""
    title = " ".join(option.replace(_BAR, " ").split())
    return title if len(title) <= _LONGEST_TITLE else f"{title[: _LONGEST_TITLE - 1].rstrip()}…"
