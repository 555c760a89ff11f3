"""What `concierge doctor --online` asks others: Meta about the token, the model for one word."""

import random

import aiohttp

from bot.commands.findings import Finding, ok, problem, skipped, warning
from bot.commands.graph_advice import NEW_TOKEN, TOKEN_CODES, what_is_wrong, what_to_do
from bot.commands.meta_checks import expiry
from bot.settings import Settings
from database.clock import Clock
from database.metrics import Metrics
from services.whatsapp.account import AccountClient
from services.whatsapp.errors import AccountError

ONLINE = "`concierge doctor --online` asks"


async def check_token_life(
    session: aiohttp.ClientSession, settings: Settings, clock: Clock, *, online: bool
) -> Finding:
    """Whether Meta takes the token, and how long still."""
    token = settings.whatsapp_access_token.get_secret_value()
    if not token:
        return skipped("Token", "WHATSAPP_ACCESS_TOKEN is not set")
    if not online:
        return skipped("Token", ONLINE)
    account = AccountClient(
        session,
        api_url=settings.whatsapp_api_url,
        api_version=settings.whatsapp_api_version,
        access_token=token,
        timeout_seconds=settings.concierge_check_timeout_seconds,
    )
    try:
        facts = await account.token()
    except AccountError as error:
        told = what_is_wrong(error), what_to_do(error, "WHATSAPP_ACCESS_TOKEN")
        return problem("Token", *told) if error.code in TOKEN_CODES else warning("Token", *told)
    if not facts.valid:
        return problem("Token", "Meta calls it invalid.", NEW_TOKEN)
    if ending := expiry("Token", facts, clock.now()):
        return ending
    return ok("Token", "Meta takes it; it does not expire soon")


async def check_model(settings: Settings, clock: Clock, *, online: bool) -> Finding:
    """Which model answers; with `online`, whether it does."""
    key = settings.openai_api_key.get_secret_value()
    if not key and not settings.openai_base_url:
        return ok("Model", "none: the built-in answers work, without network or cost")
    name = f"{settings.concierge_chat_model} at {settings.openai_base_url or 'OpenAI'}"
    if not online:
        return skipped("Model", f"{name}; {ONLINE}")
    from agents.chat_model import ModelOptions, OpenAIChatModel  # noqa: PLC0415 - only when it is asked
    from agents.ports import ModelError  # noqa: PLC0415 - the same

    options = ModelOptions(
        model=settings.concierge_chat_model,
        api_key=key,
        base_url=settings.openai_base_url,
        timeout_seconds=settings.concierge_check_timeout_seconds,
        retries=0,
    )
    model = OpenAIChatModel(options, clock, random.Random(0), Metrics())  # noqa: S311 - one try, nothing to spread
    try:
        await model.load()  # apart, so that importing the library does not count as waiting
        await model.complete("Answer with one word.", "Are you there?")
    except ModelError as error:
        return problem(
            "Model",
            f"{name} does not answer: {error}. Customers get the built-in answers meanwhile.",
            "Check OPENAI_API_KEY, OPENAI_BASE_URL, CONCIERGE_CHAT_MODEL, and the account's credit.",
        )
    finally:
        await model.close()
    return ok("Model", f"{name} answers")
