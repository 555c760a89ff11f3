"""The settings of the vector index: where it lies, and the files of the embedder that needs some."""

import re
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings


class IndexSettings(BaseSettings):
    """What `Settings` takes in: a field is its variable in lower case."""

    # empty: a process of our own, in the data directory
    concierge_chroma_url: str = ""
    concierge_chroma_token: SecretStr = SecretStr("")
    # begins the names of our collections on a server that others use, too
    concierge_chroma_prefix: str = "concierge"
    # empty: where Chroma keeps it
    concierge_minilm_dir: Path | None = None
    concierge_minilm_download: bool = False
    # what is embedded and indexed again in the background takes at most this part of the time
    concierge_reindex_share: float = Field(default=0.5, ge=0.05, le=1.0, allow_inf_nan=False)

    # vectors that are held in memory, where they are searched exactly; what is beyond is searched by Chroma's graph
    concierge_vector_memory_mb: int = Field(default=256, ge=0, le=65_536)
    # how long a search waits for its embedding and the vector store before the words answer alone
    concierge_vector_seconds: float = Field(default=1.0, gt=0, le=60, allow_inf_nan=False)

    # what "/rerank" is put behind; empty: nobody is asked
    concierge_reranker_url: str = ""
    concierge_reranker_model: str = ""
    concierge_reranker_api_key: SecretStr = SecretStr("")
    concierge_reranker_seconds: float = Field(default=1.0, gt=0, le=60, allow_inf_nan=False)

    @field_validator("concierge_reranker_url")
    @classmethod
    def _reranker(cls, value: str) -> str:
        if value and urlsplit(value).scheme not in {"http", "https"}:
            raise ValueError("must begin with http:// or https://")
        return value

    @field_validator("concierge_chroma_url")
    @classmethod
    def _chroma(cls, value: str) -> str:
        return server_address(value) if value else ""

    @field_validator("concierge_chroma_prefix")
    @classmethod
    def _prefix(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", value):
            raise ValueError("must be 1 to 40 letters, digits, - or _, and begin with a letter or a digit")
        return value


def server_address(value: str) -> str:
    """The address of a Chroma server, tidied. Raises ValueError with what is wrong, never with the value."""
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is not an address") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise ValueError("must be an address like http://chroma:8000")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must hold no user and no password: CONCIERGE_CHROMA_TOKEN is the place for them")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must be the address of a server alone, without path or query")
    return value.rstrip("/")
