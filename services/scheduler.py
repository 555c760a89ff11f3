"""Runs the sweeps: APScheduler on our event loop, one job at a time each, late runs joined into one."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from apscheduler.events import EVENT_JOB_SUBMITTED, JobSubmissionEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from database.clock import Clock
from database.metrics import Metrics

logger = logging.getLogger(__name__)

Sweep = Callable[[], Awaitable[object]]


async def _careful(name: str, sweep: Sweep) -> None:
    try:
        await sweep()
    except asyncio.CancelledError:
        # We are stopping. Raised further, APScheduler would log it as a failure, with a traceback.
        logger.debug("the sweep of %s was cut off", name)
    except Exception:
        logger.exception("the sweep of %s failed and comes again", name)


@asynccontextmanager
async def running_scheduler(
    sweeps: Mapping[str, tuple[Sweep, float]], clock: Clock, metrics: Metrics
) -> AsyncIterator[None]:
    """Call each sweep every so many seconds, from now until the end of the block: {name: (sweep, seconds)}."""
    scheduler = AsyncIOScheduler(timezone=UTC)

    def note_lateness(event: JobSubmissionEvent) -> None:
        for planned in event.scheduled_run_times:
            late = clock.now() / 1000 - planned.timestamp()
            metrics.scheduler_lateness.observe(max(late, 0.0))

    scheduler.add_listener(note_lateness, EVENT_JOB_SUBMITTED)
    for name, (sweep, seconds) in sweeps.items():
        scheduler.add_job(
            _careful,
            "interval",
            args=(name, sweep),
            seconds=seconds,
            id=name,
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
            next_run_time=datetime.fromtimestamp(clock.now() / 1000 + seconds, UTC),
        )
    scheduler.start()
    try:
        yield
    finally:
        scheduler.shutdown(wait=False)
