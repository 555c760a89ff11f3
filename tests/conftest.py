"""What every test may use: a database in a temporary folder, a clock that stands still, a guard of the event loop."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from blockbuster import BlockBuster, blockbuster_ctx

from database.engine import Database, DatabaseOptions
from database.metrics import Metrics
from tests.fakes.fake_clock import FakeClock

OURS = ["bot", "agents", "vectorstore", "database", "services"]


@pytest.fixture(autouse=True)
def blockbuster(request: pytest.FixtureRequest) -> Iterator[BlockBuster | None]:
    """A coroutine of ours that blocks the event loop fails its test."""
    if request.node.get_closest_marker("blocking_allowed"):
        yield None
        return
    with blockbuster_ctx(OURS) as guard:
        yield guard


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def chat(tmp_path: Path, metrics: Metrics) -> AsyncIterator[Database]:
    """An empty concierge.db."""
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(
            Database.open(tmp_path / "concierge.db", DatabaseOptions("chat"), metrics)
        )


@pytest.fixture
async def knowledge(tmp_path: Path, metrics: Metrics) -> AsyncIterator[Database]:
    """An empty knowledge.db."""
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(
            Database.open(tmp_path / "knowledge.db", DatabaseOptions("knowledge", secure_delete=True), metrics)
        )
