"""The files of all-MiniLM-L6-v2 as Chroma ships them: where they lie, and how they come, when the owner says so."""

import contextlib
import hashlib
import shutil
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx

from vectorstore.embedders import EmbeddingError

MODEL, TOKENIZER = "model.onnx", "tokenizer.json"
FOLDER, ARCHIVE, PARTIAL = "onnx", "onnx.tar.gz", "onnx.partial"
CACHE = Path(".cache") / "chroma" / "onnx_models" / "all-MiniLM-L6-v2"
# chromadb 1.5.9, utils/embedding_functions/onnx_mini_lm_l6_v2.py
URL = "https://chroma-onnx-models.s3.amazonaws.com/all-MiniLM-L6-v2/onnx.tar.gz"
SHA256 = "913d7300ceae3b2dbc2c50d1de4baacab4be7b9380491c27fab7418616a16ec3"
MOST_BYTES = 500 * 1024 * 1024
PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class MiniLMFiles:
    """`directory` None is Chroma's usual place. Nothing is loaded from elsewhere unless `download`."""

    directory: Path | None = None
    download: bool = False
    url: str = URL
    sha256: str = SHA256
    timeout_seconds: float = 60.0

    def found(self) -> Path | None:
        """The folder with both files, or None."""
        for folder in (self._place, self._place / FOLDER):
            if (folder / MODEL).is_file() and (folder / TOKENIZER).is_file():
                return folder
        return None

    def fetched(self, stopped: Callable[[], bool] = lambda: False) -> Path:
        """The folder with both files, loaded when they are not there and may be. Raises EmbeddingError.

        `stopped` is asked while they come.
        """
        folder = self.found()
        if folder is not None:
            return folder
        if not self.download:
            raise EmbeddingError(
                f"the files of minilm ({MODEL}, {TOKENIZER}) are not in {self._place}: put them there, "
                "or set CONCIERGE_MINILM_DOWNLOAD=true"
            )
        try:
            self._fetch(stopped)
        except (OSError, httpx.HTTPError, tarfile.TarError, KeyError) as error:
            raise EmbeddingError(f"the files of minilm could not be loaded: {error}") from error
        return self._place / FOLDER

    @property
    def _place(self) -> Path:
        return self.directory or Path.home() / CACHE

    def _fetch(self, stopped: Callable[[], bool]) -> None:
        self._place.mkdir(parents=True, exist_ok=True)
        folder = self._place / PARTIAL
        shutil.rmtree(folder, ignore_errors=True)  # of a load that was killed
        folder.mkdir()
        try:
            archive = folder / ARCHIVE
            self._load(archive, stopped)
            unpacked = folder / FOLDER
            unpacked.mkdir()
            # Only what is needed, by name, so that no path in the archive leads anywhere else.
            with tarfile.open(archive, "r:gz") as tar:
                for name in (MODEL, TOKENIZER):
                    with _member(tar, name) as source, (unpacked / name).open("wb") as target:
                        shutil.copyfileobj(source, target, PIECE_BYTES)
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(self._place / FOLDER)  # half of another attempt
            unpacked.rename(self._place / FOLDER)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _load(self, archive: Path, stopped: Callable[[], bool]) -> None:
        digest, size = hashlib.sha256(), 0
        with (
            httpx.stream("GET", self.url, timeout=self.timeout_seconds, follow_redirects=True) as answer,
            archive.open("wb") as target,
        ):
            answer.raise_for_status()
            for piece in answer.iter_bytes():
                if stopped():
                    raise EmbeddingError("the files of minilm were not loaded: the server stops")
                size += len(piece)
                if size > MOST_BYTES:
                    raise EmbeddingError("the files of minilm could not be loaded: there is no end of them")
                digest.update(piece)
                target.write(piece)
        if digest.hexdigest() != self.sha256:
            raise EmbeddingError("the files of minilm that came are not those that were asked for (checksum)")


@contextlib.contextmanager
def _member(tar: tarfile.TarFile, name: str) -> Iterator[IO[bytes]]:
    source = tar.extractfile(f"{FOLDER}/{name}")
    if source is None:
        raise KeyError(name)
    with source:
        yield source
