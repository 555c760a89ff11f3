"""The settings of web pages and exported chats as sources of knowledge. A part of bot/settings.py."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode


class WebSettings(BaseSettings):
    """What `Settings` takes in: a field is its variable in lower case."""

    # whether addresses inside a private network may be read, on any port
    concierge_web_private: bool = False
    # networks that may be read although they are private: 10.1.0.0/16
    concierge_web_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    concierge_web_ports: Annotated[frozenset[int], NoDecode] = frozenset({80, 443})
    concierge_web_seconds: float = Field(default=30.0, gt=0, le=600, allow_inf_nan=False)
    concierge_web_mb: int = Field(default=20, ge=1, le=1_000)
    concierge_web_pages: int = Field(default=500, ge=1, le=50_000)
    concierge_web_hours: float = Field(default=24.0, ge=1, le=8_760, allow_inf_nan=False)
    concierge_web_sites: int = Field(default=4, ge=1, le=64)
    concierge_max_web_sources: int = Field(default=5_000, ge=1, le=1_000_000)
    concierge_chat_export_mb: int = Field(default=20, ge=1, le=1_000)

    @field_validator("concierge_web_networks", mode="before")
    @classmethod
    def _networks(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
        except ValueError:
            raise ValueError("must be networks with commas between them, such as 10.1.0.0/16") from None

    @field_validator("concierge_web_ports", mode="before")
    @classmethod
    def _ports(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        parts = [part.strip() for part in value.split(",") if part.strip()]
        if not parts or not all(part.isascii() and part.isdigit() and 0 < int(part) < 2**16 for part in parts):
            raise ValueError("must be ports with commas between them, such as 80,443")
        return frozenset(map(int, parts))
