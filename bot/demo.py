"""`concierge demo`: server, WhatsApp simulator and a sample business on this machine, and nothing else needed."""

import asyncio
import json
import logging
import os
import random
import secrets
import signal
import socket
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from aiohttp import web
from pydantic import SecretStr

from bot.app import Outside, create_app
from bot.commands.failures import CommandError, Exit
from bot.commands.printing import complain, say
from bot.data_directory import DATABASE_FILES, DEMO_MARK, OWNED
from bot.interpreter import settle
from bot.logs import AccessLog, configure_logging
from bot.sample_business.upload import add_sample
from bot.settings import Settings, load_settings
from bot.simulator.settings import SimulatorSettings
from bot.simulator.simulator import Simulator
from database.clock import Clock, SystemClock

LOOPBACK = "127.0.0.1"
PORTS_TO_TRY = 100
LAST_PORT = 65_535
PHONE_NUMBER_ID = "100200300400500"
BUSINESS_NAME = "Harbour Cycles"
OWNER_PHONE = "12025550100"
CUSTOMERS = (("12025550101", "Maria"), ("US.13491208655302741918", "Sam"), (OWNER_PHONE, "Owner"))
QUESTIONS = ("When are you open on Saturday?", "How much is a full service?", "Can I return a helmet?")
STATUS_DELAYS_SECONDS = (0.2, 0.4, 0.8)
STOP_SECONDS = 5.0


async def run_demo() -> int:
    """Run until Ctrl-C or SIGTERM. Raises CommandError, SettingsError, OwnedError when it cannot start."""
    task = asyncio.current_task()
    if task is not None:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        async with AsyncExitStack() as stack:
            await _start(stack, SystemClock())
            await asyncio.Event().wait()
    except asyncio.CancelledError:
        if task is not None:
            task.uncancel()
    return Exit.OK


async def _start(stack: AsyncExitStack, clock: Clock) -> None:
    complain("Starting the demo ...")
    wanted = load_settings(serving=False)
    door = stack.enter_context(_free_socket(wanted.port))
    settings = _demo_settings(wanted, door.getsockname()[1])
    sample_added = await asyncio.to_thread(_claim_directory, settings.concierge_data_dir)
    dice = random.Random()  # noqa: S311 - dice for faults, not for secrets
    simulator = await stack.enter_async_context(Simulator.running(clock, dice, _simulator_settings(settings)))
    for address, name in CUSTOMERS:
        simulator.add_customer(address, name=name)
    url = await _serve(stack, settings.model_copy(update={"whatsapp_api_url": simulator.url}), simulator, door)
    if not sample_added:
        complain(f"Reading what {BUSINESS_NAME} knows ...")
        for filename, error in await add_sample(url, settings.concierge_admin_token.get_secret_value(), clock):
            complain(f"{filename} could not be read: {error}")
        await asyncio.to_thread(_mark, settings.concierge_data_dir, sample_added=True)
    say(f"Open {url}/ and ask {BUSINESS_NAME} something. Ctrl-C ends the demo.")
    sys.stdout.flush()
    settle()


async def _serve(stack: AsyncExitStack, settings: Settings, simulator: Simulator, door: socket.socket) -> str:
    app = create_app(settings, Outside.real())
    simulator.install_page(app)
    runner = web.AppRunner(
        app,
        access_log_class=AccessLog,
        access_log=logging.getLogger("bot.access"),
        shutdown_timeout=settings.concierge_stop_grace_seconds,
    )
    stack.push_async_callback(runner.cleanup)
    await runner.setup()
    await web.SockSite(runner, door).start()
    await app[OWNED].announce(settings.host, settings.port, SystemClock().now())
    stack.push_async_callback(app[OWNED].withdraw)
    return f"http://{settings.host}:{settings.port}"


def _demo_settings(wanted: Settings, port: int) -> Settings:
    """The owner's settings, except for what a demo must not share with a real service."""
    demo = wanted.model_copy(
        update={
            "whatsapp_access_token": _random_secret(),
            "whatsapp_verify_token": _random_secret(),
            "whatsapp_app_secret": _random_secret(),
            "whatsapp_phone_number_id": PHONE_NUMBER_ID,
            "concierge_admin_token": _random_secret(),
            "concierge_admin_contacts": wanted.concierge_admin_contacts | {OWNER_PHONE},
            "concierge_data_dir": Path(os.environ.get("CONCIERGE_DATA_DIR") or "demo-data"),
            "concierge_stop_grace_seconds": STOP_SECONDS,
            "host": LOOPBACK,
            "port": port,
        }
    )
    level = wanted.concierge_log_level if "concierge_log_level" in wanted.model_fields_set else "warning"
    configure_logging(level, secrets=demo.secret_values)
    return demo


def _simulator_settings(settings: Settings) -> SimulatorSettings:
    server = f"http://{settings.host}:{settings.port}"
    return SimulatorSettings(
        app_secret=settings.whatsapp_app_secret.get_secret_value(),
        access_token=settings.whatsapp_access_token.get_secret_value(),
        phone_number_id=settings.whatsapp_phone_number_id,
        webhook_url=f"{server}/webhooks/whatsapp",
        business_name=BUSINESS_NAME,
        check_window=False,  # it has forgotten who wrote before the last stop
        status_delays_seconds=STATUS_DELAYS_SECONDS,
        server_url=server,
        admin_token=settings.concierge_admin_token.get_secret_value(),
        suggestions=QUESTIONS,
    )


def _random_secret() -> SecretStr:
    return SecretStr(secrets.token_urlsafe(32))


def _free_socket(first: int) -> socket.socket:
    """A socket bound to the first free port from `first` on, so that nobody takes it meanwhile."""
    last = min(first + PORTS_TO_TRY - 1, LAST_PORT)
    for port in range(first, last + 1):
        door = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        # As asyncio does: otherwise a port stays taken for a minute after the last demo.
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((LOOPBACK, port))
            door.listen()
        except OSError:
            door.close()
        else:
            return door
    raise CommandError(f"No port from {first} to {last} is free. Set PORT to another.")


def _claim_directory(directory: Path) -> bool:
    """Whether the demo's directory has its sample; marks a new one, refuses one that holds somebody's real data."""
    if (directory / DEMO_MARK).exists():
        return bool(json.loads((directory / DEMO_MARK).read_text())["sample_added"])
    if (directory / DATABASE_FILES["chat"]).exists():
        raise CommandError(
            f"{directory} holds the data of a real service. Set CONCIERGE_DATA_DIR to another directory."
        )
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    _mark(directory, sample_added=False)
    return False


def _mark(directory: Path, *, sample_added: bool) -> None:
    (directory / DEMO_MARK).write_text(json.dumps({"sample_added": sample_added}))
