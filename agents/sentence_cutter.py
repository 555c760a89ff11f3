"""Cuts passages into sentences, in scripts with and without full stops, in prose, lists and tables."""

# ruff: noqa: RUF001 - quotes, dashes and full-width marks of many scripts are meant

import re
from dataclasses import dataclass

_BLOCK = re.compile(r"\n\s*\n")
_LIST_ITEM = re.compile(r"\s*(?:[-*+•·▪‣–]\s|\d{1,3}[.)]\s|[a-z][.)]\s|\|)")
_BETWEEN_CELLS = " | "
_RULE = re.compile(r"[|\s:-]*-{3,}[|\s:-]*$")
_ANNOUNCES = ("?", "？", "؟", ":", "：")
_HEADING = re.compile(r"\s*#{1,6}\s+")
_END = re.compile(
    r"[.!?…]+[\"'”’»)\]]*(?:\[\d+\])*(?=\s|$)"  # Latin, Greek, Cyrillic
    r"|[。！？｡]+[”’」』）]*|[।॥؟۔]+[\"'”’»)]*(?=\s|$)"  # CJK, Devanagari, Arabic
)
# A full stop after one of these, or after a single letter, does not end a sentence.
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'“‘\[])(?:[^\W\d_]|(?:[^\W\d_]\.)+[^\W\d_]|dr|mr|mrs|ms|st|prof|sr|jr|no|vs|etc|approx|inc|ltd|co|corp|dept|"
    r"est|fig|gen|gov|lt|col|sgt|rev|hon|vol|pp|ca|cf|al|e\.g|i\.e|tel|nr|bzw|usw|str|abb|ggf|inkl|zzgl|mind|max|min|"
    r"sra|srta|ud|uds|núm|pág|art|av|avda|mme|mlle|env|sig|dott|ecc|jl|hlm)\.$",
    re.IGNORECASE,
)
# "am 24. Dezember": a German number with a full stop before a month is the day.
_GERMAN_DAY = re.compile(r"(?<!\d)\d{1,2}\.$")
_GERMAN_MONTH = re.compile(
    r"\s*(?:Januar|Jänner|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember)\b"
)
_THAI_OR_LIKE = re.compile(r"[\u0e00-\u0eff\u1780-\u17ff\u1000-\u109f]")
_PIECE = re.compile(r".+?(?:[.!?…。！？।؟]+(?=[\s\"'”’»)\]*_]|$)[\"'”’»)\]*_]*|\n|$)\s*", re.DOTALL)
_LONG_LINE = 45
_FRAGMENT = 12
_LONG_WITHOUT_END = 220


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence as it stands in the passage, but for rows of tables. `block` counts paragraphs.

    `leads` says that it announces what follows: a heading, a table's head, a question of questions and answers.
    `begins_line` is for whoever joins sentences again.
    """

    text: str
    block: int
    leads: bool
    begins_line: bool = False


def sentences(text: str) -> list[Sentence]:
    """The sentences of a passage in their order; nothing is lost but the space between them and a table's bars."""
    found: list[Sentence] = []
    for block, paragraph in enumerate(_BLOCK.split(text)):
        head: list[str] = []
        for number, line in enumerate(_lines(paragraph)):
            if _is_row(line):
                # The first row of a table is its head; the rule under it says nothing.
                if not _RULE.match(line):
                    found.append(Sentence(_row(line, head), block, leads=not head, begins_line=True))
                    head = head or _cells(line)
            elif _LIST_ITEM.match(line) and len(line) <= _LONG_WITHOUT_END:
                found.append(Sentence(line, block, leads=line.endswith(_ANNOUNCES), begins_line=True))
            else:
                pieces = _pieces(line)
                alone = number == 0 and len(pieces) == 1
                found.extend(
                    Sentence(piece, block, _leads(piece, alone=alone), begins_line=place == 0)
                    for place, piece in enumerate(pieces)
                )
    return [sentence for sentence in found if sentence.text]


def pieces_of(reply: str) -> list[str]:
    """A reply's sentences and lines with the space behind them: joined again, they are the reply."""
    return _PIECE.findall(reply)


