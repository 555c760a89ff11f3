"""One owner a data directory, and the commands beside it: through the server, without it, and after it was killed."""

import asyncio
import json
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import psutil
import pytest

from bot.commands.failures import Exit
from tests.e2e.processes import ACCESS_TOKEN, Server, concierge, running_server
from tests.e2e.stage import until
from tests.fakes import webhook_posts

pytestmark = pytest.mark.blocking_allowed  # the tests wait for processes

NOWHERE = "http://127.0.0.1:9"
SECRETS = ("WHATSAPP_ACCESS_TOKEN", "WHATSAPP_VERIFY_TOKEN", "WHATSAPP_APP_SECRET", "CONCIERGE_ADMIN_TOKEN")


async def dead_letters(server: Server, *arguments: str) -> list[dict[str, Any]]:
    code, out, err = await concierge(server, "dead-letters", "list", "--json", *arguments)
    assert code == 0, err
    letters: list[dict[str, Any]] = json.loads(out)["dead_letters"]
    return letters


async def post_nonsense(server: Server) -> None:
    """A signed message from nobody: no event that means anything."""
    body = webhook_posts.envelope(webhook_posts.value(messages=[{"type": "text", "id": "wamid.nobody"}]))
    headers = {"X-Hub-Signature-256": webhook_posts.signature(body, "crash-app-secret")}
    async with server.api() as session, session.post("/webhooks/whatsapp", data=body, headers=headers) as answer:
        assert answer.status == 200


async def test_commands_beside_a_server_its_death_and_after(tmp_path: Path):
    """With a server they use it or are refused; killed, it leaves nothing that keeps them from working alone."""
    server = Server(tmp_path / "data", NOWHERE)
    async with running_server(server):
        assert server.process
        await post_nonsense(server)
        for command in ("migrate", "serve"):
            code, out, err = await concierge(server, command)
            assert (code, out) == (Exit.OWNED, "")
            assert f"kill {server.process.pid}" in err
            assert "Traceback" not in err
        [letter] = await dead_letters(server)
        assert letter["error"]
        code, out, _ = await concierge(server, "dead-letters", "retry", str(letter["id"]), "--json")
        assert (code, json.loads(out)) == (0, {"retried": 1})
        await server.kill()
    assert (server.directory / "run.json").exists(), "a killed server cannot tidy up"
    await works_alone(server)


async def works_alone(server: Server) -> None:
    assert len(await dead_letters(server)) == 1
    code, out, err = await concierge(server, "migrate")
    assert (code, out.count("is up to date")) == (0, 3), err
    code, out, err = await concierge(server, "dead-letters", "retry")
    assert code == 0, err
    assert await dead_letters(server) == []


async def test_a_file_that_fails_is_told_by_name_and_exit_code(tmp_path: Path):
    """`ingest` reads what it can, says per file why it could not, and ends with 1."""
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "good.txt").write_text("The lamp is green.")
    (folder / "empty.md").write_text("")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 and nothing else")
    server = Server(tmp_path / "data", NOWHERE)
    code, out, err = await concierge(server, "ingest", str(folder))
    assert code == Exit.FAILED, err
    lines = out.splitlines()
    assert len(lines) == 3
    assert "ready   good.txt (1 pieces)" in lines
    assert any(line.startswith("failed  empty.md: The file is empty.") for line in lines)
    assert any(line.startswith("failed  broken.pdf: The file is damaged") for line in lines)


async def test_a_predecessor_that_is_still_closing_is_waited_for(tmp_path: Path):
    """Within the lock wait a new server takes over from one that ends: a restart needs no gap."""
    old, new = Server(tmp_path / "data", NOWHERE), Server(tmp_path / "data", NOWHERE)
    async with running_server(old):
        starting = asyncio.create_task(new.start())
        try:
            await until(partial(is_at_the_lock, new), "the new server to wait")
            assert not starting.done()
            assert await old.stop() == 0
            await starting
            assert await new.stop() == 0
        finally:
            starting.cancel()
            if new.process and new.process.returncode is None:
                await new.kill()


async def is_at_the_lock(server: Server) -> bool:
    if server.process is None:
        return False
    opened = psutil.Process(server.process.pid).open_files()
    return any(file.path.endswith("owner.lock") for file in opened)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (dict.fromkeys(SECRETS, ""), SECRETS),
        (
            {
                "WHATSAPP_PHONE_NUMBER_ID": "+49 151 hidden",
                "WHATSAPP_API_URL": "http://hidden.example",
                "WHATSAPP_APP_SECRET": "",
                "CONCIERGE_BATCH_QUIET_SECONDS": "hidden",
                "CONCIERGE_EMBEDDER": "hidden",
                "CONCIERGE_LOG_LEVEL": "hidden",
                "PORT": "99999",
            },
            (
                "WHATSAPP_PHONE_NUMBER_ID",
                "WHATSAPP_API_URL",
                "WHATSAPP_APP_SECRET",
                "CONCIERGE_BATCH_QUIET_SECONDS",
                "CONCIERGE_EMBEDDER",
                "CONCIERGE_LOG_LEVEL",
                "PORT",
            ),
        ),
    ],
)
async def test_wrong_settings_are_all_named_without_their_values(
    tmp_path: Path, settings: dict[str, str], named: tuple[str, ...]
):
    """`serve` ends within 10 s with a list of everything that is missing or wrong, and with no value of it."""
    server = Server(tmp_path / "data", NOWHERE)
    began = perf_counter()
    code, out, err = await concierge(server, "serve", **settings)
    assert perf_counter() - began < 10
    assert (code, out) == (Exit.SETTINGS, "")
    for name in named:
        assert f"  {name}: " in err
    assert err.count("\n  ") == len(named)
    assert [words for words in ("hidden", "99999", "+49", ACCESS_TOKEN, "Traceback") if words in err] == []
    assert not server.directory.exists()
