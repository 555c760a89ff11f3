"""The settings of the knowledge: uploads, reading, indexing, keeping. A part of bot/settings.py."""

from typing import Annotated

from pydantic import Field

from bot.backup_settings import BackupSettings
from bot.gap_settings import GapSettings
from bot.index_settings import IndexSettings
from bot.web_settings import WebSettings

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=100_000)]


class KnowledgeSettings(BackupSettings, GapSettings, IndexSettings, WebSettings):
    """What `Settings` takes in: a field is its variable in lower case."""

    concierge_max_upload_mb: Count = 100
    concierge_max_upload_files: Count = 100
    # of a business: documents, and megabytes of kept files
    concierge_max_documents: int = Field(default=10_000, ge=1, le=10_000_000)
    concierge_max_storage_mb: int = Field(default=10_240, ge=1, le=100_000_000)
    # of a document: chunks, and versions that are kept, the newest included
    concierge_max_chunks: int = Field(default=200_000, ge=1, le=10_000_000)
    concierge_keep_versions: int = Field(default=3, ge=1, le=1_000)
    concierge_max_event_listeners: Count = 100
    # chunk sets: files that an import fetches and checks at once, megabytes of one, chunks of one that we write
    concierge_chunk_set_files: int = Field(default=4, ge=1, le=64)
    concierge_chunk_set_file_mb: Count = 512
    concierge_chunk_set_chunks: int = Field(default=5_000, ge=1, le=1_000_000)
    concierge_parser_processes: int = Field(default=2, ge=1, le=64)
    concierge_parser_seconds: Seconds = 120.0
    concierge_parser_memory_mb: int = Field(default=1024, ge=64, le=1_048_576)
    # of one zip with all that is nested in it: files, megabytes unpacked, how deep archives may lie in archives
    concierge_archive_files: Count = 1_000
    concierge_archive_mb: int = Field(default=300, ge=1, le=1_048_576)
    concierge_archive_depth: int = Field(default=3, ge=1, le=20)
    # Tesseract's names with commas, such as "eng,deu"; no language is called "none": off
    concierge_ocr_languages: str = Field(default="eng", pattern=r"^[A-Za-z_]{2,20}( ?, ?[A-Za-z_]{2,20})*$")
