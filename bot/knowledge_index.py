"""Wires the two indexes: the vector store, the embedder that answers and the one that takes over, healing, search."""

import asyncio
import random
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from agents.circuit_breaker import CircuitBreaker
from bot.data_directory import DATABASE_FILES
from bot.embedders import Embedders
from bot.health import Check, Component, State
from bot.settings import Settings
from database.clock import Clock
from database.engine import Database
from database.index_state import index_state, serve_at_once
from database.lexical import LexicalIndex
from database.metrics import Metrics
from vectorstore.chroma_manager import ChromaManager, ManagerOptions
from vectorstore.chroma_process import ChildOptions
from vectorstore.chroma_server import ServerOptions
from vectorstore.embedder_switch import EmbedderSwitch, SwitchParts
from vectorstore.index_healer import IndexHealer
from vectorstore.knowledge_index import KnowledgeIndex, SearchOptions
from vectorstore.minilm_embedder import MiniLMEmbedder
from vectorstore.reindexing import Reindexing, ReindexParts
from vectorstore.remembering_embedder import RememberingEmbedder
from vectorstore.reranker import HttpReranker, Reranker, RerankerOptions
from vectorstore.serving_embedder import ServingEmbedder
from vectorstore.wordllama_embedder import WordLlamaEmbedder

CHROMA = "chroma"
INSTALLATION_CHARACTERS = 12
EMBEDDER_SILENCES = 3
EMBEDDER_PAUSE_SECONDS = 5.0
RERANKER_FAILURES = 3
RERANKER_PAUSE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class RunningIndex:
    """Both indexes of a data directory, and what keeps them."""

    vectors: ChromaManager
    serving: ServingEmbedder
    index: KnowledgeIndex
    switch: EmbedderSwitch
    reindexing: Reindexing
    check: Check


async def open_index(
    stack: AsyncExitStack,
    directory: Path,
    settings: Settings,
    database: Database,
    clock: Clock,
    dice: random.Random,
    metrics: Metrics,
) -> RunningIndex:
    """Open what is found by words and by vectors; `stack` closes it. `database` is knowledge.db."""
    serving, installation = await _serving(stack, settings, database, clock, dice, metrics)
    place, enter = _place(directory, settings, installation), stack.enter_async_context
    options = store_options(settings)
    vectors = await enter(ChromaManager.open(place, metrics, clock=clock, dice=dice, options=options))
    words = await enter(LexicalIndex.open(directory / DATABASE_FILES["lexical"], database, metrics))
    healer = await enter(IndexHealer.running(database, words, vectors, serving, clock=clock, dice=dice))
    share = settings.concierge_reindex_share
    switching = SwitchParts(
        database, vectors, healer.vectors, serving, healer.look, healer.wait_healthy, clock, dice, share
    )
    switch = await enter(EmbedderSwitch.running(switching))
    reindexing = await enter(Reindexing.running(ReindexParts(database, words, vectors, healer, serving, clock, share)))
    questions = RememberingEmbedder(serving, metrics, entries=settings.concierge_embedding_cache_entries)
    search = await _search_options(stack, settings, clock)
    index = KnowledgeIndex(database, words, vectors, questions, healer, metrics, search)
    _load_ahead(stack, serving)
    return RunningIndex(vectors, serving, index, switch, reindexing, _check(index, switch, reindexing))


async def _serving(
    stack: AsyncExitStack,
    settings: Settings,
    database: Database,
    clock: Clock,
    dice: random.Random,
    metrics: Metrics,
) -> tuple[ServingEmbedder, str]:
    """Who answers and who takes over; and our name on a Chroma server."""
    embedders = Embedders(stack, settings, clock, dice, metrics)
    chosen = embedders.chosen()
    new = uuid4().hex[:INSTALLATION_CHARACTERS]
    state = await database.write(index_state(chosen.name, new, clock.now()))
    if state.embedder == chosen.name:
        return ServingEmbedder(chosen), state.installation
    former = embedders.named(state.embedder)
    if former is None:
        await database.write(serve_at_once(chosen.name, clock.now()))
        return ServingEmbedder(chosen), state.installation
    return ServingEmbedder(former, chosen), state.installation


async def _search_options(stack: AsyncExitStack, settings: Settings, clock: Clock) -> SearchOptions:
    return SearchOptions(
        vector_seconds=settings.concierge_vector_seconds,
        reranker=await _reranker(stack, settings, clock),
        breaker=CircuitBreaker(clock, failures=EMBEDDER_SILENCES, seconds=EMBEDDER_PAUSE_SECONDS),
    )


async def _reranker(stack: AsyncExitStack, settings: Settings, clock: Clock) -> Reranker | None:
    if not settings.concierge_reranker_url:
        return None
    options = RerankerOptions(
        url=settings.concierge_reranker_url,
        model=settings.concierge_reranker_model,
        api_key=settings.concierge_reranker_api_key.get_secret_value(),
        seconds=settings.concierge_reranker_seconds,
    )
    breaker = CircuitBreaker(clock, failures=RERANKER_FAILURES, seconds=RERANKER_PAUSE_SECONDS)
    return await stack.enter_async_context(HttpReranker.open(options, breaker))


def _place(directory: Path, settings: Settings, installation: str) -> Path | ServerOptions:
    if settings.concierge_chroma_url:
        return server_options(settings, installation)
    return directory / CHROMA


def store_options(settings: Settings) -> ManagerOptions:
    """How our own store is run."""
    return ManagerOptions(child=ChildOptions(memory_mb=settings.concierge_vector_memory_mb))


def server_options(settings: Settings, installation: str, url: str | None = None) -> ServerOptions:
    """How the Chroma server is reached, that of the settings or another one, and what there is ours."""
    return ServerOptions(
        url=url or settings.concierge_chroma_url,
        prefix=f"{settings.concierge_chroma_prefix}-{installation}",
        token=settings.concierge_chroma_token.get_secret_value(),
    )


def _load_ahead(stack: AsyncExitStack, serving: ServingEmbedder) -> None:
    """So that the first customer does not wait for it; nobody waits for it at the start either."""
    if isinstance(serving.current, WordLlamaEmbedder | MiniLMEmbedder):
        loading = asyncio.create_task(serving.current.load(), name="load the embedder")
        stack.push_async_callback(asyncio.wait, {loading})


def _check(index: KnowledgeIndex, switch: EmbedderSwitch, reindexing: Reindexing) -> Check:
    async def check() -> Component:
        state = index.state()
        facts: dict[str, object] = {"vectors": state.vectors, "words": state.words}
        progress = switch.progress if switch.progress is not None else reindexing.progress
        if progress is not None:
            facts["reindexing"] = round(progress, 2)
        wrong = state.degraded or switch.problem
        return Component(State.DEGRADED, {**facts, "problem": wrong}) if wrong else Component(State.OK, facts)

    return check
