"""Meta's way of saying no: error codes, their HTTP status and the JSON around them (WHATSAPP.md 4.4, 5.4)."""

from typing import Any

TITLES = {
    1: "API unknown error",
    2: "Service temporarily unavailable",
    4: "Application request limit reached",
    33: "Parameter value is not valid",
    100: "Invalid parameter",
    190: "Access token has expired",
    130429: "Rate limit hit",
    131000: "Something went wrong",
    131008: "Required parameter is missing",
    131009: "Parameter value is not valid",
    131016: "Service unavailable",
    131026: "Message undeliverable",
    131031: "Business account has been locked",
    131047: "Re-engagement message",
    131048: "Spam rate limit hit",
    131051: "Unsupported message type",
    131056: "(Business Account, Consumer Account) pair rate limit hit",
}
STATUSES = {
    0: 401,
    2: 503,
    3: 500,
    10: 403,
    190: 401,
    368: 403,
    130497: 403,
    131000: 500,
    131005: 403,
    131016: 503,
    131031: 403,
    131057: 500,
    132001: 404,
    133004: 503,
}


class MetaRefusalError(Exception):
    """WhatsApp takes nothing, for this reason."""

    def __init__(self, code: int, details: str) -> None:
        super().__init__(f"{code}: {details}")
        self.code = code
        self.details = details

    @property
    def status(self) -> int:
        """The HTTP status that goes with the code."""
        return STATUSES.get(self.code, 400)


def refusal_document(code: int, details: str, trace_id: str) -> dict[str, Any]:
    """The JSON answer."""
    return {
        "error": {
            "message": f"(#{code}) {TITLES.get(code, 'Error')}",
            "type": "OAuthException",
            "code": code,
            "error_data": {"messaging_product": "whatsapp", "details": details},
            "fbtrace_id": trace_id,
        }
    }


def status_error(code: int, details: str) -> dict[str, Any]:
    """An element of a failed status's `errors[]`."""
    title = TITLES.get(code, "Error")
    href = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"
    return {"code": code, "title": title, "message": title, "error_data": {"details": details}, "href": href}
