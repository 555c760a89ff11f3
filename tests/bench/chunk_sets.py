"""15,000 chunks with their embeddings from 30 files into a serving bot, beside the plain way; the loop meanwhile.

The plain way reads the same Parquet files one after another, in a process of its own, and calls `collection.add` with
texts and metadata. Ours goes from the beginning of the import until every document can be found: files checked, rows
and vectors in knowledge.db, words and vectors indexed.
"""

import asyncio
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from aiohttp import web

from bot.api.chunk_sets import CHUNK_SETS
from bot.api.needs import API
from tests.bench.figures import Figure
from tests.bench.index_lag import Lag, some_texts
from tests.bench.uploads import _business, serving

FILES = 30
FILE_CHUNKS = 500
CHUNKS = FILES * FILE_CHUNKS
DIMENSION = 256


def _write(folder: Path, kind: str) -> None:
    import orjson
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts, dice = some_texts(CHUNKS), np.random.default_rng(5)
    for number in range(FILES):
        part = [
            f"Case {kind} {number}.{n}. {text}"[:1200]
            for n, text in enumerate(texts[number * FILE_CHUNKS :][:FILE_CHUNKS])
        ]
        vectors = dice.normal(size=(FILE_CHUNKS, DIMENSION)).astype("<f4")
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        name = folder / f"{number:02}.{kind}"
        if kind == "parquet":
            column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), DIMENSION)
            table = {"text": part, "embedding": column, "embedder": ["wordllama-256"] * FILE_CHUNKS}
            pq.write_table(pa.table(table), name)
        else:
            rows = [
                {"text": text, "embedder": "wordllama-256", "embedding": vector}
                for text, vector in zip(part, vectors, strict=True)
            ]
            name.write_bytes(b"\n".join(orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY) for row in rows))


def plainly(directory: Path, source: Path) -> float:
    """The plain way; the seconds it took."""
    import pyarrow.parquet as pq
    from chromadb import PersistentClient
    from chromadb.config import Settings as ChromaSettings

    client = PersistentClient(str(directory), ChromaSettings(anonymized_telemetry=False))
    collection = client.create_collection("plain", embedding_function=None)
    began = time.perf_counter()
    for path in sorted(source.iterdir()):
        table = pq.read_table(path)
        collection.add(
            ids=[f"{path.name}-{n}" for n in range(table.num_rows)],
            embeddings=np.stack(table["embedding"].to_numpy()),
            documents=table["text"].to_pylist(),
            metadatas=[{"file": path.name, "number": n} for n in range(table.num_rows)],
        )
    return time.perf_counter() - began


async def _ours(app: web.Application, source: Path) -> float:
    sets, business = app[CHUNK_SETS], await _business(app)
    began = time.perf_counter()
    run = sets.import_(business, str(source))
    await sets.wait()
    seconds = time.perf_counter() - began
    assert run.imported, run.error
    assert (run.imported.chunks, run.imported.failures) == (CHUNKS, []), run
    return seconds


async def run() -> list[Figure]:
    """Rows a second, ours and the plain way, and the loop's lag."""
    loop, figures = asyncio.get_running_loop(), list[Figure]()
    with TemporaryDirectory() as name, ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as others:
        folder = Path(name)
        for kind in ("parquet", "jsonl"):
            (folder / kind).mkdir()
            await loop.run_in_executor(others, _write, folder / kind, kind)
        plain = await loop.run_in_executor(others, plainly, folder / "plain", folder / "parquet")
        async with serving(folder / "data") as (app, _):
            await app[API].knowledge.search(await _business(app), "warm up", limit=1)
            for kind in ("parquet", "jsonl"):
                lag = Lag()
                async with lag.measured():
                    seconds = await _ours(app, folder / kind)
                figures += [
                    Figure(
                        f"{CHUNKS:,} embeddings, {kind}", CHUNKS / seconds, "rows/s", CHUNKS / plain, "the plain way"
                    ),
                    Figure("… in all", seconds, "s", plain, "the plain way", higher_is_better=False),
                    Figure("loop lag p99 meanwhile", lag.p99_ms(), "ms", None, "", 50, 10, higher_is_better=False),
                ]
            lag = Lag()
            business = await _business(app)
            async with lag.measured():
                began = time.perf_counter()
                app[CHUNK_SETS].export(business, "default", str(folder / "out"), "parquet")
                await app[CHUNK_SETS].wait()
                seconds = time.perf_counter() - began
            figures += [
                Figure("export of both, parquet", 2 * CHUNKS / seconds, "rows/s"),
                Figure("loop lag p99 meanwhile", lag.p99_ms(), "ms", None, "", 50, 10, higher_is_better=False),
            ]
    return figures
