"""Meta's refusals in plain words for whoever connects a number: what is wrong, and what to do next."""

from services.whatsapp.account import MANAGEMENT, MESSAGING
from services.whatsapp.error_codes import known
from services.whatsapp.errors import AccountError, SendError

SYSTEM_USER = "Business settings > Users > System users"
NEW_TOKEN = (
    f"Make a new token at Meta ({SYSTEM_USER} > Generate token; never expires; permissions {MESSAGING} and"
    f" {MANAGEMENT}) and put it into WHATSAPP_ACCESS_TOKEN."
)
ASSIGN = (
    f"At {SYSTEM_USER}, give the system user full control of the app and of the WhatsApp account, then generate a token"
    f" with {MESSAGING} and {MANAGEMENT}."
)
NETWORK = "Look at this machine's network and firewall: it must reach WHATSAPP_API_URL."
WAIT = "Wait some minutes, then run it again."

TOKEN_CODES = frozenset({0, 190})
NO_SUCH_OBJECT = frozenset({33, 100})
NOT_ALLOWED = frozenset({3, 10, 131005, *range(200, 300)})
TRY_LATER = frozenset({1, 2, 4, 17, 80007, 131000, 131016})
WINDOW_ADVICE = (
    "Free text reaches only phones that wrote within the last 24 hours: write to the number from that phone and run it"
    " again, or add --template hello_world (Meta bills templates)."
)
SEND_ADVICE = {
    100: "Is --to a WhatsApp number with its country code, like +4915112345678?",
    131030: "A test number writes to at most 5 phones: add this one at WhatsApp > API setup > To.",
    131047: WINDOW_ADVICE,
    132001: "The account has no such template in en_US: see WhatsApp Manager > Message templates.",
    133010: "Register the number in WhatsApp Manager > Phone numbers, then run it again.",
    **dict.fromkeys(TOKEN_CODES, NEW_TOKEN),
    **dict.fromkeys(NOT_ALLOWED, ASSIGN),
}


def unanswered(error: AccountError) -> bool:
    """Whether Meta was not reached at all."""
    return error.http_status is None


def what_is_wrong(error: AccountError) -> str:
    """A sentence, with Meta's own words behind it."""
    if unanswered(error):
        return f"Meta cannot be reached: {error.details}."
    row = known(error.code)
    if error.code in NO_SUCH_OBJECT:
        meaning = "Meta does not know it, or the token may not see it"
    elif row is not None:
        meaning = f"{row.meaning[0].upper()}{row.meaning[1:]}"
    else:
        meaning = "Meta refused"
    code = f"code {error.code}" if error.code is not None else f"HTTP {error.http_status}"
    return f"{meaning} ({code}). Meta says: {error.details}"


def what_to_do(error: AccountError, setting: str) -> str:
    """The next step. `setting` is the variable that names what was asked for."""
    if unanswered(error):
        return NETWORK
    if error.code in TOKEN_CODES:
        return NEW_TOKEN
    if error.code in NO_SUCH_OBJECT:
        return f"Check {setting}. If it is right: {ASSIGN}"
    if error.code in NOT_ALLOWED:
        return ASSIGN
    if error.code in TRY_LATER or (error.http_status or 0) >= 500:  # noqa: PLR2004 - a server's own fault
        return WAIT
    row = known(error.code)
    return row.advice if row is not None and row.advice else "Meta's words above say more."


def why_not_sent(error: SendError) -> tuple[str, str]:
    """What is wrong with a test message, and what to do."""
    row = known(error.code)
    meaning = f"{row.meaning[0].upper()}{row.meaning[1:]}" if row else "Meta refused"
    code = f"code {error.code}" if error.code is not None else f"HTTP {error.http_status}"
    general = row.advice if row is not None and row.advice else "Meta's words above say more."
    return f"{meaning} ({code}). Meta says: {error.details}", SEND_ADVICE.get(
        -1 if error.code is None else error.code, general
    )
