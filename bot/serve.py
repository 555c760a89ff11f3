"""`concierge serve`: listen, announce ourselves, and stop gracefully on SIGTERM or SIGINT."""

import asyncio
import logging
import signal

from aiohttp import web

from bot.app import Outside, create_app
from bot.commands.failures import CommandError, Exit
from bot.data_directory import DEMO_MARK, OWNED
from bot.interpreter import settle
from bot.logs import AccessLog, configure_logging
from bot.settings import Settings, SettingsError
from bot.version import VERSION
from database.clock import SystemClock
from database.schema_report import sqlite_library

logger = logging.getLogger(__name__)

SHORTEST_TOKEN = 16
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def serve(settings: Settings, outside: Outside) -> int:
    """Serve until a signal comes. Raises SettingsError, CommandError, OwnedError and the like when it cannot start."""
    if (settings.concierge_data_dir / DEMO_MARK).exists():
        # customers would be answered from the sample's knowledge
        raise SettingsError([("CONCIERGE_DATA_DIR", f"holds the demo ({DEMO_MARK} lies in it); set another directory")])
    configure_logging(settings.concierge_log_level, secrets=settings.secret_values)
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        runner.run(_serve(settings, outside))
    return Exit.OK


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # noqa: PLC0415 - not there on every system
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _serve(settings: Settings, outside: Outside) -> None:
    if len(settings.concierge_admin_token.get_secret_value()) < SHORTEST_TOKEN:
        logger.warning("CONCIERGE_ADMIN_TOKEN is short enough to be guessed: `openssl rand -hex 32` makes a better one")
    stop = asyncio.Event()
    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    app = create_app(settings, outside)
    runner = web.AppRunner(
        app,
        access_log_class=AccessLog,
        access_log=logging.getLogger("bot.access"),
        shutdown_timeout=settings.concierge_stop_grace_seconds,
    )
    try:
        if await _started(runner, stop):
            await _listen(runner, settings)
            settle()
            await stop.wait()
            logger.info("stopping: turns in flight may finish")
            await app[OWNED].withdraw()
    finally:
        await runner.cleanup()
    logger.info("stopped")


async def _started(runner: web.AppRunner, stop: asyncio.Event) -> bool:
    """Start everything behind the doors; False when a signal came first."""
    setup = asyncio.create_task(runner.setup(), name="start")
    stopped = asyncio.create_task(stop.wait(), name="signal")
    try:
        await asyncio.wait({setup, stopped}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
    if not setup.done():
        setup.cancel()
        await asyncio.wait({setup})
        return False
    await setup
    return True


async def _listen(runner: web.AppRunner, settings: Settings) -> None:
    try:
        await web.TCPSite(runner, settings.host, settings.port, backlog=1024).start()
    except OSError as error:
        raise CommandError(
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}. Set HOST or PORT to another."
        ) from error
    port = runner.addresses[0][1]
    await runner.app[OWNED].announce(settings.host, port, SystemClock().now())
    details = {"concierge": VERSION, "sqlite": sqlite_library(), "port": port}
    logger.info("Concierge listens on %s:%d", settings.host, port, extra={"details": details})
