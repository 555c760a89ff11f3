"""Wires the agents that answer customers, on top of the knowledge."""

import asyncio
import random
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

from agents.conversation_memory import ConversationMemory
from agents.language_packs import LanguagePack, load_language_packs
from agents.message_classifier import MessageClassifier
from agents.ports import LanguageModel, Responder
from agents.query_agent import QueryAgent
from agents.responder import BurstResponder
from agents.sentences import Sentences
from agents.topics import TopicFinder
from agents.word_marks import WordMarks
from bot.health import Check
from bot.models import model_check, open_model_line
from bot.settings import Settings
from database.clock import Clock
from database.engine import Database
from database.metrics import Metrics
from services.answer_thresholds import BusinessThresholds
from services.known_topics import KnownTopics
from vectorstore.embedders import Embedder
from vectorstore.knowledge_index import KnowledgeIndex
from vectorstore.wordllama_embedder import WordLlamaEmbedder


@dataclass(frozen=True, slots=True)
class CustomerAgents:
    """The agents, and what others need of what they are made of. `model` None: they are built in.

    `local` is the local embedder, whatever the settings say of the knowledge's.
    """

    responder: Responder
    asker: QueryAgent
    topics: TopicFinder
    word_marks: WordMarks
    packs: Mapping[str, LanguagePack]
    local: Embedder
    model: LanguageModel | None
    model_check: Check


async def open_customer_agents(
    stack: AsyncExitStack,
    settings: Settings,
    index: KnowledgeIndex,
    embedder: Embedder,
    knowledge: Database,
    chat: Database,
    clock: Clock,
    dice: random.Random,
    metrics: Metrics,
    model: LanguageModel | None,
) -> CustomerAgents:
    """What it opens is closed by `stack`. `chat` is concierge.db, `knowledge` knowledge.db.

    `model` None means: as the settings say.
    """
    packs = await asyncio.to_thread(load_language_packs)
    line = None if model else await open_model_line(stack, settings, chat, clock, dice, metrics)
    chosen = model or line
    asker = QueryAgent(index, chosen, packs, BusinessThresholds(knowledge))
    memory = ConversationMemory(chosen, settings.concierge_history_tokens)
    local = _local_embedder(stack, embedder)
    topics = TopicFinder(KnownTopics(chat), local)
    stack.push_async_callback(topics.close)
    return CustomerAgents(
        responder=BurstResponder(MessageClassifier(chosen, packs, topics), asker, Sentences(packs), memory),
        asker=asker,
        topics=topics,
        word_marks=WordMarks(packs),
        packs=packs,
        local=local,
        model=chosen,
        model_check=model_check(line),
    )


def _local_embedder(stack: AsyncExitStack, embedder: Embedder) -> Embedder:
    """For topics and gaps: what is one was measured with it, and neither burst nor sweep shall wait or pay for that."""
    if isinstance(embedder, WordLlamaEmbedder):
        return embedder
    local = WordLlamaEmbedder()
    stack.callback(local.close)
    return local
