"""How often an answer without a model holds what was asked for, and how often it knows that it does not know."""

import json
import random
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from agents.ports import Burst
from agents.query_agent import REPLY_CHARACTERS, QueryAgent
from bot.data_directory import DATABASE_FILES
from bot.knowledge import RunningKnowledge, running_knowledge
from bot.settings import Settings
from database.clock import SystemClock
from database.engine import Database, DatabaseOptions
from database.metrics import Metrics
from tests.bench.figures import Figure
from tests.shared import SHARED

SQUAD = SHARED / "evaldata/squad2_dev/visible"
XQUAD = SHARED / "evaldata/xquad/visible"
LANGUAGES = ("de", "es", "ar", "hi", "zh")
FLOOR, GOAL = 0.70, 0.85
BASELINE = "the beginning of the best passage"


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    golds: tuple[str, ...]
    document: str


async def run() -> list[Figure]:
    """SQuAD articles, the same in halves, and XQuAD in five languages; `[]` where the data are not."""
    if not SQUAD.is_dir() or not XQUAD.is_dir():
        return []
    documents = {path.name: path.read_bytes() for path in sorted((SQUAD / "documents").glob("*.txt"))}
    questions = list(squad_questions())
    async with knowing({"all": documents, **halves(documents)}) as knowledge:
        held, baseline = await _share_held(knowledge, "all", questions)
        kept, refused = await _refusals(knowledge.agents.asker, documents, questions)
    figures = [
        Figure(f"reply of at most {REPLY_CHARACTERS} characters holds the gold answer, SQuAD articles", held, "of 1",
               baseline, BASELINE, FLOOR, GOAL),
        Figure("questions to articles that are there: answered", kept, "of 1"),
        Figure("questions to articles that are not there: refused", refused, "of 1"),
    ]  # fmt: skip
    async with knowing({language: _xquad_document(language) for language in LANGUAGES}) as knowledge:
        for language in LANGUAGES:
            held, baseline = await _share_held(knowledge, language, list(_xquad_questions(language)))
            figures.append(Figure(f"the same, XQuAD {language}", held, "of 1", baseline, BASELINE))
    return figures


async def _share_held(
    knowledge: RunningKnowledge, business_id: str, questions: Sequence[Question]
) -> tuple[float, float]:
    """The share of replies, short enough with their source line, whose text holds a gold answer; and the baseline's."""
    held = plain = 0
    for question in questions:
        reply = await knowledge.agents.responder.respond(Burst(business_id, (question.text,)))
        if reply.answered and reply.text and len(reply.text) <= REPLY_CHARACTERS:
            said, _, _ = reply.text.rpartition("\n\n")  # a file's name is no answer
            held += holds(said, question.golds)
        passages = await knowledge.index.search(business_id, question.text, limit=1)
        plain += bool(passages) and holds(passages[0].text[:REPLY_CHARACTERS], question.golds)
    return held / len(questions), plain / len(questions)


async def _refusals(
    asker: QueryAgent, documents: Mapping[str, bytes], questions: Sequence[Question]
) -> tuple[float, float]:
    """Each half of the articles is asked everything: the share answered of its own, the share refused of the others."""
    own: list[bool] = []
    foreign: list[bool] = []
    for half, held in halves(documents).items():
        for question in questions:
            answered = (await asker.answer(half, question.text)).answered
            (own if question.document in held else foreign).append(answered)
    return sum(own) / len(own), 1 - sum(foreign) / len(foreign)


@asynccontextmanager
async def knowing(businesses: Mapping[str, Mapping[str, bytes]]) -> AsyncIterator[RunningKnowledge]:
    """The real knowledge, ingestion and index of `concierge serve`, with these files by business, all ready."""
    settings = Settings(openai_api_key="", concierge_embedder="wordllama", _env_file=None)  # type: ignore[arg-type,call-arg]
    with TemporaryDirectory() as directory:
        metrics = Metrics()
        chat_file = Path(directory) / DATABASE_FILES["chat"]
        async with (
            Database.open(chat_file, DatabaseOptions("chat"), metrics) as chat,
            running_knowledge(
                Path(directory), settings, SystemClock(), random.Random(1), metrics, chat=chat
            ) as knowledge,
        ):
            for business_id, files in businesses.items():
                for filename, content in files.items():
                    await knowledge.ingestion.accept(business_id, filename, _pieces(content))
            for business_id in businesses:
                accepted, _ = await knowledge.ingestion.list(business_id, 100, None)
                await knowledge.ingestion.wait_until_done([document.id for document in accepted])
            yield knowledge


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    yield content


def halves(documents: Mapping[str, bytes]) -> dict[str, dict[str, bytes]]:
    """Every second document, by name."""
    names = sorted(documents)
    return {f"half {number}": {name: documents[name] for name in names[number::2]} for number in (0, 1)}


def holds(text: str, golds: Iterable[str]) -> bool:
    """Whether a text has one of the gold answers, in upper or lower case."""
    return any(gold.casefold() in text.casefold() for gold in golds)


def squad_questions() -> Iterable[Question]:
    """Those that can be answered."""
    for row in _rows(SQUAD / "questions.jsonl"):
        if row["answerable"]:
            yield Question(row["question"], tuple(row["answers"]), f"{row['doc']}.txt")


def _xquad_questions(language: str) -> Iterable[Question]:
    for row in _rows(XQUAD / f"questions.{language}.jsonl"):
        yield Question(row["question"], tuple(row["answers"]), row["gold_pid"].split("#")[0])


def _xquad_document(language: str) -> dict[str, bytes]:
    """One text a Wikipedia article, its paragraphs in order."""
    articles: dict[str, list[str]] = {}
    for row in _rows(XQUAD / f"passages.{language}.jsonl"):
        articles.setdefault(row["pid"].split("#")[0], []).append(row["text"])
    return {f"{name}.txt": "\n\n".join(paragraphs).encode() for name, paragraphs in articles.items()}


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