def as_it_stands(sentence: str, text: str) -> str | None:
    """A sentence with the line breaks that it has in its passage; None where it does not stand there in one piece.

    A row of a table does not: it is put together from its cells.
    """
    if sentence in text:
        return sentence
    found = re.search(r"\s+".join(map(re.escape, sentence.split())), text)
    return found.group() if found else None


def _is_row(line: str) -> bool:
    """Prose has bars too ("the set {x | x > 0}"), but in long lines."""
    return line.startswith("|") or (_BETWEEN_CELLS in line and len(line) <= _LONG_WITHOUT_END)


def _row(line: str, head: list[str]) -> str:
    """A table's row as a line for people: under `Size | Price`, `Large | 12 €` becomes `Large · Price: 12 €`."""
    cells = _cells(line)
    if len(cells) == len(head):
        cells[1:] = [f"{name}: {cell}" for name, cell in zip(head[1:], cells[1:], strict=True)]
    return " · ".join(cells)


def _cells(line: str) -> list[str]:
    return [cell for cell in (cell.strip() for cell in line.strip("|").split(_BETWEEN_CELLS)) if cell]


def _lines(paragraph: str) -> list[str]:
    """Lines that belong together, joined: a line that was only wrapped goes on in the next one."""
    lines: list[str] = []
    for line in paragraph.splitlines():
        stripped = line.strip()
        if not stripped:
            continue
        if lines and _goes_on(lines[-1], stripped):
            lines[-1] = f"{lines[-1]} {stripped}"
        else:
            lines.append(stripped)
    return lines


def _goes_on(line: str, following: str) -> bool:
    if _is_row(line) or _is_row(following):
        return False
    if _LIST_ITEM.match(following) or _HEADING.match(following) or _HEADING.match(line):
        return False
    if following[0].islower():
        return not line.endswith(":")
    return len(line.rsplit("\n", 1)[-1]) >= _LONG_LINE and not _END.search(line[-3:]) and not line.endswith(":")


def _pieces(line: str) -> list[str]:
    pieces: list[str] = []
    start = 0
    for end in _END.finditer(line):
        if line[end.start()] == "." and not _ends_sentence(line, start, end.start(), end.end()):
            continue
        pieces.append(line[start : end.end()].strip())
        start = end.end()
    pieces.append(line[start:].strip())
    return [part for piece in _with_fragments(pieces) for part in _without_stops(piece)]


def _with_fragments(pieces: list[str]) -> list[str]:
    """A fragment ("Yes.") says nothing without the sentence that follows it."""
    whole: list[str] = []
    for piece in filter(None, pieces):
        if whole and len(whole[-1]) < _FRAGMENT and whole[-1][-1] in ".!…":
            whole[-1] = f"{whole[-1]} {piece}"
        else:
            whole.append(piece)
    return whole


def _ends_sentence(line: str, start: int, dot: int, end: int) -> bool:
    if _ABBREVIATION.search(line, max(start, dot - 12), dot + 1):
        return False
    if _GERMAN_DAY.search(line, max(start, dot - 3), dot + 1) and _GERMAN_MONTH.match(line, end):
        return False
    following = line[end:].lstrip()
    return not following[:1].islower()


def _without_stops(piece: str) -> list[str]:
    """Thai and its like separate sentences by spaces only: long pieces are cut there."""
    if len(piece) <= _LONG_WITHOUT_END or not _THAI_OR_LIKE.search(piece):
        return [piece]
    parts = [""]
    for run in piece.split(" "):
        if parts[-1] and len(parts[-1]) + len(run) > _LONG_WITHOUT_END // 2:
            parts.append(run)
        else:
            parts[-1] = f"{parts[-1]} {run}".strip()
    return parts


def _leads(piece: str, *, alone: bool) -> bool:
    if _HEADING.match(piece) or piece.endswith(_ANNOUNCES):
        return True
    last = piece[-1]
    return (
        alone
        and len(piece) <= _LONG_LINE
        and last.isalnum()
        and not _LIST_ITEM.match(piece)
        and not _has_figures(piece)
    )


def _has_figures(piece: str) -> bool:
    return any(letter.isdigit() for letter in piece)
