"""Wires the chat models: the chosen one and its stand-in, their budget and their memory."""

import asyncio
import random
from contextlib import AsyncExitStack

from agents.chat_model import ModelOptions, OpenAIChatModel
from agents.circuit_breaker import BreakerState
from agents.model_budget import ModelBudget
from agents.model_line import ModelLine
from agents.model_memory import ModelMemory
from bot.health import Check, Component, State
from bot.settings import Settings
from database.clock import Clock
from database.engine import Database
from database.metrics import Metrics


async def open_model_line(
    stack: AsyncExitStack, settings: Settings, chat: Database, clock: Clock, dice: random.Random, metrics: Metrics
) -> ModelLine | None:
    """The models that the settings name, until the stack closes; None without any. `chat` keeps what they cost."""
    if not settings.has_model:
        return None
    budget = await stack.enter_async_context(
        ModelBudget.running(chat, clock, daily_usd=settings.concierge_daily_budget_usd)
    )
    models = [OpenAIChatModel(options, clock, dice, metrics) for options in model_options(settings)]
    for model in models:
        stack.push_async_callback(model.close)
        loading = asyncio.create_task(model.load(), name="load the chat model")
        stack.push_async_callback(asyncio.wait, {loading})
    memory = ModelMemory(
        clock, entries=settings.concierge_model_cache_entries, seconds=settings.concierge_model_cache_seconds
    )
    seconds = settings.concierge_model_timeout_seconds
    return ModelLine(models, budget, memory, clock, metrics, timeout_seconds=seconds)


def model_options(settings: Settings) -> list[ModelOptions]:
    """The chosen model, and the one behind it if there is one.

    A stand-in on another server never gets the first server's key.
    """
    first = _options(
        settings,
        settings.concierge_chat_model,
        settings.openai_api_key.get_secret_value(),
        settings.openai_base_url,
    )
    if not settings.concierge_fallback_model:
        return [first]
    key = settings.concierge_fallback_api_key.get_secret_value()
    base_url = settings.concierge_fallback_base_url
    if not base_url:
        key, base_url = key or first.api_key, first.base_url
    return [first, _options(settings, settings.concierge_fallback_model, key, base_url)]


def model_check(line: ModelLine | None) -> Check:
    """The models as they were last seen: nobody is asked for it."""

    async def check() -> Component:
        if line is None:
            return Component(State.OK, {"answers": "built-in"})
        state = line.state()
        away = [name for name, breaker in state.breakers.items() if breaker is not BreakerState.CLOSED]
        facts = {"breakers": {name: breaker.value for name, breaker in state.breakers.items()}}
        problems = [f"{name} does not answer" for name in away]
        if state.businesses_without_money:
            problems.append(f"{state.businesses_without_money} businesses have spent their daily budget")
        return Component(State.DEGRADED, {**facts, "problems": problems}) if problems else Component(State.OK, facts)

    return check


def _options(settings: Settings, model: str, api_key: str, base_url: str) -> ModelOptions:
    return ModelOptions(
        model=model,
        api_key=api_key,
        base_url=base_url,
        timeout_seconds=settings.concierge_model_timeout_seconds,
        retries=settings.concierge_model_retries,
        concurrency=settings.concierge_model_concurrency,
        breaker_failures=settings.concierge_model_breaker_failures,
        breaker_seconds=settings.concierge_model_breaker_seconds,
        prices=settings.concierge_model_prices,
    )
