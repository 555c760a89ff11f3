"""Wires what admins may do by WhatsApp: the embedding agent in front of the other agents."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import aiohttp

from agents.admin_proposals import AdminProposals
from agents.admin_responder import AdminResponder
from agents.admin_statements import StatementReader
from agents.admin_words import load_admin_words
from agents.embedding_agent import EmbeddingAgent
from agents.intent_rules import IntentRules
from agents.model_line import ModelLine
from agents.ports import LanguageModel, Proposal, Responder
from agents.sentences import Sentences
from agents.statement_check import StatementCheck
from agents.transcriber import OpenAITranscriber, TranscriberOptions
from bot.knowledge import RunningKnowledge
from bot.settings import Settings
from database.clock import Clock
from database.engine import Database
from database.metrics import Metrics
from database.records import Document
from services.knowledge_desk import KnowledgeDesk
from services.voice_notes import VoiceNotes
from services.whatsapp.media import WhatsAppMedia


@dataclass(frozen=True, slots=True)
class AdminDoor:
    """`responder` hears admins first; `concluded` is for services.knowledge_news."""

    responder: Responder
    concluded: Callable[[str, Proposal, Sequence[Document]], Awaitable[str]]


async def admin_door(
    stack: AsyncExitStack,
    settings: Settings,
    session: aiohttp.ClientSession,
    chat: Database,
    knowledge: RunningKnowledge,
    clock: Clock,
    dice: random.Random,
    metrics: Metrics,
) -> AdminDoor:
    """Everything that admins need. What it opens is closed by `stack`."""
    media = _media(settings, session, clock, dice)
    model, packs = knowledge.agents.model, knowledge.agents.packs
    said, rules = await asyncio.to_thread(load_admin_words), IntentRules(packs)
    agent = EmbeddingAgent(
        _desk(settings, chat, knowledge, media, clock),
        StatementReader(model, rules, said, packs),
        StatementCheck(model, said, packs),
        rules,
        said,
        AdminProposals(said, Sentences(packs)),
        _listener(stack, settings, media, model, clock, dice, metrics),
        clock,
    )
    return AdminDoor(AdminResponder(knowledge.agents.responder, agent), agent.concluded)


def _media(settings: Settings, session: aiohttp.ClientSession, clock: Clock, dice: random.Random) -> WhatsAppMedia:
    return WhatsAppMedia(
        session,
        api_url=settings.whatsapp_api_url,
        api_version=settings.whatsapp_api_version,
        access_token=settings.whatsapp_access_token.get_secret_value(),
        clock=clock,
        dice=dice,
        timeout_seconds=settings.concierge_media_timeout_seconds,
    )


def _desk(
    settings: Settings, chat: Database, knowledge: RunningKnowledge, media: WhatsAppMedia, clock: Clock
) -> KnowledgeDesk:
    return KnowledgeDesk(
        chat,
        knowledge.database,
        knowledge.index,
        knowledge.embedder,
        knowledge.ingestion,
        media,
        clock,
        most_megabytes=settings.concierge_max_upload_mb,
    )


def _listener(
    stack: AsyncExitStack,
    settings: Settings,
    media: WhatsAppMedia,
    model: LanguageModel | None,
    clock: Clock,
    dice: random.Random,
    metrics: Metrics,
) -> VoiceNotes | None:
    if not settings.concierge_transcription_model:
        return None
    options = TranscriberOptions(
        model=settings.concierge_transcription_model,
        api_key=settings.openai_api_key.get_secret_value(),
        base_url=settings.openai_base_url,
        timeout_seconds=settings.concierge_model_timeout_seconds,
        retries=settings.concierge_model_retries,
        prices_usd=settings.concierge_model_prices.get(settings.concierge_transcription_model, (0.0, 0.0)),
    )
    budget = model.budget if isinstance(model, ModelLine) else None
    transcriber = OpenAITranscriber(options, clock, dice, metrics, budget)
    stack.push_async_callback(transcriber.close)
    return VoiceNotes(media, transcriber)
