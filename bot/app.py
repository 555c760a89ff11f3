"""The composition root: opens everything, bottom layer first, and closes it in reverse, also on failure."""

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp import web

from agents.ports import LanguageModel, Responder
from bot.admin_knowledge import admin_door
from bot.api.backups import BACKUPS
from bot.api.chunk_sets import CHUNK_SETS
from bot.api.needs import API, ApiNeeds
from bot.api.reindexing import REINDEXING
from bot.api.routes import install_api
from bot.backups import backup_check, index_files, running_backups
from bot.conversation import Conversation, ConversationOptions, running_conversation
from bot.data_directory import DATABASE_FILES, OWNED, OwnedDirectory, owned_directory
from bot.health import HEALTH, Check, Component, HealthNeeds, State, database_check, disk_check, install_health
from bot.knowledge import RunningKnowledge, running_knowledge
from bot.knowledge_gaps import GAP_SECONDS, GapParts, gap_parts
from bot.knowledge_sources import SWEEP_SECONDS, KnowledgeSources, knowledge_sources
from bot.settings import Settings
from bot.webhook import DEFAULT_APP, MAX_BODY_BYTES, WEBHOOK, Webhook, install_webhook
from database.businesses import ensure_default
from database.clock import Clock, SystemClock
from database.engine import Database, DatabaseOptions
from database.metrics import Metrics
from services.chunk_sets.runs import ChunkSets
from services.delivery_grace import OpenDoor
from services.delivery_rules import DeliveryOptions
from services.knowledge_news import KnowledgeNews
from services.message_batcher import BatchWindow
from services.scheduler import running_scheduler
from services.snapshots.backups import Backups
from services.turns import TurnOptions
from services.whatsapp.client import WhatsAppClient
from vectorstore.reindexing import Reindexing

NEWS_SECONDS = 2.0
DOOR: web.AppKey[OpenDoor] = web.AppKey("door", OpenDoor)


@dataclass(frozen=True, slots=True)
class Outside:
    """What is not ours: time, chance and the model. All that a test replaces.

    `model` None means: as the settings say.
    """

    clock: Clock
    dice: random.Random
    model: LanguageModel | None = None

    @classmethod
    def real(cls) -> "Outside":
        """The machine's clock and its chance."""
        return cls(SystemClock(), random.Random())  # noqa: S311 - it spreads retries, it guards nothing


@dataclass(frozen=True, slots=True)
class RunningBot:
    """What the doors need of everything that runs behind them."""

    directory: OwnedDirectory
    conversation: Conversation
    api: ApiNeeds
    health: HealthNeeds
    webhook: Webhook
    backups: Backups
    reindexing: Reindexing
    chunk_sets: ChunkSets


@dataclass(frozen=True, slots=True)
class _Parts:
    """What was opened, bottom layer first."""

    directory: OwnedDirectory
    chat: Database
    knowledge: RunningKnowledge
    conversation: Conversation
    sources: KnowledgeSources
    gaps: GapParts
    backups: Backups


def create_app(settings: Settings, outside: Outside) -> web.Application:
    """The server. Entering it owns the data directory; leaving it stops gracefully.

    Raises, when it starts: OwnedError, DataDirectoryError, NewerDatabaseError, sqlite3.Error.
    """
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    install_webhook(app)
    install_health(app)
    install_api(app, outside.clock)

    async def run(app: web.Application) -> AsyncIterator[None]:
        async with running_bot(settings, outside) as bot:
            app[OWNED] = bot.directory
            app[API] = bot.api
            app[HEALTH] = bot.health
            app[WEBHOOK] = bot.webhook
            app[BACKUPS] = bot.backups
            app[REINDEXING] = bot.reindexing
            app[CHUNK_SETS] = bot.chunk_sets
            app[DOOR] = bot.conversation.door
            app[DOOR].open()
            yield

    app.cleanup_ctx.append(run)
    app.on_shutdown.append(_shut_door)
    return app


async def _shut_door(app: web.Application) -> None:
    """Called once nothing listens any more, before open requests are waited for; also after a start that failed."""
    if DOOR in app:
        app[DOOR].shut()


@asynccontextmanager
async def running_bot(settings: Settings, outside: Outside) -> AsyncIterator[RunningBot]:
    """Everything behind the doors, for the length of the block."""
    metrics, clock = Metrics(), outside.clock
    async with AsyncExitStack() as stack:
        parts = await _opened(stack, settings, outside, metrics)
        tokens = {"admin": settings.concierge_admin_token.get_secret_value(), "owner": parts.directory.token}
        yield RunningBot(
            directory=parts.directory,
            conversation=parts.conversation,
            api=_api_needs(settings, parts, clock, tokens),
            health=HealthNeeds(
                _checks(parts), metrics.registry, tokens, metrics_public=settings.concierge_metrics_public
            ),
            webhook=_webhook(settings, parts.conversation, metrics),
            backups=parts.backups,
            reindexing=parts.knowledge.reindexing,
            chunk_sets=parts.knowledge.chunk_sets,
        )


