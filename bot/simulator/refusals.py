"""Meta's way of saying no: error codes, their HTTP status and the JSON around them (WHATSAPP.md 4.4, 5.4)."""

from typing import Any

TITLES = {
    0: "AuthException",
    1: "API unknown error",
    2: "Service temporarily unavailable",
    3: "Capability or permissions issue",
    4: "Application request limit reached",
    10: "Application does not have permission for this action",
    33: "Parameter value is not valid",
    100: "Invalid parameter",
    190: "Access token has expired",
    200: "You do not have the necessary permissions for this action",
    368: "Temporarily blocked for policies violations",
    80007: "Rate limit issues",
    130403: "Business has blocked this user",
    130429: "Rate limit hit",
    130472: "User's number is part of an experiment",
    130497: "Business account is restricted from messaging users in this country",
    131000: "Something went wrong",
    131005: "Access denied",
    131008: "Required parameter is missing",
    131009: "Parameter value is not valid",
    131016: "Service unavailable",
    131021: "Recipient cannot be sender",
    131026: "Message undeliverable",
    131030: "Recipient phone number not in allowed list",
    131031: "Business account has been locked",
    131037: "Display name approval is needed",
    131042: "Business eligibility payment issue",
    131045: "Incorrect certificate",
    131047: "Re-engagement message",
    131048: "Spam rate limit hit",
    131049: "Meta chose not to deliver",
    131050: "User has stopped marketing messages",
    131051: "Unsupported message type",
    131052: "Media download error",
    131053: "Media upload error",
    131056: "(Business Account, Consumer Account) pair rate limit hit",
    131057: "Account in maintenance mode",
    131060: "This message is currently unavailable",
    131062: "A business-scoped user id is not allowed for this message",
    132000: "Template param count mismatch",
    132001: "Template does not exist",
    132005: "Template hydrated text too long",
    132007: "Template format character policy violated",
    132012: "Template parameter format mismatch",
    132015: "Template is paused",
    132016: "Template is disabled",
    132018: "Template parameters are not valid",
    133004: "Server temporarily unavailable",
    133010: "Phone number not registered",
    135000: "Generic user error",
    137000: "Identity key mismatch",
}
STATUSES = {
    0: 401,
    2: 503,
    3: 500,
    10: 403,
    190: 401,
    368: 403,
    **dict.fromkeys(range(200, 300), 403),
    130497: 403,
    131000: 500,
    131005: 403,
    131016: 503,
    131031: 403,
    131057: 500,
    132001: 404,
    133004: 503,
}
TRANSIENT = frozenset({1, 2, 4, 80007, 130429, 131000, 131016, 131056, 131057, 133004})


class MetaRefusalError(Exception):
    """WhatsApp takes nothing, for this reason. `subcode` is Graph's own, finer code, where it has one."""

    def __init__(self, code: int, details: str, subcode: int | None = None) -> None:
        super().__init__(f"{code}: {details}")
        self.code = code
        self.details = details
        self.subcode = subcode

    @property
    def status(self) -> int:
        """The HTTP status that goes with the code."""
        return STATUSES.get(self.code, 400)

    def document(self, trace_id: str) -> dict[str, Any]:
        """The JSON answer."""
        return refusal_document(self.code, self.details, trace_id, self.subcode)


def refusal_document(code: int, details: str, trace_id: str, subcode: int | None = None) -> dict[str, Any]:
    """The JSON answer. With a subcode it is Graph that refuses, and says it all in `message`."""
    error: dict[str, Any] = {"message": details, "type": "OAuthException", "code": code}
    if subcode is None:
        error["message"] = f"(#{code}) {TITLES.get(code, 'Error')}"
        error["error_data"] = {"messaging_product": "whatsapp", "details": details}
    else:
        error["error_subcode"] = subcode
    if code in TRANSIENT:
        error["is_transient"] = True
    return {"error": error | {"fbtrace_id": trace_id}}


def status_error(code: int, details: str) -> dict[str, Any]:
    """An element of a failed status's `errors[]`."""
    title = TITLES.get(code, "Error")
    href = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"
    return {"code": code, "title": title, "message": title, "error_data": {"details": details}, "href": href}
