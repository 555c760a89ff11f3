"""Gives the demo's server its sample knowledge, through the API as any owner would."""

from pathlib import Path
from typing import Any

import aiohttp

from database.clock import Clock

FOLDER = Path(__file__).parent
KINDS = {".md", ".html", ".pdf"}
POLL_SECONDS = 0.1
PATIENCE_SECONDS = 120.0


async def add_sample(server_url: str, admin_token: str, clock: Clock) -> list[tuple[str, str]]:
    """Upload the files that are not there yet and return when all have been read.

    Gives (filename, what was wrong) of those that could not be read.
    """
    url = f"{server_url}/api/v1/businesses/default/documents"
    async with aiohttp.ClientSession(
        headers={"Authorization": f"Bearer {admin_token}"},
        raise_for_status=True,
    ) as session:
        waiting = await _uploaded(session, url)
        failed = []
        give_up_at = clock.monotonic() + PATIENCE_SECONDS
        while waiting:
            document = waiting.pop(0)
            if document["status"] == "failed":
                failed.append((document["filename"], document["error_message"]))
            elif document["status"] != "ready" and clock.monotonic() < give_up_at:
                await clock.sleep(POLL_SECONDS)
                async with session.get(f"{url}/{document['id']}") as answer:
                    waiting.append(await answer.json())
            elif document["status"] != "ready":
                failed.append((document["filename"], "it takes too long; the server goes on with it"))
        return failed


async def _uploaded(session: aiohttp.ClientSession, url: str) -> list[dict[str, Any]]:
    async with session.get(url, params={"limit": "100"}) as answer:
        documents: list[dict[str, Any]] = (await answer.json())["documents"]
    # An earlier start may have been ended before everything was read.
    there = {document["filename"] for document in documents}
    missing = [path for path in sorted(FOLDER.iterdir()) if path.suffix in KINDS and path.name not in there]
    if missing:
        form = aiohttp.FormData()
        for path in missing:
            form.add_field("files", path.read_bytes(), filename=path.name)
        async with session.post(url, data=form) as answer:
            documents += (await answer.json())["documents"]
    return documents
