"""Meta's error codes: what each means for a further attempt, and what the operator should know (WHATSAPP.md 5.4)."""

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Final


class RetryClass(StrEnum):
    """What may come after a refusal."""

    NEVER = "never"
    """The same request will never succeed."""
    BACK_OFF = "back_off"
    """The same request again, after a growing pause."""
    UNSURE = "unsure"
    """The message may have gone out: wait for a status first."""
    TEMPLATE = "template"
    """Only an approved template may go: the 24-hour window is closed."""
    LATER = "later"
    """Again much later, hours or days; never in a loop."""
    STOP = "stop"
    """Stop all sending of this number and tell the operator."""


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """A row of Meta's table. `advice` is for the operator."""

    code: int
    retry_class: RetryClass
    meaning: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class CodeRange:
    """Codes that share one meaning; both ends count."""

    first: int
    last: int
    retry_class: RetryClass
    meaning: str
    advice: str = ""


_N, _B, _U = RetryClass.NEVER, RetryClass.BACK_OFF, RetryClass.UNSURE
_T, _L, _O = RetryClass.TEMPLATE, RetryClass.LATER, RetryClass.STOP
_RENEW = "Put a new access token into WHATSAPP_ACCESS_TOKEN and restart."
_PERMIT = "Give the token's system user the permission whatsapp_business_messaging for this account."
_REGISTER = "Look at the number's registration in WhatsApp Manager."
_PIN = "Set the two-step PIN again in WhatsApp Manager; wait before the next try."
_OURS = "A fault of this program: please report it with this code."
_TEMPLATE = "Look at the template and its language in WhatsApp Manager."
_WAIT = "Nothing to do: sending goes on by itself."

