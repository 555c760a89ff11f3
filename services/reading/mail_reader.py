"""Reads e-mails (RFC 5322 with MIME): subject, who and when, the body, and what is attached."""

import email
import email.policy
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from typing import NamedTuple

from services.document_blocks import Block, BlockKind
from services.document_errors import DAMAGED, UnreadableDocumentError

_HEADERS = ("From", "To", "Cc", "Date")
_HEADER_CHARACTERS = 300
# What the email package raises at headers and bodies that are not what they say.
_BROKEN = (ValueError, LookupError, TypeError, AttributeError)


class Attachment(NamedTuple):
    """A file or a message that was sent along."""

    name: str
    content: bytes


class Mail:
    """One message. Raises UnreadableDocumentError when there is nothing of a message in the bytes."""

    def __init__(self, content: bytes) -> None:
        message = email.message_from_bytes(content, EmailMessage, policy=email.policy.default)
        self._message: EmailMessage = message
        if not any(self._header(name) for name in ("From", "Subject", "Date", "To")):
            raise UnreadableDocumentError(DAMAGED)

    @property
    def subject(self) -> str:
        """What it is about; "E-mail" where it does not say."""
        return self._header("Subject") or "E-mail"

    def blocks(self, html_blocks: Callable[[str], Iterator[Block]]) -> Iterator[Block]:
        """Who wrote when, and the body: its text, or its page where it has no text."""
        lines = [f"{name}: {value}" for name in _HEADERS if (value := self._header(name))]
        yield Block(BlockKind.PARAGRAPH, "\n".join(lines))
        for kind in ("plain", "html"):
            text = self._body(kind)
            if text.strip():
                if kind == "html":
                    yield from html_blocks(text)
                else:
                    yield from (Block(BlockKind.PARAGRAPH, part) for part in text.replace("\r", "").split("\n\n"))
                return

    def attachments(self) -> Iterator[Attachment]:
        """Those that can be decoded; pictures inside the text are none."""
        for number, part in enumerate(self._parts(), 1):
            if part.get_content_disposition() == "inline" and part.get_content_maintype() == "image":
                continue
            try:
                yield Attachment(_name(part, number), _content(part))
            except _BROKEN:
                yield Attachment(f"attachment {number}", b"")

    def _parts(self) -> list[EmailMessage]:
        try:
            return list(self._message.iter_attachments()) if self._message.is_multipart() else []
        except _BROKEN:
            return []

    def _header(self, name: str) -> str:
        try:
            value = self._message.get(name)
        except _BROKEN:
            return ""
        return " ".join(str(value).split())[:_HEADER_CHARACTERS] if value else ""

    def _body(self, kind: str) -> str:
        try:
            part = self._message.get_body((kind,))
            return str(part.get_content()) if part is not None else ""
        except _BROKEN:
            return ""


def _name(part: EmailMessage, number: int) -> str:
    if part.get_content_type() == "message/rfc822":
        return part.get_filename() or f"message {number}.eml"
    return part.get_filename() or f"attachment {number}"


def _content(part: EmailMessage) -> bytes:
    if part.get_content_type() == "message/rfc822":
        inner = part.get_payload(0)
        return inner.as_bytes() if isinstance(inner, EmailMessage) else b""
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""
