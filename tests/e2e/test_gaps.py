"""A question that nobody could answer, from the customer's phone to the answer that the next customer gets."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.stage import BUSINESS, Stage, running_stage, until

pytestmark = [
    pytest.mark.blocking_allowed,  # looks into files and starts processes
    pytest.mark.asyncio(loop_scope="module"),
]

QUESTION = "Do you repair leather saddles?"
HOURS = b"# Opening hours\n\nThe shop opens at nine in the morning and closes at six.\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with running_stage(tmp_path_factory.mktemp("gaps")) as shown:
        await shown.upload([("hours.md", HOURS)])
        yield shown


async def test_a_gap_is_found_answered_and_closed(stage: Stage) -> None:
    """Two customers ask in vain; the owner answers once; the third customer hears it."""
    for customer in ("4915113000001", "4915113000002"):
        assert "I don't have an answer" in await stage.ask(customer, QUESTION)

    async def listed() -> dict[str, Any] | None:
        _, page = await stage.call("GET", f"{BUSINESS}/gaps?state=open")
        return next((gap for gap in page["gaps"] if gap["count"] == 2), None)

    gap = await until(listed, "the gap")
    assert (gap["question"], gap["examples"]) == (QUESTION, [QUESTION])
    status, done = await stage.call(
        "POST", f"{BUSINESS}/gaps/{gap['id']}/answer", {"answer": "Yes, leather saddles are repaired within a week."}
    )
    assert (status, done["gap"]["state"], done["document"]["source"]) == (202, "answered", "answer")

    async def ready() -> bool | None:
        _, document = await stage.call("GET", f"{BUSINESS}/documents/{done['document']['id']}")
        return True if document["status"] == "ready" else None

    await until(ready, "the answer's document")
    assert "within a week" in await stage.ask("4915113000003", QUESTION)
    _, pairs = await stage.call("GET", f"{BUSINESS}/answers")
    assert [pair["question"] for pair in pairs["answers"]] == [QUESTION]
