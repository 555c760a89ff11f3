"""What `concierge connect` asks Meta, check by check: token, permissions, app secret, number, account, subscription."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.commands.findings import Finding, ok, problem, skipped, warning
from bot.commands.graph_advice import (
    ASSIGN,
    NEW_TOKEN,
    NO_SUCH_OBJECT,
    TOKEN_CODES,
    unanswered,
    what_is_wrong,
    what_to_do,
)
from services.whatsapp.account import (
    MANAGEMENT,
    MESSAGES_FIELD,
    MESSAGING,
    AccountClient,
    NumberFacts,
    TokenFacts,
    WebhookEntry,
)
from services.whatsapp.errors import AccountError

DAY_SECONDS = 86_400
WARN_DAYS = 14
SYSTEM_USER_KIND = "SYSTEM_USER"
CONNECTED = "CONNECTED"
# of the app's token: not this secret, or not this app
WRONG_SECRET_CODES = frozenset({100, 101, 190})
MOST_NAMED = 5


def expiry(name: str, token: TokenFacts, now_ms: int) -> Finding | None:
    """What to say of a token's end; None when that is far, or never."""
    if token.expires_at is None:
        return None
    end = datetime.fromtimestamp(token.expires_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    left = token.expires_at - now_ms / 1000
    if left <= 0:
        return problem(name, f"The token expired on {end}.", NEW_TOKEN)
    if left < WARN_DAYS * DAY_SECONDS:
        return warning(name, f"The token expires on {end}: then nothing is sent any more.", NEW_TOKEN)
    return None


@dataclass(frozen=True, slots=True)
class TokenCheck:
    """`usable` tells whether asking Meta anything else makes sense; `facts` None when Meta did not tell."""

    findings: list[Finding]
    usable: bool
    facts: TokenFacts | None = None


async def check_token(account: AccountClient, now_ms: int) -> TokenCheck:
    """The token itself and its permissions."""
    try:
        facts = await account.token()
    except AccountError as error:
        if unanswered(error) or error.code in TOKEN_CODES:
            told = what_is_wrong(error), what_to_do(error, "WHATSAPP_ACCESS_TOKEN")
            return TokenCheck([problem("Token", *told)], usable=False)
        # some tokens may send and yet not ask about themselves
        return TokenCheck(
            [warning("Token", what_is_wrong(error), "The checks below tell what it can do.")], usable=True
        )
    if not facts.valid:
        why = f" Meta says: {facts.problem}" if facts.problem else ""
        return TokenCheck([problem("Token", f"Meta calls the token invalid.{why}", NEW_TOKEN)], usable=False)
    return TokenCheck([_described(facts, now_ms), _permissions(facts)], usable=True, facts=facts)


def _described(facts: TokenFacts, now_ms: int) -> Finding:
    if ending := expiry("Token", facts, now_ms):
        return ending
    of = f'of the app "{facts.app_name or "?"}" ({facts.app_id or "?"})'
    if facts.expires_at is None:
        until = "never expires"
    else:
        until = f"expires on {datetime.fromtimestamp(facts.expires_at, UTC):%Y-%m-%d}"
    if facts.kind is not None and facts.kind != SYSTEM_USER_KIND:
        return warning(
            "Token", f"a {facts.kind} token {of}, {until}", f"Such a token ends with its person or page. {NEW_TOKEN}"
        )
    return ok("Token", f"{of}, {until}")


def _permissions(facts: TokenFacts) -> Finding:
    missing = [each for each in (MESSAGING, MANAGEMENT) if each not in facts.permissions]
    if missing:
        return problem("Permissions", f"The token lacks {' and '.join(missing)}.", ASSIGN)
    return ok("Permissions", f"{MESSAGING}, {MANAGEMENT}")


async def check_app(
    account: AccountClient, app_id: str | None, app_secrets: Sequence[str], callback: str | None
) -> list[Finding]:
    """The app secret, and what stands in the app's webhook form. `callback` is where the posts should go."""
    if app_id is None or not app_secrets:
        return [skipped("App secret", "needs WHATSAPP_APP_SECRET and a token that tells its app")]
    refused = 0
    for secret in app_secrets:
        try:
            form = await account.webhook_form(app_id, secret)
        except AccountError as error:
            if error.code not in WRONG_SECRET_CODES:
                return [skipped("App secret", what_is_wrong(error))]
            refused += 1
        else:
            return [ok("App secret", _accepted(len(app_secrets))), _form(form, callback)]
    return [
        problem(
            "App secret",
            f"Meta does not take it for app {app_id}: every webhook would be answered 401.",
            "Copy it from the app's dashboard (App settings > Basic > App secret) into WHATSAPP_APP_SECRET.",
        )
    ]


def _accepted(count: int) -> str:
    return "belongs to the app" if count == 1 else f"one of the {count} belongs to the app"


def _form(form: WebhookEntry | None, callback: str | None) -> Finding:
    enter = (
        f"At WhatsApp > Configuration: callback URL {callback or 'https://<your host>/webhooks/whatsapp'},"
        f" verify token: the value of WHATSAPP_VERIFY_TOKEN, subscribe to the field {MESSAGES_FIELD}."
    )
    if form is None or not form.callback_url:
        # before anything runs there is nothing to enter; with --url it is the last thing that is missing
        found = warning if callback is None else problem
        return found("Webhook form", "The app has no callback URL for WhatsApp yet.", enter)
    if MESSAGES_FIELD not in form.fields:
        return problem("Webhook form", f"The app is not subscribed to the field {MESSAGES_FIELD}.", enter)
    if not form.active:
        return problem("Webhook form", f"Meta has switched {form.callback_url} off.", enter)
    if callback is not None and form.callback_url != callback:
        return warning("Webhook form", f"Meta posts to {form.callback_url}, not to {callback}.", enter)
    return ok("Webhook form", f"Meta posts {MESSAGES_FIELD} to {form.callback_url}")


def account_of(configured: str, token: TokenFacts | None) -> str | None:
    """The WhatsApp account's id: as set, or the only one that the token is for."""
    if configured or token is None:
        return configured or None
    targets = {target for scope in (MANAGEMENT, MESSAGING) for target in token.targets.get(scope, ())}
    return targets.pop() if len(targets) == 1 else None


async def check_number(account: AccountClient, number_id: str, account_id: str | None) -> list[Finding]:
    """The number, and that it belongs to the account."""
    try:
        number = await account.number(number_id)
    except AccountError as error:
        hint = await _right_id(account, number_id, account_id) if error.code in NO_SUCH_OBJECT else None
        return [problem("Number", what_is_wrong(error), hint or what_to_do(error, "WHATSAPP_PHONE_NUMBER_ID"))]
    return [_number(number, number_id), await _belongs(account, number_id, account_id)]


def _number(number: NumberFacts, number_id: str) -> Finding:
    shown = f'{number.phone or number_id} "{number.name or "?"}", quality {number.quality or "unknown"}'
    if number.status not in {None, CONNECTED}:
        return problem(
            "Number",
            f"{shown}: its status is {number.status}, so it cannot send or receive.",
            "Register it, or see why it was stopped, in WhatsApp Manager > Phone numbers.",
        )
    if number.quality == "RED":
        return warning(
            "Number", f"{shown}: customers block or report it.", "Meta may limit it; see WhatsApp Manager > Insights."
        )
    return ok("Number", shown)


async def _right_id(account: AccountClient, typed: str, account_id: str | None) -> str | None:
    """The id that was meant, when the account tells its numbers: often the phone number itself was typed."""
    if account_id is None:
        return None
    try:
        numbers = await account.numbers(account_id)
    except AccountError:
        return None
    for number in numbers:
        if typed and "".join(filter(str.isdigit, number.phone or "")) == typed:
            return f"That is the phone number itself. Its id is {number.id}: put that into WHATSAPP_PHONE_NUMBER_ID."
    if not numbers:
        return "The account has no number yet: add one in WhatsApp Manager > Phone numbers."
    listed = ", ".join(f"{number.id} ({number.phone})" for number in numbers[:MOST_NAMED])
    return f"The account's numbers are {listed}: put the right id into WHATSAPP_PHONE_NUMBER_ID."


async def _belongs(account: AccountClient, number_id: str, account_id: str | None) -> Finding:
    if account_id is None:
        return skipped(
            "Account",
            "which WhatsApp account the number belongs to is not known",
            "Set WHATSAPP_BUSINESS_ACCOUNT_ID (WhatsApp > API setup shows it).",
        )
    try:
        numbers = await account.numbers(account_id)
    except AccountError as error:
        return problem("Account", what_is_wrong(error), what_to_do(error, "WHATSAPP_BUSINESS_ACCOUNT_ID"))
    if number_id not in {number.id for number in numbers}:
        return problem(
            "Account",
            f"The number {number_id} is none of account {account_id}.",
            "Check WHATSAPP_BUSINESS_ACCOUNT_ID and WHATSAPP_PHONE_NUMBER_ID: both stand at WhatsApp > API setup.",
        )
    return ok("Account", f"{account_id} has this number")


async def check_subscription(account: AccountClient, account_id: str | None, app_id: str | None) -> Finding:
    """Subscribe the account to the token's app where it is not yet."""
    if account_id is None:
        return skipped("Subscription", "needs the account's id", "Set WHATSAPP_BUSINESS_ACCOUNT_ID.")
    try:
        before = {app.id for app in await account.subscribed_apps(account_id)}
        if app_id is not None and app_id in before:
            return ok("Subscription", f"account {account_id} sends its events to app {app_id}")
        await account.subscribe(account_id)
        after = await account.subscribed_apps(account_id)
    except AccountError as error:
        return problem("Subscription", what_is_wrong(error), what_to_do(error, "WHATSAPP_BUSINESS_ACCOUNT_ID"))
    if not after or (app_id is not None and app_id not in {app.id for app in after}):
        return problem("Subscription", "Meta took the subscription but does not show it.", "Run it again in a minute.")
    new = "; subscribed just now" if {app.id for app in after} - before else ""
    return ok("Subscription", f"account {account_id} sends its events to {_apps(app_id, len(after))}{new}")


def _apps(app_id: str | None, count: int) -> str:
    return f"app {app_id}" if app_id is not None else f"{count} app" + ("s" if count > 1 else "")
