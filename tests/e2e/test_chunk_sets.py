"""Chunk sets through the API of a real server: there, back, and over its violent end."""

from typing import Any

import pytest

from tests.e2e.processes import running_server
from tests.e2e.stage import BUSINESS, Stage, running_stage, until
from tests.fakes.object_server import object_server

pytestmark = pytest.mark.blocking_allowed  # the tests look into folders

SETS = f"{BUSINESS}/chunk-sets"


async def ended(stage: Stage, kind: str, body: dict[str, str]) -> dict[str, Any]:
    """Begin, and follow to the end."""
    status, begun = await stage.call("POST", f"{SETS}/{kind}", body)
    assert status == 202, begun

    async def look() -> dict[str, Any] | None:
        _, run = await stage.call("GET", f"{SETS}/{begun['id']}")
        return dict(run) if run["state"] != "running" else None

    return await until(look, f"the {kind} to end")


async def test_an_import_that_is_killed_is_begun_again(tmp_path):
    """A set goes to an object store and comes back; SIGKILL in the middle of the import doubles and loses nothing."""
    async with object_server(tmp_path / "s3") as store:
        settings = {**store.environment(), "CONCIERGE_CHUNK_SET_CHUNKS": "1"}
        async with running_stage(tmp_path, **settings) as stage:
            files = [(f"{n}.md", f"# Part {n}\n\nThe price of part {n} is {n} euros.\n".encode()) for n in range(8)]
            await stage.upload(files)
            made = await ended(stage, "exports", {"to": store.address})
            assert (made["state"], made["documents"], made["files"]) == ("done", 8, 8)
            status, _ = await stage.call("POST", f"{SETS}/imports", {"from": str(tmp_path)})
            assert status == 422, "a folder of the server's machine is not for the API"
            status, begun = await stage.call("POST", f"{SETS}/imports", {"from": store.address})
            assert status == 202, begun

            async def taken() -> bool:
                _, page = await stage.call("GET", f"{BUSINESS}/documents?source=import")
                return bool(page["documents"])

            await until(taken, "the first document of the import")
            await stage.server.kill()
            async with running_server(stage.server), stage.server.api() as session:
                again = Stage(stage.server, stage.simulator, session)
                assert not list((stage.server.directory / "chunk-sets").glob("*"))
                taken_in = await ended(again, "imports", {"from": store.address})
                assert (taken_in["state"], taken_in["documents"], taken_in["failed"]) == ("done", 8, 0)
                assert taken_in["embedded_anew"] == 0
                _, page = await again.call("GET", f"{BUSINESS}/documents?source=import&limit=100")
                assert sorted(each["filename"] for each in page["documents"]) == [name for name, _ in files]
                assert {(each["status"], each["version"]) for each in page["documents"]} == {("ready", 1)}
