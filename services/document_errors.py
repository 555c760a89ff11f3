"""What an owner is told about a file that we cannot take: one sentence or two, at most 300 characters."""

from collections.abc import Sequence

_MOST_CHARACTERS = 300


class UnreadableDocumentError(Exception):
    """The document's own fault; `str(error)` is the sentence for its owner. Trying again changes nothing."""


_KINDS = (
    "PDF, Word, Excel, PowerPoint, OpenDocument, RTF, EPUB, HTML, Markdown, CSV, JSON, e-mail, text, or a zip of these"
)

EMPTY = "The file is empty."
ENCRYPTED = "The file is protected by a password. Remove the password and upload it again."
DAMAGED = "The file is damaged and cannot be read. Open it on your computer, save it again, and upload the new file."
SCANNED = (
    "The PDF holds no text, only pictures of pages, as a scanner makes them. "
    "Run text recognition (OCR) on it and upload the result, or ask whoever runs this server to add text recognition."
)
REPEATED_NAME = (
    "Another file of this upload has the same name and other content, and which of them is meant cannot be known. "
    "Upload one of them under another name."
)
NO_TEXT = "No text was found in the file."
ONLY_DEBRIS = (
    "The file's text cannot be read: it holds no words, only codes or broken letters. "
    "Save it in another format and upload it again."
)
NOT_TEXT = f"The content is neither text nor a kind of document that we can read. Upload {_KINDS}."
OLD_OFFICE = "This is an old Microsoft format that we cannot read. Save the file as PDF and upload it again."
TOO_MUCH_MEMORY = "Reading the file takes too much memory. Split it into smaller files and upload those."
TOO_MUCH_TEXT = "The file holds more text than we can take at once. Split it into smaller files and upload those."
TOO_MANY_CELLS = (
    "The file holds more than a million cells. Split it into smaller files, or leave out what nobody asks for, "
    "and upload those."
)
TOO_NESTED = "The content is nested too deep to be read. Save it in a simpler form and upload it again."
NO_SPACE = "The server has no space left for the file. Ask whoever runs it, then upload the file again."
NOT_STORED = "The server could not store the file. Ask whoever runs it to look at its log, then upload the file again."
KEEPS_FAILING = "Working on the file failed several times. Save it in another format and upload it again."
NOT_NOW = "The knowledge base could not take the file in for a long time. Upload it again later."

# What a sentence says, in the few words that fit behind the name of an archive's member.
_IN_BRIEF = {
    EMPTY: "empty",
    ENCRYPTED: "protected by a password",
    DAMAGED: "damaged",
    SCANNED: "pictures of pages",
    NO_TEXT: "no text",
    TOO_MUCH_TEXT: "too much text",
    TOO_MANY_CELLS: "too many cells",
    TOO_NESTED: "nested too deep",
}


def too_large(max_bytes: int) -> str:
    """The sentence for a file beyond the size limit."""
    return f"The file is larger than {_size(max_bytes)}. Split it into smaller files and upload those."


def too_slow(seconds: float) -> str:
    """The sentence for a file whose reading was stopped."""
    return f"Reading the file took longer than {seconds:.0f} seconds. Split it into smaller files and upload those."


def unpacks_too_large(max_bytes: int) -> str:
    """The sentence for an archive that holds more than we unpack."""
    return f"The archive unpacks to more than {_size(max_bytes)}. Upload its files by themselves."


def too_many_members(most: int) -> str:
    """The sentence for an archive of more files than we open."""
    return f"The archive holds more than {most} files. Split it into smaller archives and upload those."


def mislabelled(suffix: str, content: str) -> str:
    """The sentence for a name that says one thing and a content that is another, such as "a PDF"."""
    return (
        f"The name ends in {suffix}, but the content is {content}. "
        "Give it the right name or save it anew, and upload it again."
    )


def unsupported(content: str) -> str:
    """The sentence for a kind of file that is known and not read."""
    return f"The content is {content}, which we cannot read. Upload {_KINDS}."


def broken_json(line: int) -> str:
    """The sentence for JSON that is none from this line on."""
    return f"The JSON is broken in line {line}. Correct it and upload it again."


def in_brief(sentence: str) -> str:
    """A sentence of this module in a few words."""
    return _IN_BRIEF.get(sentence, "not readable")


def left_out(parts: Sequence[str]) -> str | None:
    """The warning that names parts of a document that could not be read; as many as fit."""
    if not parts:
        return None
    for count in range(len(parts), 0, -1):
        more = f" and {len(parts) - count} more" if count < len(parts) else ""
        sentence = f"Not read: {', '.join(parts[:count])}{more}."
        if len(sentence) <= _MOST_CHARACTERS:
            return sentence
    return f"Not read: {len(parts)} parts of the document."


def _size(count: int) -> str:
    megabyte = 1024 * 1024
    return f"{count // megabyte} MB" if count >= megabyte else f"{count} bytes"
