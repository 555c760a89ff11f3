"""Snapshots through the front door: a real server that goes on answering, and a restore that brings its data back."""

import asyncio
import json
import socket
from typing import Any

import pytest

from bot.chaos.server_process import LOOPBACK
from tests.e2e.processes import Server, concierge, running_server
from tests.e2e.stage import BUSINESS, Stage, running_stage, until

pytestmark = pytest.mark.blocking_allowed  # the tests look into folders

HOURS = b"# Opening hours\n\nThe shop is open on Mondays from nine to five.\n"
PRICES = b"# Prices\n\nA repair of a flat tyre costs twelve euros.\n"


async def backed_up(server: Server, *arguments: str, **settings: str) -> dict[str, Any]:
    code, out, err = await concierge(server, "backup", "--json", *arguments, **settings)
    assert code == 0, err
    return dict(json.loads(out))


async def found(stage: Stage, question: str) -> list[str]:
    _, answer = await stage.call("POST", f"{BUSINESS}/search", {"query": question})
    return [passage["filename"] for passage in answer["passages"]]


async def test_a_snapshot_brings_back_what_was_known_and_said(tmp_path):
    """Made beside a chat and restored: conversation, document and search are as they were; what came later is aside."""
    async with running_stage(tmp_path) as stage:
        [document] = await stage.upload([("hours.md", HOURS)])
        await stage.ask("491511", "When do you open on Mondays?")
        made = await backed_up(stage.server, "--to", str(tmp_path / "backups"))
        assert (made["state"], made["files"]) == ("done", 3)
        await stage.upload([("prices.md", PRICES)])
        code, _, err = await concierge(stage.server, "restore", f"{tmp_path}/backups/{made['id']}")
        assert code == 75
        assert "is in use by process" in err
    code, out, _ = await concierge(stage.server, "restore", f"{tmp_path}/backups/{made['id']}", "--check")
    assert (code, out) == (0, f"Snapshot {made['id']} is whole and sound.\n")
    code, out, err = await concierge(stage.server, "restore", f"{tmp_path}/backups/{made['id']}")
    assert code == 0, err
    assert f"data.before-restore-{made['id']}" in out
    assert not (stage.server.directory / "chroma").exists()
    async with running_server(stage.server), stage.server.api() as session:
        again = Stage(stage.server, stage.simulator, session)
        await again.healthy()
        _, documents = await again.call("GET", f"{BUSINESS}/documents")
        assert [each["id"] for each in documents["documents"]] == [document["id"]]
        assert await found(again, "open on Mondays") == ["hours.md"]
        _, conversations = await again.call("GET", f"{BUSINESS}/conversations")
        assert [each["contact"]["phone"] for each in conversations["conversations"]] == ["491511"]


async def test_the_index_is_copied_closed_and_opened_again(tmp_path):
    """With the index: searches are answered by words meanwhile, afterwards by both; restored, nothing is made anew."""
    async with running_stage(tmp_path) as stage:
        await stage.upload([("hours.md", HOURS)])
        await stage.healthy()
        _, backup = await stage.call("POST", "/api/v1/backups", {"with_index": True})
        assert (
            backup["detail"] == "Say where the snapshot is to go (--to), or start the server with CONCIERGE_BACKUP_TO."
        )
        making = asyncio.create_task(
            backed_up(stage.server, "--with-index", "--to", str(tmp_path / "backups"), CONCIERGE_BACKUP_TO="")
        )
        while not making.done():
            assert await found(stage, "open on Mondays") == ["hours.md"]
        made = await making
        assert made["with_index"]
        await stage.healthy()
    code, _, err = await concierge(stage.server, "restore", made["id"], "--from", str(tmp_path / "backups"))
    assert code == 0, err
    assert (stage.server.directory / "chroma" / "chroma.sqlite3").exists()
    async with running_server(stage.server), stage.server.api() as session:
        again = Stage(stage.server, stage.simulator, session)
        await again.healthy()
        assert await found(again, "open on Mondays") == ["hours.md"]


async def test_backups_over_the_api(tmp_path):
    """202 and an id to follow; listed afterwards; a place of one's own is for this machine's commands alone."""
    async with running_stage(tmp_path, CONCIERGE_BACKUP_TO=str(tmp_path / "backups")) as stage:
        status, begun = await stage.call("POST", "/api/v1/backups", {})
        assert (status, begun["state"]) == (202, "running")

        async def ended() -> dict[str, Any] | None:
            _, backup = await stage.call("GET", f"/api/v1/backups/{begun['id']}")
            return dict(backup) if backup["state"] != "running" else None

        backup = await until(ended, "the backup to end")
        assert (backup["state"], backup["progress"], backup["complete"]) == ("done", 1.0, True)
        _, page = await stage.call("GET", "/api/v1/backups")
        assert [each["id"] for each in page["backups"]] == [begun["id"]]
        status, problem = await stage.call("POST", "/api/v1/backups", {"to": str(tmp_path / "other")})
        assert (status, problem["errors"][0]["where"]) == (422, "/to")
        assert (await stage.call("GET", "/api/v1/backups/none"))[0] == 404
        ready = await stage.ready()
        assert ready["components"]["backups"]["status"] == "ok"
        assert ready["components"]["backups"]["last_success"] == backup["created_at"]
        broken = "20200101-030000-000-1f2e3d"
        (tmp_path / "backups" / "snapshots" / f"{broken}.json").write_text("{")
        _, page = await stage.call("GET", "/api/v1/backups")
        assert [each["id"] for each in page["backups"]] == [begun["id"], broken]
        _, unusable = await stage.call("GET", f"/api/v1/backups/{broken}")
        assert unusable == page["backups"][1]
        assert (unusable["state"], unusable["created_at"]) == ("failed", "2020-01-01T03:00:00.000Z")
        assert "cut off" in unusable["error_message"]
        assert (await stage.ready())["components"]["backups"]["unusable"] == 1
    code, out, _ = await concierge(stage.server, "restore", "--list", "--from", str(tmp_path / "backups"))
    assert code == 0
    assert out.startswith(begun["id"])


async def test_a_silent_store_does_not_delay_the_end(tmp_path):
    """A backup and an export that an object store leaves without an answer do not hold up a stop."""
    with socket.create_server((LOOPBACK, 0), backlog=50) as silent:
        settings = {
            "CONCIERGE_BACKUP_TO": "s3://bucket/backups",
            "AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{silent.getsockname()[1]}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }
        async with running_stage(tmp_path, **settings) as stage:
            for path, body in (
                ("/api/v1/backups", {}),
                (f"{BUSINESS}/chunk-sets/exports", {"to": "s3://bucket/set"}),
            ):
                status, begun = await stage.call("POST", path, body)
                assert status == 202, begun
            # both have asked: what they wait for does not come
            asked = [(await asyncio.to_thread(silent.accept))[0] for _ in range(2)]
            assert await stage.server.stop() == 0
            for each in asked:
                each.close()
            assert "threads that still wait" in stage.server.log()
