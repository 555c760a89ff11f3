"""Reads one file into blocks. Runs in the parser's child process only: it trusts nothing and may be killed.

Text and Markdown are read here; PDF, Word and HTML by xberg (docs/decisions/0003), without its OCR, models,
cache or network: it is given bytes, never an address.
"""

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.document_blocks import Block, BlockKind
from services.document_errors import DAMAGED, ENCRYPTED, TOO_MUCH_TEXT, UnreadableDocumentError
from services.document_kinds import DocumentKind
from services.markdown_reader import markdown_blocks
from services.structure_reader import structure_blocks
from services.text_decoding import decoded

_ENCRYPTED_WORDS = ("encrypt", "password")
_LIMIT_WORDS = ("security limit", "exceeds limit")
# Nobody breaks a line of this length but an editor.
_WRAP_CHARACTERS = 50


def blocks_of(path: Path, kind: DocumentKind) -> Iterator[Block]:
    """The document's blocks, in order. Raises UnreadableDocumentError, or MemoryError."""
    if kind is DocumentKind.TEXT:
        return _text_blocks(decoded(path.read_bytes(), _detected))
    if kind is DocumentKind.MARKDOWN:
        return markdown_blocks(decoded(path.read_bytes(), _detected), keep_links=True)
    if kind is DocumentKind.HTML:
        page = decoded(path.read_bytes(), _detected).encode()
        # xberg's Markdown of a page is complete; its structure lacks loose text, summaries and definitions.
        return markdown_blocks(_extracted(page, kind).content, keep_links=False)
    return structure_blocks(_extracted(path.read_bytes(), kind), paged=kind is DocumentKind.PDF)


def parser_version(kind: DocumentKind) -> str:
    """What read a document of this kind, for `versions.parser`."""
    if kind in {DocumentKind.TEXT, DocumentKind.MARKDOWN}:
        return "built-in-1"
    import xberg  # noqa: PLC0415 - heavy, and only where it is used

    return f"xberg-{xberg.__version__}"


def _text_blocks(text: str) -> Iterator[Block]:
    """Paragraphs between empty lines. Their line ends stay, except where an editor wrapped a sentence."""
    paragraph = ""
    for line in map(str.strip, io.StringIO(text)):
        if not line:
            yield Block(BlockKind.PARAGRAPH, paragraph)
            paragraph = ""
        elif paragraph:
            paragraph += (" " if _wrapped(paragraph, line) else "\n") + line
        else:
            paragraph = line
    yield Block(BlockKind.PARAGRAPH, paragraph)


def _wrapped(paragraph: str, line: str) -> bool:
    last = paragraph[paragraph.rfind("\n") + 1 :]
    return len(last) >= _WRAP_CHARACTERS and last[-1].isalnum() | (last[-1] == ",") and line[0].islower()


def _detected(content: bytes) -> str:
    """Text in an older encoding that nothing names: xberg guesses it."""
    text: str = _extracted(content, DocumentKind.TEXT).content
    return text


def _extracted(content: bytes, kind: DocumentKind) -> Any:
    import xberg  # noqa: PLC0415 - heavy, and only where it is used

    config = xberg.ExtractionConfig(
        use_cache=False,
        enable_quality_processing=False,
        disable_ocr=True,
        output_format="markdown" if kind is DocumentKind.HTML else "plain",
        escape_markdown=False,
        include_document_structure=kind in {DocumentKind.PDF, DocumentKind.WORD},
        content_filter=xberg.ContentFilterConfig(include_footnotes=True),
        html_options=xberg.ConversionOptions(extract_metadata=False, skip_images=True),
    )
    source = xberg.ExtractInput(kind="bytes", bytes=content, mime_type=str(kind))
    try:
        result = asyncio.run(xberg.extract(source, config))
    except (xberg.XbergError, RuntimeError, ValueError) as error:
        raise UnreadableDocumentError(_sentence(str(error).lower())) from error
    if not result.results:
        raise UnreadableDocumentError(DAMAGED)
    return result.results[0]


def _sentence(error: str) -> str:
    if any(word in error for word in _ENCRYPTED_WORDS):
        return ENCRYPTED
    if any(word in error for word in _LIMIT_WORDS):
        return TOO_MUCH_TEXT
    return DAMAGED
