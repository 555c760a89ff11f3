"""From real files to search results: the real parser, embedder, word index and vector store together."""

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from database.clock import SystemClock
from database.engine import Database
from database.lexical import LexicalIndex
from database.metrics import Metrics
from services.document_files import DocumentFiles
from services.document_parser import DocumentParser, ParserLimits
from services.document_pipeline import Knowledge
from services.ingestion import Ingestion, IngestionOptions
from tests.shared import shared
from vectorstore.chroma_manager import ChromaManager
from vectorstore.index_healer import IndexHealer
from vectorstore.knowledge_index import KnowledgeIndex
from vectorstore.wordllama_embedder import WordLlamaEmbedder

FILES = {
    "evaldata/docs_pypdf_samples/files/009-pdflatex-geotopo__GeoTopo-komprimiert.pdf": "Was ist Topologie?",
    "evaldata/docs_markitdown/files/movie-theater-booking-2024.pdf": "Who is the primary contact of the booking order?",
    "evaldata/docs_markitdown/files/test_wikipedia.html": "Who founded Microsoft and when?",
    "evaldata/docs_markitdown/files/test.docx": "What is AutoGen?",
}


async def whole(text: bytes) -> AsyncIterator[bytes]:
    yield text


async def content(path: Path) -> AsyncIterator[bytes]:
    yield path.read_bytes()


@pytest.fixture
async def running(
    knowledge: Database, metrics: Metrics, tmp_path: Path
) -> AsyncIterator[tuple[Ingestion, KnowledgeIndex]]:
    """Ingestion and search, wired as in production."""
    clock, dice = SystemClock(), random.Random(3)
    async with AsyncExitStack() as stack:
        manager = await stack.enter_async_context(ChromaManager.open(tmp_path / "chroma", metrics, clock=clock))
        words = await stack.enter_async_context(LexicalIndex.open(tmp_path / "lexical.db", knowledge, metrics))
        embedder = WordLlamaEmbedder()
        stack.callback(embedder.close)
        healer = await stack.enter_async_context(
            IndexHealer.running(knowledge, words, manager, embedder, clock=clock, dice=dice)
        )
        index = KnowledgeIndex(knowledge, words, manager, embedder, healer, metrics)
        await manager.wait_ready()
        parser = DocumentParser(clock, ParserLimits())
        parts = Knowledge(knowledge, index, embedder, parser, DocumentFiles(tmp_path / "files"))
        ingestion = Ingestion(parts, clock, metrics, IngestionOptions())
        await ingestion.start()
        stack.push_async_callback(ingestion.drain, 5)
        yield ingestion, index


@pytest.mark.blocking_allowed  # it reads the sample files itself
async def test_real_files_are_found_and_forgotten(running):
    """Uploaded together, each document answers its question with its page; deleted, none is found any more."""
    ingestion, index = running
    accepted = {path: await ingestion.accept("b1", Path(path).name, content(shared(path))) for path in FILES}
    await ingestion.wait_until_done([document.id for document in accepted.values()])
    for path, question in FILES.items():
        found = await index.search("b1", question, limit=5)
        assert accepted[path].id in {passage.document_id for passage in found}, question
        assert all(0 < len(passage.text) <= 1200 for passage in found)
        if path.endswith(".pdf"):
            assert any(passage.page for passage in found if passage.document_id == accepted[path].id)
    assert await index.search("b2", "Was ist Topologie?", limit=5) == []
    for path, question in FILES.items():
        assert await ingestion.delete("b1", accepted[path].id)
        found = await index.search("b1", question, limit=50)
        assert accepted[path].id not in {passage.document_id for passage in found}
    assert await index.search("b1", "Microsoft", limit=5) == []


@pytest.mark.blocking_allowed  # it reads every file itself
async def test_a_deleted_document_leaves_no_word_in_any_file(running, tmp_path):
    """After the sweep and the scrub its words are in no file: uploads, texts, word index, vectors, logs of writing."""
    ingestion, index = running
    kept = await ingestion.accept("b1", "kept.txt", whole(b"The bakery opens at seven."))
    # a word that is its own stem, which is what lexical.db keeps
    parts = b"".join(b"# Part %d\n\nThe xyloq number %d sounds well.\n\n" % (n, n) for n in range(200))
    secret = await ingestion.accept("b1", "secret.md", whole(parts))
    await ingestion.wait_until_done([kept.id, secret.id])
    assert holders(tmp_path, b"xyloq") >= {"knowledge.db", "lexical.db"}
    assert await ingestion.delete("b1", secret.id)
    found = await index.search("b1", "xyloq", limit=5)
    assert {passage.document_id for passage in found} <= {kept.id}
    while await ingestion.sweep():
        pass
    await ingestion.upkeep.scrub()
    assert holders(tmp_path, b"xyloq") == set()
    assert (await index.search("b1", "When does the bakery open?", limit=1))[0].document_id == kept.id


def holders(folder: Path, word: bytes) -> set[str]:
    """The files that hold a word, their logs counted as the files themselves."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {file.name.removesuffix("-wal") for file in files if word in file.read_bytes().lower()}
