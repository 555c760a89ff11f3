"""A 200 means on disk: counted in system calls, not believed."""

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.e2e.processes import APP_SECRET, Server, running_server
from tests.fakes import webhook_posts

pytestmark = pytest.mark.blocking_allowed  # reads the tracer's file

POSTS = 20
SYNC = re.compile(r"f(?:data)?sync\((\d+)(?:<([^>]*)>)?")


def tracer() -> str:
    """Where strace is; skips without one, unless the environment says that there must be one."""
    found = shutil.which("strace")
    if found is None:
        if os.environ.get("CONCIERGE_REQUIRE_TRACER"):
            pytest.fail("CONCIERGE_REQUIRE_TRACER is set, but strace is not installed")
        pytest.skip("strace is not installed: syncs cannot be counted")
    return found


async def test_every_answered_post_was_synced_to_disk(tmp_path: Path) -> None:
    """Twenty POSTs, one after another, cost at least twenty syncs of concierge.db's log before their answers."""
    trace = tmp_path / "trace"
    prefix = (tracer(), "-D", "-f", "-y", "-e", "trace=fsync,fdatasync", "-o", str(trace))
    server = Server(tmp_path / "data", "http://127.0.0.1:9", prefix=prefix)
    async with running_server(server), server.api() as session:
        for n in range(POSTS):
            body = webhook_posts.status(f"wamid.{n}", "sent", None, 1_760_000_000_000 + n)
            before = syncs(trace)
            headers = {"X-Hub-Signature-256": webhook_posts.signature(body, APP_SECRET)}
            async with session.post("/webhooks/whatsapp", data=body, headers=headers) as answer:
                assert answer.status == 200
            assert syncs(trace) > before, f"POST {n} was answered without a sync"
        await server.stop()
    events = server.rows("SELECT count(*) AS n FROM inbox_events")
    assert events == [{"n": POSTS}]
    assert syncs(trace) >= POSTS


def syncs(trace: Path) -> int:
    """Syncs of concierge.db's write-ahead log so far."""
    return sum("concierge.db-wal" in (found[2] or "") for found in SYNC.finditer(trace.read_text(errors="replace")))
