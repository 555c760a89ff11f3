"""What can go wrong on the line to Meta.

WhatsAppError
├── PayloadError               what Meta sent us
│   ├── UnsplittableError      a webhook body that is no envelope: kept raw, answered 200
│   └── MeaninglessEventError  an event without its essentials: a dead letter
├── AccountError               a question about token, number or account: refused, or not answered
└── SendError                  what we sent to Meta
    ├── RefusedError           a definite no: the message did not go; `retry_class` says what may come next
    ├── NotSentError           no byte of it left: it may be sent again
    └── UnsureError            it may have gone: wait for a status before anything else
"""

from services.whatsapp.error_codes import RetryClass


class WhatsAppError(Exception):
    """Anything that goes wrong between us and Meta."""


class PayloadError(WhatsAppError):
    """Something that Meta sent cannot be used; the message says why."""


class UnsplittableError(PayloadError):
    """A webhook body in which no events can be found."""


class MeaninglessEventError(PayloadError):
    """An event that lacks what it would need to mean anything."""


class AccountError(WhatsAppError):
    """Meta did not tell what we asked it. `code` is Meta's, None when no answer came at all.

    `details` are Meta's words, without the token.
    """

    def __init__(self, details: str, code: int | None = None, http_status: int | None = None) -> None:
        super().__init__(details if code is None else f"{details} (code {code})")
        self.details = details
        self.code = code
        self.http_status = http_status


class SendError(WhatsAppError):
    """A call to Meta without success. `code` is Meta's error code, if one came; `details` never holds the token."""

    def __init__(self, details: str, code: int | None = None, http_status: int | None = None) -> None:
        super().__init__(details if code is None else f"{details} (code {code})")
        self.details = details
        self.code = code
        self.http_status = http_status


class RefusedError(SendError):
    """Meta said no; `retry_class` is what its code means for a further attempt (WHATSAPP.md 5.4)."""

    def __init__(self, details: str, code: int | None, http_status: int, retry_class: RetryClass) -> None:
        super().__init__(details, code, http_status)
        self.retry_class = retry_class


class NotSentError(SendError):
    """There was no connection to Meta, so nothing can have arrived."""


class UnsureError(SendError):
    """The request left but no definite answer came: time-out, hang-up, or an error that may hide a success."""
