"""Probes and figures: what they answer, to whom, and that they never fail by themselves."""

import sqlite3

import pytest

from bot.health import Component, State, database_check, disk_check
from database.engine import Database, DatabaseOptions
from tests.fakes.api_desk import api_desk

STRANGER = {"Authorization": "Bearer wrong"}


def as_it_is(state: State):
    async def check() -> Component:
        return Component(state, {"figure": 1})

    return check


async def broken() -> Component:
    raise RuntimeError("the path /secret/place")


@pytest.mark.parametrize(
    ("states", "status", "overall"),
    [
        ([State.OK, State.OK], 200, "ok"),
        ([State.OK, State.DEGRADED], 200, "degraded"),
        ([State.DEGRADED, State.DOWN], 503, "down"),
    ],
)
async def test_ready_says_how_each_part_is(chat, clock, metrics, states, status, overall):
    """Degraded still answers customers: 200. Down does not: 503."""
    checks = {f"part {index}": as_it_is(state) for index, state in enumerate(states)}
    async with api_desk(chat, clock, metrics, checks=checks) as desk:
        response = await desk.client.get("/health/ready", headers=STRANGER)
        found = await response.json()
        assert (response.status, found["status"]) == (status, overall)
        assert [found["components"][name]["status"] for name in checks] == [state.value for state in states]


async def test_a_check_that_fails_is_down_and_tells_strangers_nothing(chat, clock, metrics):
    """The kind of the fault, not its text."""
    async with api_desk(chat, clock, metrics, checks={"part": broken}) as desk:
        response = await desk.client.get("/health/ready", headers=STRANGER)
        assert response.status == 503
        assert (await response.json())["components"]["part"] == {"status": "down", "error": "RuntimeError"}


async def test_database_and_disk_are_looked_at(chat, clock, metrics, tmp_path):
    """The SQLite library's version and the room that is left."""
    checks = {"database": database_check(chat), "disk": disk_check(tmp_path)}
    async with api_desk(chat, clock, metrics, checks=checks) as desk:
        components = (await (await desk.client.get("/health/ready")).json())["components"]
        assert components["database"]["sqlite"].startswith("3.")
        assert components["disk"]["free_mb"] > 0


async def test_a_database_that_cannot_be_written_is_down(metrics, tmp_path):
    """Reading still works while somebody else holds the file; answering customers does not."""
    options = DatabaseOptions("chat", busy_timeout_seconds=0.05)
    async with Database.open(tmp_path / "held.db", options, metrics) as database:
        check = database_check(database)
        holder = sqlite3.connect(tmp_path / "held.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            await check()
        holder.close()
        assert (await check()).state is State.OK


async def test_live_needs_nothing(chat, clock, metrics):
    """200 without a token, whatever the parts say."""
    async with api_desk(chat, clock, metrics, checks={"part": broken}) as desk:
        response = await desk.client.get("/health/live", headers=STRANGER)
        assert (response.status, await response.json()) == (200, {"status": "ok"})


async def test_figures_want_the_token(chat, clock, metrics):
    """/metrics is Prometheus text for whoever has the API's token."""
    metrics.events_duplicate.inc()
    async with api_desk(chat, clock, metrics) as desk:
        assert (await desk.client.get("/metrics", headers=STRANGER)).status == 401
        response = await desk.client.get("/metrics")
        assert response.headers["Content-Type"].startswith("text/plain")
        assert "concierge_events_duplicate_total 1.0" in await response.text()


async def test_figures_may_be_public(chat, clock, metrics):
    """CONCIERGE_METRICS_PUBLIC opens them."""
    async with api_desk(chat, clock, metrics, metrics_public=True) as desk:
        assert (await desk.client.get("/metrics", headers=STRANGER)).status == 200
