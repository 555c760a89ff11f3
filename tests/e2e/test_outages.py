"""Meta away, a model that takes the process down, a locked inbox, stops in the middle: nothing lost or doubled."""

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter

import pytest
import pytest_asyncio

from bot.simulator.faults import FaultKind
from bot.simulator.simulator import Simulator
from tests.e2e.ledger import check_dispositions, check_log, check_replies
from tests.e2e.processes import Server
from tests.e2e.stage import Stage, running_stage, until
from tests.fakes import webhook_posts
from tests.fakes.scripted_openai import ScriptedOpenAI

pytestmark = [
    pytest.mark.blocking_allowed,  # looks into files and starts processes
    pytest.mark.asyncio(loop_scope="module"),
]

HOURS = b"# Opening hours\n\nOn Saturdays the shop is open from ten to four.\n"
QUESTION = "When is the shop open on Saturdays?"
ANSWER = "from ten to four"
APOLOGY = "something went wrong on our side"
CUSTOMERS = [f"49151400000{n:02d}" for n in range(8)]
SETTINGS = {
    "CONCIERGE_DELIVERY_GRACE_SECONDS": "5",
    "CONCIERGE_INBOX_TIMEOUT_SECONDS": "0.5",
    "CONCIERGE_NUMBER_RATE": "1000",
}


@dataclass
class Books:
    """A stage that tests share, and what all its customers have written."""

    stage: Stage
    written: list[str] = field(default_factory=list)

    async def says(self, customer: str) -> None:
        self.written.append(await self.stage.simulator.customer_says(customer, QUESTION))

    async def balance(self) -> None:
        """Wait for the end of everything; each message has one end, each reply went once, no log tells of them."""
        await self.stage.settled()
        check_dispositions(self.stage.server, self.written)
        check_replies(self.stage.server, self.stage.simulator)
        check_log(self.stage.server, QUESTION, ANSWER, APOLOGY)


@asynccontextmanager
async def open_books(folder: Path, **settings: str) -> AsyncIterator[Books]:
    async with running_stage(folder, **SETTINGS | settings) as stage:
        await stage.upload([("hours.md", HOURS)])
        yield Books(stage)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def books(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Books]:
    async with open_books(tmp_path_factory.mktemp("outages")) as opened:
        yield opened


TRIED = "SELECT DISTINCT outbox_id FROM send_attempts WHERE state IN ('refused', 'unconfirmed', 'resent')"


def count(server: Server, sql: str) -> Callable[[], Awaitable[int]]:
    """Asks a database for a number, again and again."""

    async def look() -> int:
        return int(server.rows(f"SELECT count(*) AS n FROM {sql}")[0]["n"])

    return look


async def stop_listening(simulator: Simulator) -> None:
    await simulator.stop_listening()


async def hang_up(simulator: Simulator) -> None:
    simulator.faults.set(FaultKind.DOWN, probability=1.0)


async def refuse(simulator: Simulator) -> None:
    simulator.faults.set(FaultKind.REFUSED, probability=1.0, code=131016)


async def come_back(simulator: Simulator, away: Callable[[Simulator], Awaitable[None]]) -> None:
    simulator.faults.clear()
    if away is stop_listening:
        await simulator.listen_again()


@pytest.mark.parametrize("away", [stop_listening, hang_up, refuse])
async def test_meta_away_loses_and_doubles_nothing(books: Books, away: Callable[[Simulator], Awaitable[None]]):
    """Customers write while no send gets through: once Meta is back, each of them gets the one answer."""
    stage = books.stage
    tried, sent = count(stage.server, f"({TRIED})"), len(stage.simulator.sent)
    before = await tried()
    await away(stage.simulator)
    for customer in CUSTOMERS:
        await books.says(customer)
    await until(partial(reached, tried, before + len(CUSTOMERS)), "a send to each customer to fail")
    await stage.ready()
    assert len(stage.simulator.sent) == sent
    await come_back(stage.simulator, away)
    for customer in CUSTOMERS:
        assert ANSWER in (await stage.reply(customer)).text
    await books.balance()
    assert len(stage.simulator.sent) == sent + len(CUSTOMERS)


