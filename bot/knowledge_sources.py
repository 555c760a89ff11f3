"""Wires where knowledge comes from besides uploads: web pages, answers, exported chats."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from aiohttp.abc import AbstractResolver

from bot.knowledge_settings import KnowledgeSettings
from bot.version import VERSION
from database.clock import Clock
from database.engine import Database
from services.answer_pairs import AnswerPairs
from services.chat_proposals import ChatProposals
from services.chat_reader import ChatLimits
from services.source_documents import SourceDocuments
from services.web_addresses import WebRules
from services.web_fetch import MEGABYTE, FetchOptions, WebFetcher
from services.web_looks import LookLimits, WebLooks
from services.web_sources import WebOptions, WebSources

USER_AGENT = f"Concierge/{VERSION} (reads pages for their owner's chatbot)"
SWEEP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class KnowledgeSources:
    """For the API, the commands and the scheduler. `most_upload_bytes`: of an exported chat, packed."""

    web: WebSources
    answers: AnswerPairs
    chats: ChatProposals
    most_upload_bytes: int

    async def sweep(self) -> None:
        """What is due of each."""
        await self.answers.sweep()
        await self.web.sweep()


class OpenKnowledge(Protocol):
    """What the sources need of the knowledge."""

    @property
    def database(self) -> Database:
        """knowledge.db."""
        ...

    @property
    def ingestion(self) -> SourceDocuments:
        """What makes documents."""
        ...


@asynccontextmanager
async def knowledge_sources(
    settings: KnowledgeSettings,
    knowledge: OpenKnowledge,
    clock: Clock,
    dice: random.Random,
    *,
    resolver: AbstractResolver | None = None,
) -> AsyncIterator[KnowledgeSources]:
    """The sources of an open knowledge, for the length of the block."""
    answers = AnswerPairs(knowledge.database, knowledge.ingestion, clock)
    chat_limits = ChatLimits(
        settings.concierge_chat_export_mb * MEGABYTE,
        settings.concierge_parser_seconds,
        settings.concierge_parser_memory_mb,
    )
    chats = ChatProposals(knowledge.database, answers, clock, chat_limits)
    async with _running_web(settings, knowledge, clock, dice, resolver) as web:
        yield KnowledgeSources(web, answers, chats, settings.concierge_max_upload_mb * MEGABYTE)


@asynccontextmanager
async def _running_web(
    settings: KnowledgeSettings,
    knowledge: OpenKnowledge,
    clock: Clock,
    dice: random.Random,
    resolver: AbstractResolver | None,
) -> AsyncIterator[WebSources]:
    database, documents = knowledge.database, knowledge.ingestion
    rules = WebRules(settings.concierge_web_private, settings.concierge_web_ports, settings.concierge_web_networks)
    most_bytes = settings.concierge_web_mb * MEGABYTE
    fetching = FetchOptions(rules, USER_AGENT, settings.concierge_web_seconds, most_bytes)
    limits = LookLimits(
        settings.concierge_web_pages,
        settings.concierge_web_sites,
        settings.concierge_max_web_sources,
        most_bytes,
    )
    options = WebOptions(
        rules,
        every_hours=settings.concierge_web_hours,
        concurrency=settings.concierge_web_sites,
        sources=settings.concierge_max_web_sources,
    )
    async with WebFetcher.running(fetching, resolver) as fetcher:
        looks = WebLooks(database, documents, fetcher, clock, dice, limits)
        yield WebSources(database, documents, looks, clock, options)
