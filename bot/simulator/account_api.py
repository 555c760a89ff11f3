"""What `concierge connect` and dashboards ask the Graph API: token, number, account, subscription."""

from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from bot.settings import is_loopback
from bot.simulator.account import MANAGEMENT, MESSAGING
from bot.simulator.graph_door import GraphDoor, answered, no_such_object, read_object
from bot.simulator.refusals import MetaRefusalError
from bot.simulator.world import World

NUMBER_FIELDS = ("verified_name", "code_verification_status", "display_phone_number", "quality_rating")
ACCOUNT_FIELDS = ("name", "timezone_id", "message_template_namespace")
# Fields that Graph knows and leaves out where there is nothing to say.
EMPTY_NUMBER_FIELDS = frozenset(
    {
        *("certificate", "conversational_automation", "country_code", "country_dial_code", "health_status"),
        *("eligibility_for_api_business_global_search", "is_on_biz_app", "is_pin_enabled", "is_preverified_number"),
        *("last_onboarded_time", "messaging_limit_tier", "new_certificate", "new_name_status", "quality_score"),
        "search_visibility",
    }
)
EMPTY_ACCOUNT_FIELDS = frozenset(
    {
        *("disable_marketing_messages_on_cloud_api", "health_status", "is_enabled_for_insights"),
        *("marketing_messages_lite_api_status", "marketing_messages_onboarding_status"),
        *("on_behalf_of_business_info", "owner_business_info"),
    }
)
PREFIX = r"/{version:v\d+\.\d+}"


