"""The simulator as a process of its own: `python -m bot.simulator --webhook URL`; secrets come by environment."""

import argparse
import asyncio
import os
import random
import signal
import sys

from bot.simulator.settings import SimulatorSettings
from bot.simulator.simulator import Simulator
from database.clock import SystemClock

SECRETS = ("WHATSAPP_APP_SECRET", "WHATSAPP_ACCESS_TOKEN", "WHATSAPP_PHONE_NUMBER_ID")


def main() -> None:
    """Run until SIGTERM or SIGINT; the first line of output is the address."""
    arguments = _parser().parse_args()
    missing = [name for name in SECRETS if not os.environ.get(name)]
    if missing:
        sys.exit(f"set {', '.join(missing)}")
    # Of several app secrets, for rotation, WhatsApp uses one.
    app_secret, access_token, phone_number_id = (os.environ[name].split(",")[0].strip() for name in SECRETS)
    settings = SimulatorSettings(
        app_secret=app_secret,
        access_token=access_token,
        phone_number_id=phone_number_id,
        webhook_url=arguments.webhook,
        port=arguments.port,
        webhook_batch=arguments.batch,
        webhook_connections=arguments.connections,
        webhook_timeout_seconds=arguments.webhook_timeout,
        retry_max_seconds=arguments.retry_max,
        check_window=not arguments.no_window,
        check_pair_rate=arguments.pair_rate,
        number_rate=arguments.number_rate,
        server_url=arguments.server,
        admin_token=os.environ.get("CONCIERGE_ADMIN_TOKEN"),
    )
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        runner.run(_run(settings, random.Random(arguments.seed)))  # noqa: S311 - dice for faults, not for secrets


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # noqa: PLC0415 - not there on every system
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _run(settings: SimulatorSettings, dice: random.Random) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Simulator.running(SystemClock(), dice, settings) as simulator:
        sys.stdout.write(f"{simulator.url}\n")
        sys.stdout.flush()
        await stop.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bot.simulator", description=__doc__)
    parser.add_argument("--webhook", required=True, help="where updates are posted")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--server", help="address of the server's API, for the page's knowledge panel")
    parser.add_argument("--seed", type=int, help="of the dice that faults roll")
    parser.add_argument("--batch", type=int, default=50, help="updates that may share a POST")
    parser.add_argument("--connections", type=int, default=8, help="POSTs at once")
    parser.add_argument("--webhook-timeout", type=float, default=10.0, help="seconds to wait for an answer")
    parser.add_argument("--retry-max", type=float, default=1.0, help="longest pause between retries, in seconds")
    parser.add_argument("--no-window", action="store_true", help="take messages outside the 24-hour window")
    parser.add_argument("--pair-rate", action="store_true", help="limit messages to one customer")
    parser.add_argument("--number-rate", type=float, help="limit messages a second, in and out; 80 for a new number")
    return parser


if __name__ == "__main__":
    main()
