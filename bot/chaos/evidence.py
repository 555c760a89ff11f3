"""What can be seen from outside when all has become quiet: the API's books, the phones, the documents, the log."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from bot.chaos.librarian import listed
from bot.chaos.stage import Diary, Expected, Stage, Upload
from bot.simulator.customers import SentMessage

CONVERSATIONS = "/api/v1/businesses/default/conversations"
SEARCH = "/api/v1/businesses/default/search"
OPEN = frozenset({"received", "queued", "sending", "unconfirmed", "accepted"})
PATIENCE_SECONDS = 120.0
HEALING_SECONDS = 30.0
LOOK_SECONDS = 0.5
QUIET_LOOKS = 4
TIMEOUT = aiohttp.ClientTimeout(total=30)


@dataclass(frozen=True, slots=True)
class Line:
    """A message as the API shows it. `customer` is the phone's digits or the BSUID of somebody who hides it."""

    customer: str
    wamid: str | None
    inbound: bool
    text: str
    status: str
    reason: str | None
    turn_id: str | None


@dataclass(frozen=True, slots=True)
class Shelved:
    """A document as the API shows it; `found` tells which of its facts a search leads to."""

    filename: str
    status: str
    pieces: int
    found: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the promises are judged by. `unanswered` counts webhooks that were never answered 200.

    `still_found` are documents that were deleted, and that a search leads to.
    `leaks` are kinds of things that the log must not tell; `log_lines` is its length.
    """

    diary: Diary
    lines: Sequence[Line]
    arrived: Sequence[SentMessage]
    shelves: Sequence[Shelved] = ()
    still_found: Sequence[str] = ()
    unanswered: bool = False
    vectors_healthy: bool = True
    leaks: Sequence[str] = ()
    log_lines: int = 0
    struck: dict[str, int] = field(default_factory=dict)


async def collect(stage: Stage) -> Evidence:
    """Wait until nothing moves any more, as long as that may take at most, and look at everything."""
    unanswered = False
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await stage.simulator.webhooks_settled()
    except TimeoutError:
        unanswered = True
    async with stage.server.api() as session:
        lines = await _quiet_lines(stage, session)
        healthy = await _vectors_healthy(stage, session)
        shelves = await _shelves(stage, session)
        found = await still_found(session, stage.diary.uploads)
    leaks, log_lines = await asyncio.to_thread(_leaks, stage)
    struck = {str(kind): times for kind, times in sorted(stage.simulator.faults.struck.items())}
    arrived = tuple(stage.simulator.sent)
    return Evidence(stage.diary, lines, arrived, shelves, found, unanswered, healthy, leaks, log_lines, struck)


async def _quiet_lines(stage: Stage, session: aiohttp.ClientSession) -> list[Line]:
    """All conversations, once nothing in them is open for a while, or when patience ends."""
    give_up_at, quiet = stage.clock.monotonic() + PATIENCE_SECONDS, 0
    while True:
        lines = await _lines(session)
        there = {line.wamid for line in lines if line.inbound}
        is_open = any(line.status in OPEN for line in lines) or not there.issuperset(stage.diary.written)
        quiet = 0 if is_open else quiet + 1
        if quiet == QUIET_LOOKS or stage.clock.monotonic() > give_up_at:
            return lines
        await stage.clock.sleep(LOOK_SECONDS)


async def _lines(session: aiohttp.ClientSession) -> list[Line]:
    found = []
    for conversation in await _all(session, CONVERSATIONS, "conversations"):
        contact = conversation["contact"]
        customer = contact["phone"] or contact["bsuid"]
        path = f"/api/v1/conversations/{conversation['id']}/messages"
        found += [_line(customer, message) for message in await _all(session, path, "messages")]
    return found


def _line(customer: str, message: dict[str, Any]) -> Line:
    return Line(
        customer=customer,
        wamid=message["wamid"],
        inbound=message["direction"] == "inbound",
        text=message["text"] or "",
        status=message["status"],
        reason=message["reason"],
        turn_id=message["turn_id"],
    )


async def _all(session: aiohttp.ClientSession, path: str, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    query = {"limit": "100"}
    while True:
        async with session.get(path, params=query, timeout=TIMEOUT, raise_for_status=True) as answer:
            page = await answer.json()
        found += page[name]
        if page["next_cursor"] is None:
            return found
        query["cursor"] = page["next_cursor"]


async def _vectors_healthy(stage: Stage, session: aiohttp.ClientSession) -> bool:
    give_up_at = stage.clock.monotonic() + HEALING_SECONDS
    while True:
        async with session.get("/health/ready", timeout=TIMEOUT) as answer:
            components = (await answer.json())["components"]
        if components["vectors"]["status"] == "ok":
            return True
        if stage.clock.monotonic() > give_up_at:
            return False
        await stage.clock.sleep(LOOK_SECONDS)


async def _shelves(stage: Stage, session: aiohttp.ClientSession) -> list[Shelved]:
    """The documents that were uploaded since the curtain rose, once none of them is in work."""
    give_up_at = stage.clock.monotonic() + PATIENCE_SECONDS
    while True:
        documents = await listed(session)
        if all(each["status"] in {"ready", "failed"} for each in documents) or stage.clock.monotonic() > give_up_at:
            break
        await stage.clock.sleep(LOOK_SECONDS)
    facts = {upload.filename: upload.facts for upload in stage.diary.uploads}
    shelves = []
    for document in documents:
        found = 0
        for fact in facts.get(document["filename"], ()):
            found += any(hit["document_id"] == document["id"] for hit in await _hits(session, fact))
        shelves.append(Shelved(document["filename"], document["status"], document["chunks_count"], found))
    return shelves


async def still_found(session: aiohttp.ClientSession, uploads: Sequence[Upload]) -> list[str]:
    """The names of documents that are gone, and that one of their facts leads to."""
    found = []
    for upload in uploads:
        if upload.expected is Expected.GONE:
            hits = [hit for fact in upload.facts for hit in await _hits(session, fact)]
            found += [upload.filename] * any(hit["filename"] == upload.filename for hit in hits)
    return found


async def _hits(session: aiohttp.ClientSession, question: str) -> list[dict[str, Any]]:
    body = {"query": question, "limit": 5}
    async with session.post(SEARCH, json=body, timeout=TIMEOUT, raise_for_status=True) as answer:
        return list((await answer.json())["passages"])


def _leaks(stage: Stage) -> tuple[list[str], int]:
    log = stage.server.log_file.read_text("utf-8", errors="replace")
    kinds = {
        "a secret": stage.server.secrets.hidden,
        "a signature": ("sha256=",),
        # short remarks ("start", "hello") are words that a log may use for itself
        "a customer's words": {written.text for written in stage.diary.written.values() if written.text.endswith("?")},
        "a reply": {sent.text.split("\n")[0] for sent in stage.simulator.sent},
    }
    return [kind for kind, words in kinds.items() if any(word in log for word in words if word)], log.count("\n")
