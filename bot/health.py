"""Is it alive, can it work, and what do the figures say: /health/live, /health/ready and /metrics."""

import asyncio
import errno
import logging
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from bot.api.guard import key_of
from database.engine import Database
from database.probe import writable

logger = logging.getLogger(__name__)

CHECK_SECONDS = 5.0
MEGABYTE = 1024 * 1024
LOW_DISK_BYTES = 500 * MEGABYTE
FULL_DISK_BYTES = 20 * MEGABYTE


class State(StrEnum):
    """`degraded` answers customers still, but not at its best; `down` does not."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Component:
    """How a part of the bot is. `facts` are figures that help whoever looks; never secrets or texts."""

    state: State
    facts: Mapping[str, Any] = field(default_factory=dict)


Check = Callable[[], Awaitable[Component]]


@dataclass(frozen=True, slots=True)
class HealthNeeds:
    """What the probes ask. `tokens` are those of the API; `metrics_public` opens /metrics to everybody."""

    checks: Mapping[str, Check]
    registry: CollectorRegistry
    tokens: Mapping[str, str]
    metrics_public: bool = False


HEALTH: web.AppKey[HealthNeeds] = web.AppKey("health", HealthNeeds)


def install_health(app: web.Application) -> None:
    """Put the routes into `app`. Before the first request, `app[HEALTH]` must hold what they ask."""
    app.router.add_route("GET", "/health/live", live)
    app.router.add_route("GET", "/health/ready", ready)
    app.router.add_route("GET", "/metrics", metrics)


async def live(_request: web.Request) -> web.Response:
    """200 as long as the process answers at all."""
    return web.json_response({"status": State.OK})


async def ready(request: web.Request) -> web.Response:
    """200 or 503, with every component: `{"status": "ok|degraded|down", "components": {name: {"status", …}}}`."""
    checks = request.app[HEALTH].checks
    found = await asyncio.gather(*(_examined(name, check) for name, check in checks.items()))
    components = {name: {"status": each.state, **each.facts} for name, each in zip(checks, found, strict=True)}
    states = {each.state for each in found}
    overall = State.DOWN if State.DOWN in states else State.DEGRADED if State.DEGRADED in states else State.OK
    status = HTTPStatus.SERVICE_UNAVAILABLE if overall is State.DOWN else HTTPStatus.OK
    return web.json_response({"status": overall, "components": components}, status=status)


async def metrics(request: web.Request) -> web.Response:
    """The figures as Prometheus text; wants the API's token unless they are public."""
    needs = request.app[HEALTH]
    if not needs.metrics_public and key_of(request, needs.tokens) is None:
        raise web.HTTPUnauthorized(headers={"WWW-Authenticate": 'Bearer realm="concierge"'})
    return web.Response(body=generate_latest(needs.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


def database_check(database: Database) -> Check:
    """A write through the seam, at most one a second whoever asks; `down` when it fails."""
    lock, version, good_until = asyncio.Lock(), "", 0.0

    async def check() -> Component:
        nonlocal version, good_until
        async with lock:
            now = asyncio.get_running_loop().time()
            if now >= good_until:
                version = await database.write(writable(), timeout_seconds=CHECK_SECONDS)
                good_until = now + 1
        return Component(State.OK, {"sqlite": version, "waiting_units": database.waiting})

    return check


def disk_check(directory: Path) -> Check:
    """The room that is left where the data lie."""

    async def check() -> Component:
        free = (await asyncio.to_thread(shutil.disk_usage, directory)).free
        state = State.DOWN if free < FULL_DISK_BYTES else State.DEGRADED if free < LOW_DISK_BYTES else State.OK
        return Component(state, {"free_mb": free // MEGABYTE})

    return check


async def _examined(name: str, check: Check) -> Component:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check()
    except Exception as error:  # noqa: BLE001 - the edge: a check that fails is the answer, not a fault of the probe
        logger.warning("the check of %s failed: %s", name, type(error).__name__)
        return Component(State.DOWN, {"error": _short(error)})


def _short(error: Exception) -> str:
    """The kind of fault only: probes answer everybody."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.errno:
        return errno.errorcode.get(error.errno, "OSError")
    return type(error).__name__