class AccountApi:
    """`GET /{number}`, `GET /{account}` and `/phone_numbers`, `/subscribed_apps`, `/debug_token`, the app's form."""

    def __init__(self, world: World, door: GraphDoor) -> None:
        self._world = world
        self._door = door

    def routes(self) -> list[web.RouteDef]:
        """Without `GET /{id}`, which other objects answer, too."""
        guarded = self._door.guarded
        return [
            web.get(PREFIX + "/debug_token", guarded("debug_token", self._debug_token)),
            web.get("/debug_token", guarded("debug_token", self._debug_token)),
            web.get(PREFIX + "/{id}/subscriptions", guarded("subscriptions", self._webhook_form)),
            web.get(PREFIX + "/{id}/phone_numbers", guarded("phone_numbers", self._numbers)),
            web.get(PREFIX + "/{id}/subscribed_apps", guarded("subscribed_apps", self._subscribed)),
            web.post(PREFIX + "/{id}/subscribed_apps", guarded("subscribed_apps", self._subscribe)),
            web.delete(PREFIX + "/{id}/subscribed_apps", guarded("subscribed_apps", self._unsubscribe)),
        ]

    def node(self, request: web.Request) -> web.StreamResponse | None:
        """The number or the account, when the id is theirs."""
        settings = self._world.settings
        if request.match_info["id"] == settings.phone_number_id:
            self._door.check_scope(MANAGEMENT)
            return answered(_chosen(self._number(), _fields(request, NUMBER_FIELDS), EMPTY_NUMBER_FIELDS))
        if request.match_info["id"] == settings.account_id:
            self._door.check_scope(MANAGEMENT)
            return answered(_chosen(self._account(), _fields(request, ACCOUNT_FIELDS), EMPTY_ACCOUNT_FIELDS))
        return None

    async def _numbers(self, request: web.Request) -> web.StreamResponse:
        self._check_account(request)
        number = _chosen(self._number(), _fields(request, NUMBER_FIELDS), EMPTY_NUMBER_FIELDS)
        return answered({"data": [number], "paging": {"cursors": {"before": "MA", "after": "MA"}}})

    async def _subscribed(self, request: web.Request) -> web.StreamResponse:
        self._check_account(request)
        return answered({"data": self._apps()})

    async def _subscribe(self, request: web.Request) -> web.StreamResponse:
        """With `override_callback_uri` Meta tries the handshake there; an answer that is not the challenge refuses."""
        self._check_account(request)
        has_json = request.can_read_body and request.content_type == "application/json"
        asked = await read_object(request) if has_json else {}
        uri, token = asked.get("override_callback_uri"), asked.get("verify_token")
        if uri is not None:
            if not isinstance(uri, str) or not isinstance(token, str):
                raise MetaRefusalError(100, "override_callback_uri and verify_token are required together.")
            if not _on_this_machine(uri):
                raise MetaRefusalError(100, "The simulator calls no other machine: name a loopback address.")
            if not await self._world.webhooks.handshake(uri, token):
                raise MetaRefusalError(
                    100, "The callback URL or verify token couldn't be validated: the challenge did not come back."
                )
        self._world.account.subscribed = {} if uri is None else {"override_callback_uri": uri}
        return answered({"success": True})

    async def _unsubscribe(self, request: web.Request) -> web.StreamResponse:
        self._check_account(request)
        self._world.account.subscribed = None
        return answered({"success": True})

    async def _debug_token(self, request: web.Request) -> web.StreamResponse:
        if "input_token" not in request.query:
            raise MetaRefusalError(100, "The parameter input_token is required.")
        settings, account = self._world.settings, self._world.account
        if request.query["input_token"] != settings.access_token:
            error = {"code": 190, "message": "The access token could not be decrypted"}
            return answered({"data": {"error": error, "is_valid": False, "scopes": []}})
        targets = {MESSAGING: settings.account_id, MANAGEMENT: settings.account_id}
        granular = [{"scope": scope, "target_ids": [targets[scope]]} for scope in account.scopes if scope in targets]
        facts = {
            "app_id": settings.app_id,
            "type": "SYSTEM_USER",
            "application": settings.app_name,
            "data_access_expires_at": 0,
            "expires_at": account.token_expires_at // 1000,
            "is_valid": True,
            "issued_at": self._world.began_at // 1000,
            "scopes": list(account.scopes),
            "granular_scopes": granular,
            "user_id": "122100000000000001",
        }
        return answered({"data": facts})

    async def _webhook_form(self, request: web.Request) -> web.StreamResponse:
        """What the app's dashboard holds: where to post, and what."""
        settings = self._world.settings
        if request.match_info["id"] != settings.app_id:
            raise no_such_object(request, request.match_info["id"])
        form = {
            "object": "whatsapp_business_account",
            "callback_url": settings.webhook_url,
            "active": True,
            "fields": [{"name": "messages", "version": request.match_info["version"]}],
        }
        return answered({"data": [form]})

    def _check_account(self, request: web.Request) -> None:
        self._door.check_scope(MANAGEMENT)
        if request.match_info["id"] != self._world.settings.account_id:
            raise no_such_object(request, request.match_info["id"])

    def _apps(self) -> list[dict[str, Any]]:
        settings, subscribed = self._world.settings, self._world.account.subscribed
        if subscribed is None:
            return []
        link = f"https://www.facebook.com/games/?app_id={settings.app_id}"
        app = {"link": link, "name": settings.app_name, "id": settings.app_id}
        return [{"whatsapp_business_api_data": app} | subscribed]

    def _callbacks(self) -> dict[str, str]:
        """Where the number's messages are posted: the account's own address goes before the app's."""
        own = (self._world.account.subscribed or {}).get("override_callback_uri")
        return {"application": self._world.settings.webhook_url} | ({"whatsapp_business_account": own} if own else {})

    def _number(self) -> dict[str, Any]:
        settings, account = self._world.settings, self._world.account
        return {
            "id": settings.phone_number_id,
            "verified_name": account.verified_name,
            "display_phone_number": settings.display_phone_number,
            "quality_rating": account.quality_rating,
            "status": account.status,
            "code_verification_status": account.code_verification_status,
            "name_status": account.name_status,
            "platform_type": "CLOUD_API" if account.status == "CONNECTED" else "NOT_APPLICABLE",
            "throughput": {"level": account.throughput_level},
            "account_mode": "LIVE" if account.allowed is None else "SANDBOX",
            "is_official_business_account": False,
            "webhook_configuration": self._callbacks(),
            "whatsapp_business_manager_messaging_limit": "TIER_2K",
        }

    def _account(self) -> dict[str, Any]:
        settings = self._world.settings
        return {
            "id": settings.account_id,
            "name": settings.business_name,
            "timezone_id": "1",
            "message_template_namespace": "5b5e5c5d_0000_4000_8000_000000000000",
            "status": "ACTIVE",
            "account_review_status": "APPROVED",
            "business_verification_status": "verified",
            "country": "US",
            "currency": "USD",
            "ownership_type": "SELF",
            "subscribed_apps": {"data": self._apps()},
        }


def _fields(request: web.Request, standard: tuple[str, ...]) -> list[str]:
    asked = request.query.get("fields")
    return list(standard) if not asked else [name.strip() for name in asked.split(",") if name.strip()]


def _on_this_machine(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme in {"http", "https"} and is_loopback(parts.hostname or "")
    except ValueError:
        return False


def _chosen(facts: dict[str, Any], names: list[str], empty: frozenset[str]) -> dict[str, Any]:
    """What was asked for; Graph always adds the id. Raises MetaRefusalError for a field that there is not."""
    unknown = [name for name in names if name not in facts and name not in empty]
    if unknown:
        raise MetaRefusalError(100, f"Tried accessing nonexisting field ({unknown[0]})")
    return {name: facts[name] for name in names if name in facts} | {"id": facts["id"]}