async def _opened(stack: AsyncExitStack, settings: Settings, outside: Outside, metrics: Metrics) -> _Parts:
    """Everything, bottom layer first; `stack` closes it."""
    clock, dice, enter = outside.clock, outside.dice, stack.enter_async_context
    directory = await enter(
        owned_directory(settings.concierge_data_dir, clock=clock, wait_seconds=settings.concierge_lock_wait_seconds)
    )
    chat = await enter(_open_chat(directory.path, settings, metrics))
    await chat.write(ensure_default(settings.whatsapp_phone_number_id, clock.now()))
    knowledge = await enter(
        running_knowledge(directory.path, settings, clock, dice, metrics, chat=chat, model=outside.model)
    )
    session = await enter(aiohttp.ClientSession())
    admins = await admin_door(stack, settings, session, chat, knowledge, clock, dice, metrics)
    conversation = await enter(_conversation(settings, chat, admins.responder, session, outside, metrics))
    sources = await enter(knowledge_sources(settings, knowledge, clock, dice))
    gaps = gap_parts(settings, chat, knowledge, sources.answers, clock)
    news = KnowledgeNews(chat, knowledge.ingestion, clock, admins.concluded, conversation.delivery.wake)
    conversation.sweeps |= {
        "knowledge news": (news.sweep, NEWS_SECONDS),
        "knowledge sources": (sources.sweep, SWEEP_SECONDS),
        "knowledge gaps": (gaps.sweep.run, GAP_SECONDS),
    }
    await enter(running_scheduler(conversation.sweeps, clock, metrics))
    index = index_files(directory.path, settings, clock, knowledge.vectors)
    backups = await enter(running_backups(directory.path, settings, index, clock, metrics))
    return _Parts(directory, chat, knowledge, conversation, sources, gaps, backups)


def _conversation(
    settings: Settings,
    chat: Database,
    responder: Responder,
    session: aiohttp.ClientSession,
    outside: Outside,
    metrics: Metrics,
) -> AbstractAsyncContextManager[Conversation]:
    line = WhatsAppClient(
        session,
        api_url=settings.whatsapp_api_url,
        api_version=settings.whatsapp_api_version,
        access_token=settings.whatsapp_access_token.get_secret_value(),
    )
    return running_conversation(
        database=chat,
        responder=responder,
        line=line,
        clock=outside.clock,
        dice=outside.dice,
        metrics=metrics,
        options=_conversation_options(settings),
    )


def _webhook(settings: Settings, conversation: Conversation, metrics: Metrics) -> Webhook:
    secrets = {DEFAULT_APP: settings.app_secrets}
    return Webhook(conversation.inbox, secrets, settings.whatsapp_verify_token.get_secret_value(), metrics)


def _open_chat(path: Path, settings: Settings, metrics: Metrics) -> AbstractAsyncContextManager[Database]:
    options = DatabaseOptions("chat", busy_timeout_seconds=settings.concierge_busy_timeout_seconds)
    return Database.open(path / DATABASE_FILES["chat"], options, metrics)


def _conversation_options(settings: Settings) -> ConversationOptions:
    return ConversationOptions(
        window=BatchWindow(settings.concierge_batch_quiet_seconds, settings.concierge_batch_max_seconds),
        turns=TurnOptions(
            max_turns=settings.concierge_max_turns,
            lease_seconds=settings.concierge_turn_lease_seconds,
            longest_wait_seconds=settings.concierge_batch_max_seconds + 60,
            reply_max_age_seconds=settings.concierge_reply_max_age_seconds,
            admins=settings.concierge_admin_contacts,
        ),
        delivery=DeliveryOptions(
            grace_seconds=settings.concierge_delivery_grace_seconds,
            number_rate=settings.concierge_number_rate,
            reply_max_age_seconds=settings.concierge_reply_max_age_seconds,
        ),
        inbox_timeout_seconds=settings.concierge_inbox_timeout_seconds,
        stop_grace_seconds=settings.concierge_stop_grace_seconds,
        keep_bodies_days=settings.concierge_inbox_keep_days,
        keep_keys_days=settings.concierge_dedupe_keep_days,
    )


def _api_needs(settings: Settings, parts: _Parts, clock: Clock, tokens: Mapping[str, str]) -> ApiNeeds:
    knowledge, gaps = parts.knowledge, parts.gaps
    return ApiNeeds(
        chat=parts.chat,
        ingestion=knowledge.ingestion,
        knowledge=knowledge.index,
        asker=knowledge.agents.asker,
        clock=clock,
        tokens=tokens,
        requests_per_second=settings.concierge_api_rate,
        max_upload_files=settings.concierge_max_upload_files,
        max_event_listeners=settings.concierge_max_event_listeners,
        wake_intake=parts.conversation.intake.wake,
        knowledge_database=knowledge.database,
        word_marks=knowledge.agents.word_marks,
        topics=knowledge.agents.topics,
        gaps=gaps.gaps,
        replays=gaps.replays,
        sources=parts.sources,
    )


def _checks(parts: _Parts) -> dict[str, Check]:
    async def delivery() -> Component:
        problems = parts.conversation.delivery.problems()
        return Component(State.DEGRADED, {"problems": problems}) if problems else Component(State.OK)

    return {
        "chat": database_check(parts.chat),
        "knowledge": database_check(parts.knowledge.database),
        "vectors": parts.knowledge.check,
        "model": parts.knowledge.agents.model_check,
        "delivery": delivery,
        "disk": disk_check(parts.directory.path),
    } | backup_check(parts.backups)
