"""The plain design as a process: one global lock, Chroma in the server's own process, a fixed window a customer.

The agents, the embedder and the search are ours, on the same knowledge; what it saves itself favours it: nothing is
stored, nothing is marked as read, no reply is tried twice, and an upload is neither parsed nor indexed by words.
"""

import asyncio
import os
import sys
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

from agents.language_packs import load_language_packs
from agents.message_classifier import MessageClassifier
from agents.ports import Burst, Utterance
from agents.query_agent import QueryAgent
from agents.responder import BurstResponder
from agents.sentences import Sentences
from database.documents import knowledge_version
from database.engine import Database, DatabaseOptions
from database.lexical import LexicalIndex
from database.live_chunks import live_chunks
from database.metrics import Metrics
from database.records import Passage
from services.whatsapp.client import WhatsAppClient
from services.whatsapp.formatting import to_whatsapp
from services.whatsapp.signature import signature_matches
from tests.bench.__main__ import new_loop
from vectorstore.chroma_manager import Collection
from vectorstore.chroma_store import ChromaStore
from vectorstore.found_passages import cosine_of, passage_of
from vectorstore.score_fusion import VECTOR_WEIGHTS, VectorWeight, fused
from vectorstore.wordllama_embedder import WordLlamaEmbedder

WINDOW_SECONDS = 3.0
FETCH = 50
HISTORY_LINES = 20
OWN = "plain-"  # the ids of its uploads begin so: they have vectors, and no text that could be shown


class PlainKnowledge:
    """Implements agents.ports.Knowledge on a data directory that a stopped server has filled."""

    def __init__(
        self, database: Database, words: LexicalIndex, store: ChromaStore, embedder: WordLlamaEmbedder
    ) -> None:
        self._database = database
        self._words = words
        self._store = store
        self._embedder = embedder

    async def version(self, business_id: str) -> int:
        return await self._database.read(knowledge_version(business_id))

    async def search(self, business_id: str, query: str, *, limit: int) -> list[Passage]:
        """As our own index does it when nothing is wrong."""
        vector = (await self._embedder.embed([query]))[0]
        name = Collection(business_id, self._embedder.name).name
        by_vector = dict(await asyncio.to_thread(self._store.query, name, vector, FETCH))
        by_words = dict(await self._words.search(business_id, query, FETCH))
        ranking = ranked(by_vector, by_words, limit)
        read = await self._database.read(live_chunks(business_id, [key for key, _ in ranking], self._embedder.name))
        chunks = {chunk.id: chunk for chunk in read}
        return [
            passage_of(chunks[key], score, cosine_of(chunks[key].vector, vector))
            for key, score in ranking
            if key in chunks
        ]

    async def add(self, texts: list[str], number: int) -> None:
        """What an upload costs at least: embed, and one `add` for the whole document."""
        vectors = await self._embedder.embed(texts)
        ids = [f"{OWN}{number}-{row}" for row in range(len(texts))]
        name = Collection(os.environ["BUSINESS_ID"], self._embedder.name).name
        await asyncio.to_thread(self._store.add, name, self._embedder.name, ids, vectors)


def ranked(by_vector: dict[str, float], by_words: dict[str, float], limit: int) -> list[tuple[str, float]]:
    """(key, score), best first, without what was uploaded here, which takes nobody's place."""
    known = {key: score for key, score in by_vector.items() if not key.startswith(OWN)}
    return fused(known, by_words, VectorWeight(VECTOR_WEIGHTS["wordllama"]))[:limit]


@dataclass(slots=True)
class User:
    """A customer in memory: what waits for the window's end, the timer, and what was said."""

    waiting: list[tuple[str, str]] = field(default_factory=list)
    timer: asyncio.Task[None] | None = None
    history: deque[Utterance] = field(default_factory=lambda: deque(maxlen=HISTORY_LINES))
    language: str | None = None