async def reached(look: Callable[[], Awaitable[int]], wanted: int) -> bool:
    return await look() >= wanted


async def test_a_message_that_takes_the_process_down_is_apologised_for(tmp_path: Path):
    """Three times the process dies while it thinks about a message; the fourth claim apologises, without thinking."""
    async with ScriptedOpenAI().running() as model:
        key = {"OPENAI_API_KEY": "sk-scripted", "OPENAI_BASE_URL": model.base_url}
        async with open_books(tmp_path, **key, CONCIERGE_MODEL_TIMEOUT_SECONDS="300") as books:
            stage, customer = books.stage, CUSTOMERS[0]
            model.lasting_fault = "hang"
            await books.says(customer)
            for death in range(1, 4):
                await until(partial(thinks, model, death), f"thought {death} to begin")
                await stage.server.kill()
                await stage.server.start()
            assert APOLOGY in (await stage.reply(customer)).text
            await books.balance()
            assert len(model.chats) == 3
            assert stage.server.rows("SELECT outcome FROM turns") == [{"outcome": "apology"}]
            model.lasting_fault = None
            await books.says(customer)
            assert ANSWER in (await stage.reply(customer)).text
            await books.balance()


async def thinks(model: ScriptedOpenAI, times: int) -> bool:
    return len(model.chats) >= times


async def test_stopping_in_the_middle_of_it_loses_nothing_and_costs_nothing(tmp_path: Path):
    """SIGTERM while customers chat: always 0, no send cut off, no claim counted as failed, and all goes on later."""
    patient = {"CONCIERGE_DELIVERY_GRACE_SECONDS": "60", "CONCIERGE_INBOX_TIMEOUT_SECONDS": "30"}
    async with open_books(tmp_path, **patient) as books:
        server, dice, over = books.stage.server, random.Random(7), asyncio.Event()
        chats = [asyncio.create_task(chat(books, customer, over)) for customer in CUSTOMERS]
        for _ in range(2):
            await asyncio.sleep(dice.uniform(0.3, 0.8))
            assert await server.stop() == 0
            assert server.rows("SELECT id FROM conversations WHERE claim IS NOT NULL OR failed_claims > 0") == []
            assert server.rows("SELECT id FROM send_attempts WHERE state IN ('started', 'unconfirmed')") == []
            await server.start()
        over.set()
        await asyncio.gather(*chats)
        await books.balance()
        assert server.rows("SELECT id FROM outbox WHERE attempts <> 1") == []
        log = (tmp_path / "server.log").read_text()
        assert [line for line in log.splitlines() if '"level": "error"' in line] == []


async def chat(books: Books, customer: str, over: asyncio.Event) -> None:
    """One customer who asks, and asks again, whatever happens."""
    dice = random.Random(customer)
    while not over.is_set():
        await books.says(customer)
        await asyncio.sleep(dice.uniform(0.05, 0.4))


async def test_an_inbox_that_cannot_commit_says_503_and_takes_it_later(books: Books):
    """While another program holds the database, Meta hears 503 in time; what it sends again is answered once."""
    stage, customer = books.stage, "4915141000000"
    answers = stage.simulator.webhook_answers
    with closing(sqlite3.connect(stage.server.directory / "concierge.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        taken, began = answers[200], perf_counter()
        status = webhook_posts.status("wamid.of-nobody", "sent", None, 1_760_000_000_000)
        assert await stage.simulator.post_body(status) == 503
        assert perf_counter() - began < 5, "Meta waits no longer (WHATSAPP.md 1.3)"
        await books.says(customer)
        await until(partial(refused, stage.simulator, 4), "the message to be refused several times")
        assert (await stage.call("GET", "/health/live"))[0] == 200
        assert (await stage.conversation(CUSTOMERS[0]))["mode"] == "bot", "what is stored can be read meanwhile"
        assert answers[200] == taken
        other.execute("ROLLBACK")
    assert ANSWER in (await stage.reply(customer)).text
    await books.balance()


async def refused(simulator: Simulator, times: int) -> bool:
    return simulator.webhook_answers[503] >= times
