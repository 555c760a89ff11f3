"""Asks Meta about our token, our number and our account, and subscribes the account to our app.

The answers' forms are those of Meta's pages "Permissions" (debug_token; May 2026), "Phone numbers" (fields and status)
and "Manage webhooks" (subscribed_apps) of the WhatsApp Business Platform, and of the Graph API's page "Subscriptions".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import aiohttp

from services.whatsapp.errors import AccountError
from services.whatsapp.graph_answers import answered, error_of

MESSAGING = "whatsapp_business_messaging"
MANAGEMENT = "whatsapp_business_management"
MESSAGES_FIELD = "messages"
_NUMBER_FIELDS = "id,display_phone_number,verified_name,quality_rating,status,code_verification_status"
_ACCOUNT_OBJECT = "whatsapp_business_account"
_LAST_SECOND = 253_402_300_799  # of the year 9999, where calendars end


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """What Meta says of an access token. `expires_at` is epoch seconds, None for a token that does not expire.

    It is None, too, where what Meta tells is no moment of a calendar (milliseconds, a negative number).
    `targets` are the ids that a permission is granted for, by permission; an absent one means: for all.
    """

    valid: bool
    app_id: str | None
    app_name: str | None
    kind: str | None
    expires_at: int | None
    permissions: frozenset[str]
    targets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class NumberFacts:
    """A business's number. `status` is CONNECTED when it can send and receive; what Meta did not tell is None."""

    id: str
    phone: str | None = None
    name: str | None = None
    quality: str | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class SubscribedApp:
    """An app that gets an account's webhooks."""

    id: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class WebhookEntry:
    """What an app's webhook form says for WhatsApp: where Meta posts, and which fields."""

    callback_url: str | None
    fields: frozenset[str]
    active: bool = True


class AccountClient:
    """Every call ends within `timeout_seconds` and raises AccountError; no error shows the token."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        api_url: str,
        api_version: str,
        access_token: str,
        timeout_seconds: float,
    ) -> None:
        self._session = session
        self._root = f"{api_url.rstrip('/')}/{api_version}"
        self._token = access_token
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)

    async def token(self) -> TokenFacts:
        """Whether our token is valid, until when, and what it may do: the token asks about itself."""
        answer = await self._call("GET", "debug_token", {"input_token": self._token})
        return _token_facts(_object(answer.get("data")))

    async def number(self, number_id: str) -> NumberFacts:
        """One number, by its id at Meta."""
        return _number_facts(await self._call("GET", quote(number_id, safe=""), {"fields": _NUMBER_FIELDS}))

    async def numbers(self, account_id: str) -> list[NumberFacts]:
        """The numbers of an account: the first page, up to 100."""
        asked = {"fields": _NUMBER_FIELDS, "limit": "100"}
        answer = await self._call("GET", f"{quote(account_id, safe='')}/phone_numbers", asked)
        return [_number_facts(each) for each in _objects(answer.get("data"))]

    async def subscribed_apps(self, account_id: str) -> list[SubscribedApp]:
        """The apps whose webhooks get what happens in the account."""
        answer = await self._call("GET", f"{quote(account_id, safe='')}/subscribed_apps", {})
        apps = [_object(each.get("whatsapp_business_api_data")) for each in _objects(answer.get("data"))]
        return [SubscribedApp(str(app["id"]), _text(app.get("name"))) for app in apps if app.get("id")]

    async def subscribe(self, account_id: str) -> None:
        """Let the token's app get the account's webhooks. Doing it twice is doing it once (WHATSAPP.md 1.7)."""
        answer = await self._call("POST", f"{quote(account_id, safe='')}/subscribed_apps", {})
        if answer.get("success") is not True:
            raise AccountError("Meta did not confirm the subscription", http_status=HTTPStatus.OK)

    async def webhook_form(self, app_id: str, app_secret: str) -> WebhookEntry | None:
        """What stands in the app's webhook form for WhatsApp; None for nothing.

        Asked with the app's own token (id and secret), so a wrong secret is refused.
        """
        own = f"{app_id}|{app_secret}"
        answer = await self._call("GET", f"{quote(app_id, safe='')}/subscriptions", {}, token=own)
        for each in _objects(answer.get("data")):
            if each.get("object") == _ACCOUNT_OBJECT:
                names = (entry.get("name") for entry in _objects(each.get("fields")))
                chosen = frozenset(name for name in names if isinstance(name, str))
                return WebhookEntry(_text(each.get("callback_url")), chosen, each.get("active") is not False)
        return None

    async def _call(
        self, method: str, path: str, query: Mapping[str, str], *, token: str | None = None
    ) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token or self._token}"}
        try:
            async with self._session.request(
                method,
                f"{self._root}/{path}",
                params=query,
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                answer = answered(await response.read())
        except TimeoutError as exc:
            raise AccountError(f"no answer within {self._timeout.total:g} s") from exc
        except aiohttp.ClientError as exc:
            # its text may hold the address, and with that the token
            raise AccountError(f"no connection ({type(exc).__name__})") from exc
        if response.status != HTTPStatus.OK or "error" in (answer or {}):
            raise self._refusal(response.status, answer, token)
        if answer is None:
            raise AccountError("the answer is not Meta's JSON", http_status=response.status)
        return answer

    def _refusal(self, status: int, answer: dict[str, Any] | None, token: str | None) -> AccountError:
        error = error_of(answer)
        return AccountError(error.without(self._token, token) or f"HTTP {status}", error.code, status)


def _token_facts(told: Mapping[str, Any]) -> TokenFacts:
    granular = {
        str(each.get("scope")): tuple(str(target) for target in _list(each.get("target_ids")))
        for each in _objects(told.get("granular_scopes"))
    }
    expires = _whole(told.get("expires_at")) or 0
    scopes = {str(scope) for scope in _list(told.get("scopes"))}
    return TokenFacts(
        valid=told.get("is_valid") is True,
        app_id=_text(told.get("app_id")),
        app_name=_text(told.get("application")),
        kind=_text(told.get("type")),
        expires_at=expires if 0 < expires <= _LAST_SECOND else None,  # 0: never
        permissions=frozenset(scopes | set(granular)),
        targets={scope: targets for scope, targets in granular.items() if targets},
        problem=_text(_object(told.get("error")).get("message")),
    )


def _number_facts(told: Mapping[str, Any]) -> NumberFacts:
    return NumberFacts(
        id=_text(told.get("id")) or "",
        phone=_text(told.get("display_phone_number")),
        name=_text(told.get("verified_name")),
        quality=_text(told.get("quality_rating")),
        status=_text(told.get("status")),
    )


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in _list(value) if isinstance(each, dict)]


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) and value != "" else None


def _whole(value: Any) -> int | None:
    return value if type(value) is int else None
