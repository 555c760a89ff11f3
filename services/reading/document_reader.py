"""Reads one file into blocks. Runs in the parser's child process only: it trusts nothing and may be killed.

Text, Markdown, CSV, JSON, e-mails and archives are read here; the other kinds by xberg (docs/decisions/0003).
"""

import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from services.document_blocks import Block, BlockKind, clean
from services.document_errors import (
    EMPTY,
    NO_TEXT,
    SCANNED,
    TOO_NESTED,
    UnreadableDocumentError,
    in_brief,
    left_out,
)
from services.document_kinds import PICTURES, WORKBOOKS, DocumentKind, kind_of, kind_of_file
from services.reading.archives import ArchiveBudget, ArchiveLimits, MemberError, members_of
from services.reading.extraction import extracted, version
from services.reading.json_reader import json_blocks
from services.reading.mail_reader import Mail
from services.reading.markdown_reader import markdown_blocks
from services.reading.markup_text import without_tags
from services.reading.pdf_reader import pdf_blocks, picture_blocks
from services.reading.sheet_reader import csv_blocks, workbook_blocks
from services.reading.structure_reader import structure_blocks
from services.reading.text_decoding import decoded
from services.reading.text_recognition import TextRecognition

_BUILT_IN = "built-in-2"
_OURS = frozenset(
    {
        DocumentKind.TEXT,
        DocumentKind.MARKDOWN,
        DocumentKind.CSV,
        DocumentKind.JSON,
        DocumentKind.XML,
        DocumentKind.MAIL,
        DocumentKind.ZIP,
    }
)
# Nobody breaks a line of this length but an editor.
_WRAP_CHARACTERS = 50
_PARAGRAPH_CHARACTERS = 32_000
# io.StringIO takes four times the memory of a text.
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_DECLARATION = re.compile(r"<!DOCTYPE[^\[>]*(\[.*?\]\s*)?>", re.DOTALL)
_TITLE = re.compile(r"<title[^>]{0,200}>(.{0,1000}?)</title>", re.IGNORECASE | re.DOTALL)
_TITLE_WITHIN = 64 * 1024
_MAIN_HEADING = re.compile(r"<h1\b", re.IGNORECASE)
_NAME_CHARACTERS = 80


class DocumentReader:
    """One document; `warning` afterwards says what of it was not read."""

    def __init__(self, recognition: TextRecognition | None, limits: ArchiveLimits | None = None) -> None:
        self._recognition = recognition
        self._budget = ArchiveBudget(limits or ArchiveLimits())
        self._not_read: list[str] = []

    @property
    def warning(self) -> str | None:
        """A sentence for the owner; None when all was read."""
        return left_out(self._not_read)

    def kind_of(self, path: Path, filename: str) -> DocumentKind:
        """As document_kinds.kind_of; pictures are read where text recognition is there."""
        return kind_of(path, filename, pictures=self._recognition is not None)

    def blocks(self, path: Path, kind: DocumentKind) -> Iterator[Block]:
        """The document's blocks, in order. Raises UnreadableDocumentError, or MemoryError."""
        with path.open("rb") as file:
            yield from self._blocks(file, kind, 1)

    def _blocks(self, file: BinaryIO, kind: DocumentKind, depth: int) -> Iterator[Block]:
        if kind is DocumentKind.ZIP:
            yield from self._archive_blocks(file, depth)
            return
        file.seek(0)
        content = file.read()
        if kind is DocumentKind.MAIL:
            yield from self._mail_blocks(Mail(content), depth)
        elif kind in _READERS:
            yield from _READERS[kind](decoded(content, _detected))
        elif kind is DocumentKind.PDF:
            blocks, missing = pdf_blocks(content, self._recognition)
            self._not_read += missing
            yield from blocks
        elif kind in PICTURES:
            yield from picture_blocks(content, kind, self._recognition)
        elif kind in WORKBOOKS:
            yield from workbook_blocks(extracted(content, kind))
        else:
            document = extracted(content, kind)
            if kind is DocumentKind.EBOOK:
                yield from _book_blocks(document)
            yield from structure_blocks(document, kind)

    def _archive_blocks(self, file: BinaryIO, depth: int) -> Iterator[Block]:
        for member in members_of(file, self._budget):
            try:
                content = member.content()
            except MemberError as error:
                self._leave_out(member.path, str(error))
                continue
            yield from self._part_blocks(content, member.path, depth)

    def _mail_blocks(self, mail: Mail, depth: int) -> Iterator[Block]:
        yield Block(BlockKind.HEADING, mail.subject, _level(depth, self._budget))
        yield from mail.blocks(_html_blocks)
        for attachment in mail.attachments():
            self._budget.count_member()
            self._budget.count_bytes(len(attachment.content))
            yield from self._part_blocks(io.BytesIO(attachment.content), attachment.name, depth + 1)

    def _part_blocks(self, file: BinaryIO, name: str, depth: int) -> Iterator[Block]:
        """A document in a document under its name as a heading; what cannot be read is noted, not raised."""
        heading = Block(BlockKind.HEADING, name, _level(depth, self._budget))
        given = False
        noted = len(self._not_read)
        try:
            kind = kind_of_file(file, name, pictures=self._recognition is not None)
            if kind in {DocumentKind.ZIP, DocumentKind.MAIL} and depth >= self._budget.depth:
                self._leave_out(name, TOO_NESTED)
                return
            for block in self._blocks(file, kind, depth + 1):
                if not given and clean(block.text):
                    given = True
                    yield heading
                yield block
        except UnreadableDocumentError as error:
            if self._budget.spent:
                raise
            self._leave_out(name, str(error))
            return
        if not given and noted == len(self._not_read):
            self._leave_out(name, SCANNED if kind is DocumentKind.PDF else NO_TEXT)

    def _leave_out(self, name: str, sentence: str) -> None:
        if sentence != EMPTY:
            self._not_read.append(f"{name[-_NAME_CHARACTERS:]} ({in_brief(sentence)})")


