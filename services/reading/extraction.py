"""The line to xberg (docs/decisions/0003): bytes in, a document out, without its cache, models or network."""

import asyncio
from collections.abc import Sequence
from typing import Any

from services.document_errors import (
    DAMAGED,
    ENCRYPTED,
    TOO_MANY_CELLS,
    TOO_MUCH_TEXT,
    UnreadableDocumentError,
)
from services.document_kinds import WORKBOOKS, DocumentKind
from services.reading.text_recognition import TextRecognition

MOST_CELLS = 1_000_000
_ENCRYPTED_WORDS = ("encrypt", "password")
_CELL_WORDS = ("table cell limit",)
_LIMIT_WORDS = ("security limit", "exceeds limit", "security violation", "limit exceeded", "archive too large")
# Plain slides lack the descriptions of pictures.
_MARKDOWN = frozenset({DocumentKind.HTML, DocumentKind.SLIDES})
_LOOSE = frozenset({DocumentKind.HTML, DocumentKind.TEXT, *WORKBOOKS})


def extracted(
    content: bytes,
    kind: DocumentKind,
    recognition: TextRecognition | None = None,
    *,
    pages: Sequence[int] | None = None,
) -> Any:
    """An `xberg.ExtractedDocument`: Markdown for pages, tables for workbooks, else with its structure.

    `recognition` reads pictures of text too; in a PDF on these `pages`. Raises UnreadableDocumentError.
    """
    import xberg  # noqa: PLC0415 - heavy, and only where it is used

    config = xberg.ExtractionConfig(
        use_cache=False,
        enable_quality_processing=False,
        escape_markdown=False,
        output_format="markdown" if kind in _MARKDOWN else "plain",
        include_document_structure=kind not in _LOOSE,
        content_filter=xberg.ContentFilterConfig(include_footnotes=True),
        html_options=xberg.ConversionOptions(extract_metadata=False, skip_images=True),
        security_limits=xberg.SecurityLimits(max_table_cells=MOST_CELLS),
        concurrency=xberg.ConcurrencyConfig(max_threads=1, max_concurrent_ocr=1),
        force_ocr_pages=list(pages) if pages else None,
        **(recognition.options() if recognition else {"disable_ocr": True}),
    )
    source = xberg.ExtractInput(kind="bytes", bytes=content, mime_type=str(kind))
    try:
        result = asyncio.run(xberg.extract(source, config))
    except (xberg.XbergError, RuntimeError, ValueError) as error:
        raise UnreadableDocumentError(_sentence(str(error).lower())) from error
    if not result.results:
        raise UnreadableDocumentError(DAMAGED)
    return result.results[0]


def version() -> str:
    """What read a document, for `versions.parser`."""
    import xberg  # noqa: PLC0415 - the same

    return f"xberg-{xberg.__version__}"


def _sentence(error: str) -> str:
    for words, sentence in (
        (_ENCRYPTED_WORDS, ENCRYPTED),
        (_CELL_WORDS, TOO_MANY_CELLS),
        (_LIMIT_WORDS, TOO_MUCH_TEXT),
    ):
        if any(word in error for word in words):
            return sentence
    return DAMAGED