_CODES: Final = {
    row.code: row
    for row in (
        ErrorCode(0, _O, "Meta does not accept the access token", _RENEW),
        ErrorCode(1, _U, "Meta reports an unknown fault", _WAIT),
        ErrorCode(2, _U, "Meta's service is down", _WAIT),
        ErrorCode(3, _O, "the app lacks the capability for this call", _PERMIT),
        ErrorCode(4, _B, "the app's call limit is reached", _WAIT),
        ErrorCode(10, _O, "a permission is missing", _PERMIT),
        ErrorCode(33, _N, "the sending number does not exist or is not ours", "Check WHATSAPP_PHONE_NUMBER_ID."),
        ErrorCode(100, _N, "a parameter is wrong", _OURS),
        ErrorCode(190, _O, "the access token has expired or was revoked", _RENEW),
        ErrorCode(368, _O, "the account is blocked for a time for breaking a policy", "See Account Quality at Meta."),
        ErrorCode(80007, _B, "the account's rate limit is reached", _WAIT),
        ErrorCode(130403, _N, "the business has blocked this customer", "Unblock the customer to write again."),
        ErrorCode(130429, _B, "the number sends faster than Meta allows", "Lower CONCIERGE_NUMBER_RATE."),
        ErrorCode(130472, _N, "the customer is part of an experiment of Meta's and gets no such message"),
        ErrorCode(130497, _N, "the business may not write to customers in this country"),
        ErrorCode(130501, _N, "this kind of message is not allowed in groups"),
        ErrorCode(131000, _U, "something went wrong at Meta", _WAIT),
        ErrorCode(131005, _O, "access was denied", _PERMIT),
        ErrorCode(131008, _N, "a required parameter is missing", _OURS),
        ErrorCode(131009, _N, "a parameter's value is invalid", _OURS),
        ErrorCode(131016, _U, "Meta's service is not available", _WAIT),
        ErrorCode(131021, _N, "sender and recipient are the same number"),
        ErrorCode(131026, _N, "the customer cannot be reached: not on WhatsApp, an old app, or has blocked us"),
        ErrorCode(131030, _N, "a test number may not write to this customer", "Add the customer to the allow-list."),
        ErrorCode(131031, _O, "the account is locked", "See Account Quality at Meta."),
        ErrorCode(131037, _O, "the number's display name is not approved", "Get it approved in WhatsApp Manager."),
        ErrorCode(131042, _O, "there is a problem with the payment method", "Check the payment method at Meta."),
        ErrorCode(131044, _O, "there is a problem with the payment method for calls", "Check it at Meta."),
        ErrorCode(131045, _O, "the number's registration or certificate is not valid", _REGISTER),
        ErrorCode(131047, _T, "the 24-hour window is closed", "Only an approved template reaches the customer now."),
        ErrorCode(131048, _O, "Meta sees too many of the number's messages as spam", "Stop; see the quality rating."),
        ErrorCode(131049, _L, "the customer has had enough marketing messages for now"),
        ErrorCode(131050, _N, "the customer has opted out of marketing messages"),
        ErrorCode(131051, _N, "this type of message is not supported"),
        ErrorCode(131052, _N, "the customer's media file could not be fetched", "Ask the customer to send it again."),
        ErrorCode(131053, _N, "the media file could not be uploaded or fetched"),
        ErrorCode(131055, _N, "the method is not allowed"),
        ErrorCode(131056, _B, "too many messages to this customer in a short time", _WAIT),
        ErrorCode(131057, _B, "the account is in maintenance", _WAIT),
        ErrorCode(131060, _N, "the message is not available"),
        ErrorCode(131062, _N, "this message needs the customer's phone number"),
        ErrorCode(131063, _N, "marketing templates may not go through this API here"),
        ErrorCode(131064, _L, "the limit for classifying messages is reached"),
        ErrorCode(132000, _N, "the number of template parameters is wrong", _TEMPLATE),
        ErrorCode(132001, _N, "the template does not exist in this language", _TEMPLATE),
        ErrorCode(132005, _N, "the filled template is too long", _TEMPLATE),
        ErrorCode(132007, _N, "the template breaks a policy", _TEMPLATE),
        ErrorCode(132008, _N, "a template parameter is wrong", _TEMPLATE),
        ErrorCode(132012, _N, "a template parameter has the wrong form", _TEMPLATE),
        ErrorCode(132015, _L, "the template is paused", _TEMPLATE),
        ErrorCode(132016, _N, "the template is disabled", _TEMPLATE),
        ErrorCode(132018, _N, "a template parameter has the wrong form", _TEMPLATE),
        ErrorCode(132068, _N, "the flow is blocked"),
        ErrorCode(132069, _B, "the flow is throttled", _WAIT),
        ErrorCode(133000, _O, "an earlier deregistration did not finish", _REGISTER),
        ErrorCode(133004, _B, "Meta's registration server is down", _WAIT),
        ErrorCode(133005, _O, "the two-step PIN is wrong", _PIN),
        ErrorCode(133006, _O, "the number must be verified again", _REGISTER),
        ErrorCode(133008, _O, "the two-step PIN was wrong too often", _PIN),
        ErrorCode(133009, _O, "the two-step PIN was given too fast", _PIN),
        ErrorCode(133010, _O, "the number is not registered", _REGISTER),
        ErrorCode(133015, _O, "the number was deleted a moment ago", _REGISTER),
        ErrorCode(133016, _O, "too many registrations: the number is locked for 72 hours", _REGISTER),
        ErrorCode(134100, _N, "only marketing messages may go through this API"),
        ErrorCode(134101, _B, "the template is being synchronised, for about 10 minutes", _WAIT),
        ErrorCode(134102, _N, "the template is not available"),
        ErrorCode(135000, _N, "a parameter is wrong", _OURS),
        ErrorCode(136024, _O, "the verification code could not be sent or checked", _REGISTER),
        ErrorCode(137000, _N, "the customer's identity has changed", "Confirm who the customer is."),
        ErrorCode(139000, _N, "the flow did not pass Meta's integrity check"),
        ErrorCode(2494100, _B, "the number is in maintenance", _WAIT),
    )
}
_RANGES: Final = (
    CodeRange(200, 299, _O, "a permission is missing", _PERMIT),
    CodeRange(138000, 138013, _N, "a call could not be made"),
    CodeRange(139100, 139103, _N, "the block list could not be changed"),
    CodeRange(147001, 147005, _N, "the business's username could not be changed"),
    CodeRange(2388000, 2388999, _N, "the template or account could not be changed", _TEMPLATE),
)


def known(code: int | None) -> ErrorCode | CodeRange | None:
    """What the table says about a code; None for a code that it does not have."""
    if code is None:
        return None
    return _CODES.get(code) or next((span for span in _RANGES if span.first <= code <= span.last), None)


def classify(code: int | None, http_status: int) -> RetryClass:
    """What may come after this answer: Meta's code decides where it is known, the HTTP status otherwise.

    131048 stops all sending (the table leaves L or O open): going on after a spam verdict costs the number.
    """
    row = known(code)
    if row is not None:
        return row.retry_class
    if http_status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return RetryClass.STOP
    if http_status == HTTPStatus.TOO_MANY_REQUESTS:
        return RetryClass.BACK_OFF
    if HTTPStatus.BAD_REQUEST <= http_status < HTTPStatus.INTERNAL_SERVER_ERROR and (
        http_status != HTTPStatus.REQUEST_TIMEOUT
    ):
        return RetryClass.NEVER
    return RetryClass.UNSURE


def explain(code: int | None) -> str:
    """One or two sentences for the operator: what the code means and what to do about it."""
    row = known(code)
    if row is None:
        return "Meta refused without a code that is known." if code is None else f"Meta refused with code {code}."
    meaning = f"{row.meaning[0].upper()}{row.meaning[1:]} (code {code})."
    return f"{meaning} {row.advice}".strip()
