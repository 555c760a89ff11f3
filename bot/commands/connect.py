"""`concierge connect`: is everything ready for a real number, and what to do next where it is not."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from bot.commands.failures import CommandError, Exit
from bot.commands.findings import Finding, State, as_objects, exit_code, ok, print_findings, problem, skipped, warning
from bot.commands.graph_advice import NETWORK, WINDOW_ADVICE, why_not_sent
from bot.commands.meta_checks import account_of, check_app, check_number, check_subscription, check_token
from bot.commands.printing import say, say_json
from bot.commands.webhook_reach import PATH, WebhookReach, webhook_address
from bot.data_directory import Owner, find_owner
from bot.settings import Settings
from database.clock import Clock
from services.whatsapp.account import AccountClient
from services.whatsapp.client import WhatsAppClient
from services.whatsapp.errors import NotSentError, SendError, UnsureError

TEST_MESSAGE = "Test message"
TEST_TEXT = "This is a test message from Concierge: this number can send."
TEMPLATE_LANGUAGE = "en_US"
ATTEMPT = "concierge connect"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asked for: our address as Meta sees it, a phone for a test message, a template for it."""

    url: str | None = None
    to: str | None = None
    template: str | None = None


async def connect(settings: Settings, clock: Clock, wanted: Wanted, *, as_json: bool) -> Exit:
    """Print what was found, one line a check; FAILED when there is a problem.

    Raises CommandError for an address or phone that cannot be one.
    """
    callback = _callback(wanted.url)
    phone = _phone(wanted.to)
    async with aiohttp.ClientSession() as session:
        findings = [_settings(settings), *await _at_meta(session, settings, clock, callback)]
        refused = any(each.name == "Token" and each.state is State.PROBLEM for each in findings)
        findings += await _our_door(session, settings, callback)
        findings.append(
            skipped(TEST_MESSAGE, "needs a token that works")
            if refused
            else await check_test_message(session, settings, phone, wanted.template)
        )
    if as_json:
        say_json({"ok": exit_code(findings) is Exit.OK, "checks": as_objects(findings)})
    else:
        print_findings(findings)
        say("")
        say(_ending(findings))
    return exit_code(findings)


def _callback(url: str | None) -> str | None:
    try:
        return None if url is None else webhook_address(url)
    except ValueError as error:
        raise CommandError(f"--url {error}.") from None


def _phone(to: str | None) -> str | None:
    if to is None:
        return None
    digits = re.sub(r"[\s().-]", "", to).removeprefix("+")
    if not re.fullmatch(r"[1-9][0-9]{6,14}", digits):
        raise CommandError("--to must be a phone with its country code, like +4915112345678.")
    return digits


def _settings(settings: Settings) -> Finding:
    missing = [name for name, _ in settings.missing_to_serve]
    if missing:
        return problem(
            "Settings",
            f"missing: {', '.join(missing)}",
            "Put them into .env or the environment; .env.example says where each comes from.",
        )
    return ok("Settings", "all that `concierge serve` needs are there")


async def _at_meta(
    session: aiohttp.ClientSession, settings: Settings, clock: Clock, callback: str | None
) -> list[Finding]:
    token = settings.whatsapp_access_token.get_secret_value()
    if not token:
        return [skipped("Meta", "needs WHATSAPP_ACCESS_TOKEN")]
    account = AccountClient(
        session,
        api_url=settings.whatsapp_api_url,
        api_version=settings.whatsapp_api_version,
        access_token=token,
        timeout_seconds=settings.concierge_check_timeout_seconds,
    )
    checked = await check_token(account, clock.now())
    if not checked.usable:
        return [*checked.findings, skipped("Number, account", "need a token that works")]
    app_id = checked.facts.app_id if checked.facts else None
    account_id = account_of(settings.whatsapp_business_account_id, checked.facts)
    found = [*checked.findings, *await check_app(account, app_id, settings.app_secrets, callback)]
    if settings.whatsapp_phone_number_id:
        found += await check_number(account, settings.whatsapp_phone_number_id, account_id)
    else:
        found.append(skipped("Number", "needs WHATSAPP_PHONE_NUMBER_ID"))
    return [*found, await check_subscription(account, account_id, app_id)]