class PlainBot:
    """Debounces, answers under the lock, sends."""

    def __init__(self, responder: BurstResponder, knowledge: PlainKnowledge, line: WhatsAppClient) -> None:
        self._responder = responder
        self._knowledge = knowledge
        self._line = line
        self._business_id = os.environ["BUSINESS_ID"]
        self._number = os.environ["WHATSAPP_PHONE_NUMBER_ID"]
        self._secret = os.environ["WHATSAPP_APP_SECRET"]
        self._lock = asyncio.Lock()
        self._users: dict[str, User] = defaultdict(User)
        self._seen: set[str] = set()
        self._turns: set[asyncio.Task[None]] = set()
        self.lock_waits: list[float] = []
        self.answered: dict[str, str] = {}
        self.found: list[str] = []
        self.uploads = 0

    async def webhook(self, request: web.Request) -> web.Response:
        body = await request.read()
        if not signature_matches(body, request.headers.get("X-Hub-Signature-256", ""), [self._secret]):
            raise web.HTTPUnauthorized
        for entry in (await request.json())["entry"]:
            for change in entry["changes"]:
                for message in change["value"].get("messages", ()):
                    self._take(message["from"], message["id"], message["text"]["body"])
        return web.Response()

    async def upload(self, request: web.Request) -> web.Response:
        texts = (await request.json())["texts"]
        self.uploads += 1
        async with self._lock:
            await self._knowledge.add(texts, self.uploads)
        return web.Response()

    async def figures(self, _request: web.Request) -> web.Response:
        return web.json_response({"answered": self.answered, "lock_waits": self.lock_waits, "found": self.found})

    def _take(self, customer: str, wamid: str, text: str) -> None:
        if wamid in self._seen:
            return
        self._seen.add(wamid)
        user = self._users[customer]
        user.waiting.append((wamid, text))
        if user.timer:
            user.timer.cancel()
        user.timer = asyncio.create_task(self._after_window(customer, user))

    async def _after_window(self, customer: str, user: User) -> None:
        await asyncio.sleep(WINDOW_SECONDS)
        user.timer = None
        taken, user.waiting = user.waiting, []
        # a task of its own: the next message's timer must not cancel what is being said
        turn = asyncio.create_task(self._answer(customer, user, taken))
        self._turns.add(turn)
        turn.add_done_callback(self._turns.discard)

    async def _answer(self, customer: str, user: User, taken: list[tuple[str, str]]) -> None:
        texts = tuple(text for _, text in taken)
        asked = time.perf_counter()
        async with self._lock:
            self.lock_waits.append(time.perf_counter() - asked)
            reply = await self._responder.respond(Burst(self._business_id, texts, user.language, tuple(user.history)))
        user.language = reply.language
        user.history.extend(Utterance(by_customer=True, text=text) for text in texts)
        if reply.text is None:
            return
        user.history.append(Utterance(by_customer=False, text=reply.text))
        wamid = await self._line.send(
            self._number,
            {"type": "text", "text": {"body": to_whatsapp(reply.text)}},
            phone=customer,
            bsuid=None,
            attempt_id=f"plain-{taken[0][0]}"[:512],
            timeout_seconds=10.0,
        )
        self.answered |= {message: wamid for message, _ in taken}
        if reply.answered:
            self.found.append(wamid)


@asynccontextmanager
async def running_plain(directory: Path) -> AsyncIterator[PlainBot]:
    """Open what the server left in its data directory."""
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        store = ChromaStore(directory / "chroma")
        await asyncio.to_thread(store.open)
        stack.callback(store.close)
        options = DatabaseOptions("knowledge", mmap_mb=256)
        database = await stack.enter_async_context(Database.open(directory / "knowledge.db", options, metrics))
        words = await stack.enter_async_context(LexicalIndex.open(directory / "lexical.db", database, metrics))
        embedder = WordLlamaEmbedder()
        stack.callback(embedder.close)
        await embedder.load()
        knowledge = PlainKnowledge(database, words, store, embedder)
        packs = load_language_packs()
        agent = QueryAgent(knowledge, None, packs)
        responder = BurstResponder(MessageClassifier(None, packs), agent, Sentences(packs))
        line = WhatsAppClient(
            await stack.enter_async_context(aiohttp.ClientSession()),
            api_url=os.environ["WHATSAPP_API_URL"],
            api_version="v26.0",
            access_token=os.environ["WHATSAPP_ACCESS_TOKEN"],
        )
        yield PlainBot(responder, knowledge, line)


async def main(directory: Path, port: int) -> None:
    """Serve until killed; the first line of output says that it listens."""
    async with running_plain(directory) as bot:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.add_routes(
            [
                web.post("/webhooks/whatsapp", bot.webhook),
                web.post("/upload", bot.upload),
                web.get("/figures", bot.figures),
            ]
        )
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
        print("listening", flush=True)  # noqa: T201 - told to whoever started us
        await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_loop) as loop_runner:
        loop_runner.run(main(Path(sys.argv[1]), int(sys.argv[2])))