def parser_version(kind: DocumentKind) -> str:
    """What read a document of this kind, for `versions.parser`."""
    return _BUILT_IN if kind in _OURS else version()


def _level(depth: int, budget: ArchiveBudget) -> int:
    """Of the heading that names a document in a document: above all headings inside it, below those around it."""
    return min(depth - budget.depth - 2, 0)


def _markdown_blocks(text: str) -> Iterator[Block]:
    return markdown_blocks(text, keep_links=True)


def _html_blocks(page: str) -> Iterator[Block]:
    """The page without menus and scripts, under its title where it has no main heading."""
    title = _TITLE.search(page[:_TITLE_WITHIN])
    # taken out: where nobody wrote <head>, xberg takes it for a paragraph
    body = page[: title.start()] + page[title.end() :] if title else page
    # xberg's Markdown of a page is complete; its structure lacks loose text, summaries and definitions.
    blocks = markdown_blocks(extracted(body.encode("utf-8", "replace"), DocumentKind.HTML).content, keep_links=False)
    if title and not _MAIN_HEADING.search(page):
        first = next((block for block in blocks if clean(block.text)), None)
        if first is None:
            return
        yield Block(BlockKind.HEADING, without_tags(title.group(1)), 0)
        yield first
    yield from blocks


def _book_blocks(document: Any) -> Iterator[Block]:
    """What a book says of itself."""
    metadata = document.metadata
    authors = ", ".join(metadata.authors or [])
    described = json.loads((metadata.additional or {}).get("description") or '""')
    for text in (metadata.title, f"Authors: {authors}" if authors else "", described):
        yield Block(BlockKind.PARAGRAPH, without_tags(str(text or "")))


def _xml_blocks(text: str) -> Iterator[Block]:
    """What stands between the tags; markup within it, as feeds have it, is taken off too."""
    for line in without_tags(_undeclared(text), every_tag_breaks=True).split("\n"):
        if line.strip():
            yield Block(BlockKind.PARAGRAPH, without_tags(line) if "<" in line else line)


def _undeclared(text: str) -> str:
    """Without its document type, which may hold definitions; looked for once, where the first one begins."""
    found = _DECLARATION.match(text, max(text.find("<!DOCTYPE"), 0))
    return text[: found.start()] + text[found.end() :] if found else text


def _text_blocks(text: str) -> Iterator[Block]:
    """Paragraphs between empty lines. Their line ends stay, except where an editor wrapped a sentence."""
    parts: list[str] = []
    last, length = "", 0
    for line in (found.group().strip() for found in _LINE.finditer(text)):
        wrapped = bool(line) and _wrapped(last, line)
        # a log of megabytes is no paragraph; one sentence stays together as long as it may
        if not line or length > (_PARAGRAPH_CHARACTERS if wrapped else _PARAGRAPH_CHARACTERS // 2):
            yield Block(BlockKind.PARAGRAPH, "".join(parts))
            parts, length = [], 0
        if line:
            parts += [" " if wrapped else "\n", line] if parts else [line]
        last, length = line, length + len(line)
    yield Block(BlockKind.PARAGRAPH, "".join(parts))


def _wrapped(last: str, line: str) -> bool:
    return len(last) >= _WRAP_CHARACTERS and last[-1].isalnum() | (last[-1] == ",") and line[0].islower()


def _detected(content: bytes) -> str:
    """Text in an older encoding that nothing names: xberg guesses it."""
    text: str = extracted(content, DocumentKind.TEXT).content
    return text


_READERS: dict[DocumentKind, Callable[[str], Iterator[Block]]] = {
    DocumentKind.TEXT: _text_blocks,
    DocumentKind.MARKDOWN: _markdown_blocks,
    DocumentKind.HTML: _html_blocks,
    DocumentKind.XML: _xml_blocks,
    DocumentKind.CSV: csv_blocks,
    DocumentKind.JSON: json_blocks,
}