async def _our_door(session: aiohttp.ClientSession, settings: Settings, callback: str | None) -> list[Finding]:
    """The running server by its own address, and the same from outside when we know how Meta reaches us."""
    verify_token = settings.whatsapp_verify_token.get_secret_value()
    if not verify_token or not settings.app_secrets:
        return [skipped("Webhook", "needs WHATSAPP_VERIFY_TOKEN and WHATSAPP_APP_SECRET")]
    reach = WebhookReach(
        session,
        verify_token=verify_token,
        app_secrets=settings.app_secrets,
        timeout_seconds=settings.concierge_check_timeout_seconds,
    )
    owner = await asyncio.to_thread(find_owner, settings.concierge_data_dir)
    found = [await _server(reach, owner)]
    if callback is not None:
        return [*found, await reach.look("Webhook", callback)]
    return [
        *found,
        skipped(
            "Webhook",
            "add --url https://<your host> to see whether Meta can reach it",
            f"At Meta, WhatsApp > Configuration: callback URL https://<your host>{PATH}, verify token: the value of"
            " WHATSAPP_VERIFY_TOKEN, field messages.",
        ),
    ]


async def _server(reach: WebhookReach, owner: Owner | None) -> Finding:
    if owner is None:
        return warning("Server", "no server runs on this data directory", "Start it: `concierge serve`.")
    if owner.url is None:
        return warning("Server", f"process {owner.pid} is starting or stopping", "Run it again in a moment.")
    return await reach.look("Server", f"{owner.url}{PATH}")


async def check_test_message(
    session: aiohttp.ClientSession, settings: Settings, phone: str | None, template: str | None
) -> Finding:
    """Send a message to a phone (digits), or a template without parameters: what became of it."""
    token, number_id = settings.whatsapp_access_token.get_secret_value(), settings.whatsapp_phone_number_id
    if phone is None:
        return skipped(TEST_MESSAGE, "add --to +<country code and number> to send one")
    if not token or not number_id:
        return skipped(TEST_MESSAGE, "needs WHATSAPP_ACCESS_TOKEN and WHATSAPP_PHONE_NUMBER_ID")
    line = WhatsAppClient(
        session,
        api_url=settings.whatsapp_api_url,
        api_version=settings.whatsapp_api_version,
        access_token=token,
    )
    try:
        await line.send(
            number_id,
            _message(template),
            phone=phone,
            bsuid=None,
            attempt_id=ATTEMPT,
            timeout_seconds=settings.concierge_check_timeout_seconds,
        )
    except NotSentError as error:
        return problem(TEST_MESSAGE, f"It was not sent: {error.details}.", NETWORK)
    except UnsureError as error:
        return warning(TEST_MESSAGE, f"no definite answer: {error.details}", "Look at the phone before you repeat it.")
    except SendError as error:
        return problem(TEST_MESSAGE, *why_not_sent(error))
    later = "" if template else f"Nothing arrives? {WINDOW_ADVICE}"
    return ok(TEST_MESSAGE, f"Meta took it for +{phone}: look at the phone", later)


def _message(template: str | None) -> dict[str, Any]:
    if template is None:
        return {"type": "text", "text": {"body": TEST_TEXT, "preview_url": False}}
    return {"type": "template", "template": {"name": template, "language": {"code": TEMPLATE_LANGUAGE}}}


def _ending(findings: Sequence[Finding]) -> str:
    if exit_code(findings) is not Exit.OK:
        return "Not ready yet: begin with the first problem above."
    # a test message is a wish; without any of the others nobody knows that a customer would be answered
    left = dict.fromkeys(each.name for each in findings if each.state is State.SKIPPED and each.name != TEST_MESSAGE)
    if left:
        return f"Nothing wrong found; not checked: {', '.join(left)}. The lines above say what these need."
    return "Ready. Write to the number from any phone: Concierge answers while `concierge serve` runs."
