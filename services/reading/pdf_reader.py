"""Reads PDFs and pictures: text where there is text, text recognition for pages that are pictures."""

import itertools
import json
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from services.document_blocks import Block, BlockKind, clean
from services.document_errors import UnreadableDocumentError
from services.document_kinds import DocumentKind
from services.reading.extraction import extracted
from services.reading.structure_reader import structure_blocks
from services.reading.text_recognition import TextRecognition

# What stands at the edge of most pages belongs to the pages, not to the text.
_LEAST_PAGES = 4
_REPEATED_SHARE = 0.6
_RUNNING_CHARACTERS = 100
_NUMBERS = re.compile(r"\d+")
# So many pages are recognised before we look at the time again.
_PAGES_AT_ONCE = 4


def pdf_blocks(content: bytes, recognition: TextRecognition | None) -> tuple[Iterator[Block], list[str]]:
    """The blocks of a PDF, and what was not read of it: pages that are pictures, if they cannot be recognised."""
    document = extracted(content, DocumentKind.PDF)
    blocks = list(structure_blocks(document, DocumentKind.PDF))
    read = {block.page for block in blocks if clean(block.text)}
    pictures = [page for page in _scanned_pages(document) if page not in read]
    if pictures and recognition is not None:
        found = _recognised(content, pictures, recognition)
        read |= {block.page for block in found}
        blocks = sorted([*blocks, *found], key=lambda block: block.page or 0)
    missing = [page for page in pictures if page not in read]
    return iter(without_running_lines(blocks)), [f"{_named(missing)} (pictures)"] if missing and read else []


def picture_blocks(content: bytes, kind: DocumentKind, recognition: TextRecognition | None) -> Iterator[Block]:
    """The text in a picture."""
    yield from structure_blocks(extracted(content, kind, recognition), kind)


def without_running_lines(blocks: list[Block]) -> list[Block]:
    """The blocks without the first and last lines that nearly every page repeats ("Page 3 of 20", a running title).

    A running title stays where it stands first, so that nothing that was said is lost.
    """
    pages = [list(group) for _, group in itertools.groupby(blocks, key=lambda block: block.page)]
    if len(pages) < _LEAST_PAGES:
        return blocks
    counts = Counter(line for page in pages for line in {_line(page[0]), _line(page[-1])} if line)
    running = {line for line, count in counts.items() if count >= max(len(pages) * _REPEATED_SHARE, _LEAST_PAGES)}
    kept: list[Block] = []
    seen: set[str] = set()
    for page in pages:
        for index, block in enumerate(page):
            line = _line(block)
            edge = index in {0, len(page) - 1}
            if not (edge and line in running and ("#" in line or line in seen)):
                kept.append(block)
            seen.add(line)
    return kept


def _line(block: Block) -> str:
    """What a block has in common with its like on other pages; "" for what is too long for a running line."""
    text = clean(block.text)
    if len(text) > _RUNNING_CHARACTERS or block.kind in {BlockKind.ROW, BlockKind.HEADER_ROW}:
        return ""
    return _NUMBERS.sub("#", text).casefold()


def _scanned_pages(document: Any) -> list[int]:
    found = json.loads(str(document.metadata.format)) if document.metadata.format else {}
    return [int(page) for page in found.get("scanned_pages") or []]


def _recognised(content: bytes, pages: list[int], recognition: TextRecognition) -> list[Block]:
    """The text on these pages; pages for which there was no time, and those that fail, are left out."""
    began = time.perf_counter()
    blocks: list[Block] = []
    for start in range(0, len(pages), _PAGES_AT_ONCE):
        if time.perf_counter() - began > recognition.seconds:
            break
        some = pages[start : start + _PAGES_AT_ONCE]
        try:
            document = extracted(content, DocumentKind.PDF, recognition, pages=some)
        except UnreadableDocumentError:
            continue
        blocks += [block for block in structure_blocks(document, DocumentKind.PDF) if block.page in some]
    return [block for block in blocks if clean(block.text)]


def _named(pages: Iterable[int]) -> str:
    """Such as "pages 3-5, 9"."""
    ranges: list[list[int]] = []
    for page in pages:
        if ranges and page == ranges[-1][1] + 1:
            ranges[-1][1] = page
        else:
            ranges.append([page, page])
    shown = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges[:8])
    single = len(ranges) == 1 and ranges[0][0] == ranges[0][1]
    return f"page{'' if single else 's'} {shown}{' and more' if len(ranges) > 8 else ''}"  # noqa: PLR2004 - as many fit
