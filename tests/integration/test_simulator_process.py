import asyncio
import os
import signal
import sys

import aiohttp

from tests.fakes.webhook_door import WebhookDoor
from tests.shared import ROOT

SECRETS = {"WHATSAPP_APP_SECRET": "secret, old", "WHATSAPP_ACCESS_TOKEN": "token", "WHATSAPP_PHONE_NUMBER_ID": "777"}


async def start(webhook: str, secrets: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot.simulator", "--webhook", webhook, "--seed", "1"),
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in SECRETS} | secrets,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_it_lives_in_a_process_of_its_own():
    """Started as a process it says its address, serves both sides, and ends cleanly on SIGTERM."""
    async with WebhookDoor.open("secret") as door, aiohttp.ClientSession() as session:
        process = await start(door.url, SECRETS)
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().strip()
        said = {"customer": "12025550101", "text": "Hi"}
        async with session.post(f"{url}/simulator/messages", json=said) as answer:
            assert answer.status == 200
        await door.posts(1)
        message = {"messaging_product": "whatsapp", "to": "+12025550101", "type": "text", "text": {"body": "Hello"}}
        headers = {"Authorization": "Bearer token"}
        async with session.post(f"{url}/v26.0/777/messages", json=message, headers=headers) as answer:
            assert answer.status == 200
        await door.posts(2)
        assert door.forged == 0
        process.send_signal(signal.SIGTERM)
        _, complaints = await process.communicate()
        assert (process.returncode, complaints) == (0, b"")


async def test_missing_secrets_are_named():
    """Without its secrets it does not start, and names the ones that are missing."""
    process = await start("http://127.0.0.1:1", {"WHATSAPP_APP_SECRET": "secret"})
    _, complaints = await process.communicate()
    assert process.returncode == 1
    assert complaints.decode().strip() == "set WHATSAPP_ACCESS_TOKEN, WHATSAPP_PHONE_NUMBER_ID"
