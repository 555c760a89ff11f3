"""The ONNX embedder, with a model of the same inputs and outputs that fits into a test."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.fakes.fake_clock import FakeClock
from tests.fakes.tiny_onnx import tiny_archive, tiny_minilm
from vectorstore.embedders import EmbeddingError
from vectorstore.minilm_embedder import MiniLMEmbedder
from vectorstore.minilm_files import PARTIAL, MiniLMFiles

pytestmark = pytest.mark.blocking_allowed  # writes the model's files itself


@pytest.fixture
async def embedders() -> AsyncIterator[list[MiniLMEmbedder]]:
    made: list[MiniLMEmbedder] = []
    yield made
    for each in made:
        each.close()


async def test_vectors(tmp_path: Path, embedders: list[MiniLMEmbedder]) -> None:
    """One row of length 1 a text, in their order, however long it is; the same in a crowd as alone."""
    embedder = MiniLMEmbedder(MiniLMFiles(tiny_minilm(tmp_path / "model")), FakeClock())
    embedders.append(embedder)
    texts = ["when do you open ?", "opening hours", "", "水", "open " * 1_000, *("refund" for _ in range(20))]
    vectors = await embedder.embed(texts)
    assert vectors.shape == (len(texts), embedder.dimension)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert (await embedder.embed(texts[:1]))[0] == pytest.approx(vectors[0], abs=1e-6)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[5]
    assert (await embedder.embed([])).shape == (0, embedder.dimension)


async def test_questions_do_not_wait_for_uploads(tmp_path: Path, embedders: list[MiniLMEmbedder]) -> None:
    """A question that comes while thousands of chunks are embedded is embedded first."""
    embedder = MiniLMEmbedder(MiniLMFiles(tiny_minilm(tmp_path / "model")), FakeClock())
    embedders.append(embedder)
    await embedder.load()
    upload = asyncio.create_task(embedder.embed(["when do you open ?"] * 20_000))
    await embedder.embed(["opening hours"])
    assert not upload.done()
    upload.cancel()


@pytest.mark.parametrize("broken", ["nothing there", "garbage", "another size"])
async def test_says_what_is_wrong(tmp_path: Path, embedders: list[MiniLMEmbedder], broken: str) -> None:
    """Missing files are named with the way out, and broken ones are an EmbeddingError: the words answer then."""
    folder = tmp_path / "model"
    if broken != "nothing there":
        tiny_minilm(folder, 16)
    if broken == "garbage":
        (folder / "model.onnx").write_bytes(b"garbage")
    embedder = MiniLMEmbedder(MiniLMFiles(folder), FakeClock())
    embedders.append(embedder)
    expected = "CONCIERGE_MINILM_DOWNLOAD" if broken == "nothing there" else "minilm"
    with pytest.raises(EmbeddingError, match=expected):
        await embedder.embed(["open"])
    await embedder.load()


async def test_a_failed_load_is_not_repeated_at_once(tmp_path: Path, embedders: list[MiniLMEmbedder]) -> None:
    """What could not be loaded is tried again after a minute, not with every question."""
    clock = FakeClock()
    embedders.append(MiniLMEmbedder(MiniLMFiles(tmp_path / "model"), clock))
    for _ in range(2):
        with pytest.raises(EmbeddingError, match="CONCIERGE_MINILM_DOWNLOAD"):
            await embedders[0].embed(["open"])
        tiny_minilm(tmp_path / "model")
    await clock.advance(60)
    assert (await embedders[0].embed(["open"])).shape == (1, 384)


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[tuple[str, str]]:
    """Where the archive can be had, and its checksum."""
    archive = tiny_archive(tmp_path / "onnx.tar.gz").read_bytes()

    async def give(_request: web.Request) -> web.Response:
        return web.Response(body=archive)

    app = web.Application()
    app.router.add_get("/onnx.tar.gz", give)
    async with TestServer(app) as server:
        yield str(server.make_url("/onnx.tar.gz")), hashlib.sha256(archive).hexdigest()


async def test_loads_what_it_may(tmp_path: Path, shop: tuple[str, str], embedders: list[MiniLMEmbedder]) -> None:
    """With the owner's leave the files are loaded once, checked, and lie where Chroma would look for them."""
    url, sha256 = shop
    files = MiniLMFiles(tmp_path / "cache", download=True, url=url, sha256=sha256)
    embedders.append(MiniLMEmbedder(files, FakeClock()))
    assert (await embedders[0].embed(["open"])).shape == (1, 384)
    assert sorted(path.name for path in (tmp_path / "cache").rglob("*")) == ["model.onnx", "onnx", "tokenizer.json"]
    again = MiniLMFiles(tmp_path / "cache")
    assert again.found() == tmp_path / "cache" / "onnx"


@pytest.mark.parametrize(("path", "sum_fits"), [("", False), ("/nothing", True)])
async def test_takes_nothing_else(
    tmp_path: Path, shop: tuple[str, str], embedders: list[MiniLMEmbedder], path: str, *, sum_fits: bool
) -> None:
    """What does not have the checksum, or does not come, is refused with a sentence, and leaves nothing behind."""
    url, sha256 = shop
    files = MiniLMFiles(tmp_path / "cache", download=True, url=url + path, sha256=sha256 if sum_fits else "0" * 64)
    embedders.append(MiniLMEmbedder(files, FakeClock()))
    with pytest.raises(EmbeddingError, match="minilm"):
        await embedders[0].embed(["open"])
    assert list((tmp_path / "cache").iterdir()) == []


async def test_a_load_ends_with_the_server(tmp_path: Path) -> None:
    """Files that come slowly do not hold up the end of the process, and leave nothing behind."""
    came = asyncio.Event()

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"a little ")
            came.set()
            await asyncio.sleep(0.01)

    app = web.Application()
    app.router.add_get("/onnx.tar.gz", drip)
    async with TestServer(app) as server:
        files = MiniLMFiles(tmp_path / "cache", download=True, url=str(server.make_url("/onnx.tar.gz")))
        embedder = MiniLMEmbedder(files, FakeClock())
        loading = asyncio.create_task(embedder.embed(["open"]))
        await came.wait()
        embedder.close()
        with pytest.raises(EmbeddingError, match="the server stops"):
            await loading
    assert list((tmp_path / "cache").iterdir()) == []


async def test_a_load_that_was_killed_leaves_nothing(tmp_path: Path, shop: tuple[str, str]) -> None:
    """The half of an archive that a killed process has left goes with the next load."""
    url, sha256 = shop
    (tmp_path / "cache" / PARTIAL).mkdir(parents=True)
    (tmp_path / "cache" / PARTIAL / "onnx.tar.gz").write_bytes(b"half")
    files = MiniLMFiles(tmp_path / "cache", download=True, url=url, sha256=sha256)
    await asyncio.to_thread(files.fetched)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["onnx"]
