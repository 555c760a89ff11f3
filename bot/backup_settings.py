"""The settings of snapshots and of object stores. A part of bot/settings.py."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from services.object_stores import SCHEMES, StoreAccess
from services.snapshots.schedule import Schedule

STORE_SECRETS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")


class BackupSettings(BaseSettings):
    """What `Settings` takes in: a field is its variable in lower case."""

    # a folder, file:///folder, or an object store such as s3://bucket/prefix
    concierge_backup_to: str = ""
    concierge_backup_schedule: str = "0 3 * * *"
    concierge_backup_keep: int = Field(default=7, ge=1, le=10_000)
    concierge_store_timeout_seconds: Annotated[float, Field(gt=0, le=3_600, allow_inf_nan=False)] = 60.0
    # S3's usual names, so that .env may hold them, too; Google's and Azure's come from the environment alone
    aws_access_key_id: SecretStr = SecretStr("")
    aws_secret_access_key: SecretStr = SecretStr("")
    aws_session_token: SecretStr = SecretStr("")
    aws_region: str = ""
    aws_endpoint_url: str = ""

    @property
    def store_access(self) -> StoreAccess:
        """How object stores are reached."""
        return StoreAccess(
            access_key_id=self.aws_access_key_id.get_secret_value(),
            secret_access_key=self.aws_secret_access_key.get_secret_value(),
            session_token=self.aws_session_token.get_secret_value(),
            region=self.aws_region,
            endpoint_url=self.aws_endpoint_url,
            timeout_seconds=self.concierge_store_timeout_seconds,
            retry_seconds=2 * self.concierge_store_timeout_seconds,
        )

    @field_validator("concierge_backup_to")
    @classmethod
    def _place(cls, value: str) -> str:
        scheme, colon, rest = value.partition("://")
        if colon and (scheme not in {*SCHEMES, "file"} or not rest.strip("/")):
            raise ValueError(f"must be a folder, or an address that begins with one of {', '.join(SCHEMES)}://")
        if colon and (urlsplit(value).password is not None or urlsplit(value).query):
            raise ValueError("must hold no password or query: keys have settings of their own")
        return value

    @field_validator("concierge_backup_schedule")
    @classmethod
    def _cron(cls, value: str) -> str:
        Schedule(value)
        return value

    @field_validator("aws_endpoint_url")
    @classmethod
    def _endpoint(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in {"http", "https"} or not parts.hostname or parts.password is not None):
            raise ValueError("must be an address that begins with https:// (or http:// in a network that you trust)")
        return value
