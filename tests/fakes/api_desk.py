"""A real API server on a socket, with a knowledge desk behind it that keeps passages in memory."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from agents.language_packs import load_language_packs
from agents.ports import Answer
from agents.query_agent import QueryAgent
from agents.topics import TopicFinder
from agents.unanswered import QuestionReader
from agents.word_marks import WordMarks
from bot.api.needs import API, ApiNeeds, Ingestion, Sources
from bot.api.routes import install_api
from bot.health import HEALTH, Check, HealthNeeds, install_health
from bot.knowledge_settings import KnowledgeSettings
from bot.knowledge_sources import KnowledgeSources, knowledge_sources
from database.businesses import ensure_default
from database.clock import Clock, SystemClock
from database.engine import Database
from database.live_chunks import SearchScope
from database.metrics import Metrics
from database.records import Business, Document, DocumentStatus, Passage, new_id
from services.gaps import Gaps
from services.known_topics import KnownTopics
from services.replay import ReplayOptions, Replays
from services.source_documents import SourceDocuments
from vectorstore.wordllama_embedder import WordLlamaEmbedder

ADMIN = "admin-token-of-the-tests"
Client = TestClient[web.Request, web.Application]


@dataclass
class KnowledgeDesk:
    """Search, answers and gaps as the API sees them; `fault` is raised by answers."""

    clock: Clock
    documents: dict[str, Document] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    passages: list[Passage] = field(default_factory=list)
    previewed: list[Passage] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    fault: Exception | None = None

    async def add(self, business_id: str, question: str, answer: str) -> Document:
        content = f"# {question}\n\n{answer}".encode()
        now = self.clock.now()
        document = Document(
            *(new_id(), business_id, f"{question}.md", DocumentStatus.QUEUED),
            progress=0.0,
            is_processed=False,
            chunks_count=0,
            error_message=None,
            version=1,
            bytes=len(content),
            created_at=now,
            updated_at=now,
        )
        self.documents[document.id] = document
        self.contents[document.id] = content
        return document

    async def version(self, business_id: str) -> int:
        return len(self.documents)

    async def search(
        self, business_id: str, query: str, *, limit: int, scope: SearchScope | None = None
    ) -> list[Passage]:
        self.asked.append((business_id, query))
        return (self.passages if scope is None else self.previewed)[:limit]

    async def answer(self, business_id: str, question: str) -> Answer:
        self.asked.append((business_id, question))
        if self.fault:
            raise self.fault
        return Answer("At nine.", answered=bool(self.passages), sources=tuple(self.passages[:1]))


@dataclass
class Desk:
    """The running server: its client, what lies behind it, and the default business."""

    client: Client
    knowledge: KnowledgeDesk
    business: Business
    wakes: list[bool]

    @property
    def sources(self) -> Sources:
        """Where knowledge comes from besides uploads."""
        app = self.client.app
        assert app is not None
        return app[API].sources

    @property
    def path(self) -> str:
        return "/api/v1/businesses/default"


@dataclass(frozen=True)
class Ground:
    """What the sources stand on."""

    database: Database
    ingestion: SourceDocuments


@asynccontextmanager
async def api_desk(
    chat: Database,
    clock: Clock,
    metrics: Metrics,
    *,
    requests_per_second: float = 1000,
    checks: dict[str, Check] | None = None,
    metrics_public: bool = False,
    tokens: Mapping[str, str] | None = None,
    knowledge_database: Database | None = None,
    ingestion: Ingestion | None = None,
    max_upload_files: int = 3,
    max_event_listeners: int = 3,
    settings: KnowledgeSettings | None = None,
) -> AsyncIterator[Desk]:
    """Serve API and health on a free port; the client carries the admin token unless told otherwise."""
    async with AsyncExitStack() as stack:
        embedder = WordLlamaEmbedder()
        stack.callback(embedder.close)
        business = await chat.write(ensure_default("10001", clock.now()))
        knowledge = KnowledgeDesk(clock)
        wakes: list[bool] = []
        packs = await asyncio.to_thread(load_language_packs)
        ground = Ground(knowledge_database or chat, cast("SourceDocuments", ingestion or knowledge))
        sources: KnowledgeSources = await stack.enter_async_context(
            knowledge_sources(settings or KnowledgeSettings(), ground, clock, random.Random(7))
        )
        app = web.Application()
        install_api(app, clock)
        install_health(app)
        tokens = tokens or {"admin": ADMIN, "command": "command-token-of-the-tests"}
        app[API] = ApiNeeds(
            chat=chat,
            # tests of other things touch no documents
            ingestion=ingestion or cast("Ingestion", knowledge),
            knowledge=knowledge,
            asker=knowledge,
            clock=clock,
            tokens=tokens,
            requests_per_second=requests_per_second,
            max_upload_files=max_upload_files,
            max_event_listeners=max_event_listeners,
            wake_intake=lambda: wakes.append(True),
            knowledge_database=knowledge_database or chat,
            word_marks=WordMarks(packs),
            topics=TopicFinder(KnownTopics(chat), embedder),
            gaps=Gaps(chat, knowledge, clock),
            replays=Replays(
                *(chat, knowledge_database or chat, cast("Ingestion", ingestion or knowledge), knowledge),
                lambda searched: QueryAgent(searched, None, packs),
                *(QuestionReader(packs), SystemClock(), ReplayOptions(questions=60)),
            ),
            sources=sources,
        )
        app[HEALTH] = HealthNeeds(checks or {}, metrics.registry, tokens, metrics_public=metrics_public)
        headers = {"Authorization": f"Bearer {ADMIN}"}
        async with TestClient(TestServer(app), headers=headers) as client:
            yield Desk(client, knowledge, business, wakes)
