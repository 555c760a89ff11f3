"""What an owner is told about a file that we cannot take: one sentence or two, at most 300 characters."""


class UnreadableDocumentError(Exception):
    """The document's own fault; `str(error)` is the sentence for its owner. Trying again changes nothing."""


EMPTY = "The file is empty."
ENCRYPTED = "The file is protected by a password. Remove the password and upload it again."
DAMAGED = "The file is damaged and cannot be read. Open it on your computer, save it again, and upload the new file."
SCANNED = (
    "The PDF holds no text, only pictures of pages, as a scanner makes them. "
    "Run text recognition (OCR) on it and upload the result."
)
NO_TEXT = "No text was found in the file."
NOT_TEXT = (
    "The content is neither text nor a kind of document that we can read. "
    "Upload PDF, Word (.docx), HTML, Markdown or text."
)
OLD_OFFICE = "This is an old Microsoft Office format. Save the file as .docx or PDF and upload it again."
TOO_MUCH_MEMORY = "Reading the file takes too much memory. Split it into smaller files and upload those."
TOO_MUCH_TEXT = "The file holds more text than we can take at once. Split it into smaller files and upload those."
NO_SPACE = "The server has no space left for the file. Ask whoever runs it, then upload the file again."
KEEPS_FAILING = "Working on the file failed several times. Save it in another format and upload it again."
NOT_NOW = "The knowledge base could not take the file in for a long time. Upload it again later."


def too_large(max_bytes: int) -> str:
    """The sentence for a file beyond the size limit."""
    return f"The file is larger than {_size(max_bytes)}. Split it into smaller files and upload those."


def too_slow(seconds: float) -> str:
    """The sentence for a file whose reading was stopped."""
    return f"Reading the file took longer than {seconds:.0f} seconds. Split it into smaller files and upload those."


def mislabelled(suffix: str, content: str) -> str:
    """The sentence for a name that says one thing and a content that is another, such as "a PDF"."""
    return (
        f"The name ends in {suffix}, but the content is {content}. "
        "Give it the right name or save it anew, and upload it again."
    )


def unsupported(content: str) -> str:
    """The sentence for a kind of file that is known and not read."""
    return f"The content is {content}, which we cannot read. Upload PDF, Word (.docx), HTML, Markdown or text."


def _size(count: int) -> str:
    megabyte = 1024 * 1024
    return f"{count // megabyte} MB" if count >= megabyte else f"{count} bytes"
