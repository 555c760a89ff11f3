"""Every setting of Concierge: its name, its default, what it may be, and the text that names all that is wrong."""

import json
import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bot.backup_settings import STORE_SECRETS
from bot.knowledge_settings import Count, KnowledgeSettings, Seconds

NEEDED_TO_SERVE = (
    "whatsapp_access_token",
    "whatsapp_phone_number_id",
    "whatsapp_verify_token",
    "whatsapp_app_secret",
    "concierge_admin_token",
)
SECRETS = (
    "whatsapp_access_token",
    "whatsapp_verify_token",
    "whatsapp_app_secret",
    "concierge_admin_token",
    "openai_api_key",
    "concierge_fallback_api_key",
    *STORE_SECRETS,
)

Rate = Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]
Days = Annotated[int, Field(ge=1, le=3_650)]


class SettingsError(Exception):
    """The settings cannot be used. `problems` is (variable, what is wrong), never with a value."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        self.problems = problems
        count = "1 setting needs" if len(problems) == 1 else f"{len(problems)} settings need"
        lines = [f"  {name}: {text}" for name, text in problems]
        head = f"{count} attention (environment or .env; docs/operations.md explains each):"
        super().__init__("\n".join([head, *lines]))


class Settings(KnowledgeSettings):
    """The environment table of docs/operations.md; a field is its variable in lower case. Empty means unset.

    Secrets print as stars. `missing_to_serve` says what `serve` still needs.
    """

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        str_strip_whitespace=True,
    )

    whatsapp_access_token: SecretStr = SecretStr("")
    whatsapp_phone_number_id: str = ""
    whatsapp_verify_token: SecretStr = SecretStr("")
    whatsapp_app_secret: SecretStr = SecretStr("")
    whatsapp_business_account_id: str = ""
    whatsapp_api_url: str = "https://graph.facebook.com"
    whatsapp_api_version: str = "v26.0"

    openai_api_key: SecretStr = SecretStr("")
    openai_base_url: str = ""
    concierge_transcription_model: str = ""
    concierge_chat_model: str = "gpt-4.1-mini"
    concierge_embedding_model: str = "text-embedding-3-small"
    concierge_embedder: Literal["wordllama", "openai", "minilm"] = "wordllama"
    concierge_model_timeout_seconds: Seconds = 20.0
    concierge_model_retries: int = Field(default=2, ge=0, le=10)
    concierge_model_concurrency: Count = 16
    # US dollars a million tokens, by model: {"gpt-4.1-mini": [input, output]}
    concierge_model_prices: Annotated[dict[str, tuple[float, float]], NoDecode] = Field(default={})
    concierge_model_breaker_failures: Count = 3
    concierge_model_breaker_seconds: Seconds = 15.0
    concierge_model_cache_entries: int = Field(default=1000, ge=0, le=1_000_000)
    concierge_model_cache_seconds: Seconds = 3_600.0
    concierge_embedding_cache_entries: int = Field(default=2000, ge=0, le=1_000_000)
    concierge_fallback_base_url: str = ""
    concierge_fallback_api_key: SecretStr = SecretStr("")
    concierge_fallback_model: str = ""
    # US dollars a business may spend on chat models between two midnights UTC; 0 is no limit
    concierge_daily_budget_usd: float = Field(default=0.0, ge=0, le=1_000_000, allow_inf_nan=False)

    concierge_data_dir: Path = Path("./data")
    concierge_admin_token: SecretStr = SecretStr("")
    # phones (digits) and BSUIDs whose WhatsApp messages may change knowledge
    concierge_admin_contacts: Annotated[frozenset[str], NoDecode] = frozenset()

    concierge_batch_quiet_seconds: Seconds = 1.0
    concierge_batch_max_seconds: Annotated[Seconds, Field(validate_default=True)] = 6.0
    concierge_delivery_grace_seconds: Seconds = 60.0
    concierge_reply_max_age_seconds: Seconds = 21_600.0
    concierge_turn_lease_seconds: Seconds = 60.0
    concierge_stop_grace_seconds: Seconds = 20.0
    concierge_number_rate: Rate = 80.0
    concierge_max_turns: Count = 100
    concierge_history_tokens: int = Field(default=1000, ge=100, le=100_000)
    concierge_api_rate: Rate = 100.0

    concierge_inbox_timeout_seconds: Seconds = 3.0
    concierge_busy_timeout_seconds: Seconds = 60.0
    concierge_lock_wait_seconds: float = Field(default=10.0, ge=0, le=3_600, allow_inf_nan=False)
    concierge_inbox_keep_days: Days = 7
    concierge_dedupe_keep_days: Days = 30

    concierge_media_timeout_seconds: Seconds = 60.0

    concierge_check_timeout_seconds: Seconds = 10.0

    concierge_log_level: Literal["debug", "info", "warning", "error"] = "info"
    concierge_metrics_public: bool = False
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)

    @property
    def app_secrets(self) -> tuple[str, ...]:
        """The app secrets that a signature may be made with: several while one is being rotated."""
        return tuple(part.strip() for part in self.whatsapp_app_secret.get_secret_value().split(",") if part.strip())

    @property
    def secret_values(self) -> tuple[str, ...]:
        """What must never be written anywhere, for the logs' safety net."""
        whole = [getattr(self, name).get_secret_value() for name in SECRETS]
        return tuple(value for value in (*whole, *self.app_secrets) if value)

    @property
    def has_model(self) -> bool:
        """Whether a chat model is to be used: a key, or the address of a server that may want none."""
        return _has_server(vars(self))

    @property
    def missing_to_serve(self) -> list[tuple[str, str]]:
        """The settings without which nothing can be served, as problems."""
        return [(name.upper(), "missing") for name in NEEDED_TO_SERVE if not _given(getattr(self, name))]

    @field_validator("concierge_log_level", "concierge_embedder", mode="before")
    @classmethod
    def _lower_case(cls, value: Any) -> Any:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator(*SECRETS, mode="after")
    @classmethod
    def _printable(cls, value: SecretStr) -> SecretStr:
        # They travel in headers and query strings: anything else fails there, later and less clearly.
        if not re.fullmatch(r"[\x21-\x7e]*", "".join(value.get_secret_value().split(" "))):
            raise ValueError("holds characters that are not printable ASCII")
        return value

    @field_validator(
        "whatsapp_access_token",
        "whatsapp_verify_token",
        "concierge_admin_token",
        "openai_api_key",
        "concierge_fallback_api_key",
    )
    @classmethod
    def _one_word(cls, value: SecretStr) -> SecretStr:
        if " " in value.get_secret_value():
            raise ValueError("holds a space")
        return value

    @field_validator("whatsapp_app_secret")
    @classmethod
    def _several(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value()
        if text and not all(part.strip() for part in text.split(",")):
            raise ValueError("holds an empty secret: write one or several, with commas between them")
        return value

    @field_validator("whatsapp_phone_number_id")
    @classmethod
    def _meta_id(cls, value: str) -> str:
        if not re.fullmatch(r"[0-9]*", value):
            raise ValueError("must be the number's id at Meta (digits only), not the phone number itself")
        return value

    @field_validator("whatsapp_business_account_id")
    @classmethod
    def _account_id(cls, value: str) -> str:
        if not re.fullmatch(r"[0-9]*", value):
            raise ValueError("must be the WhatsApp Business Account's id at Meta (digits only)")
        return value

    @field_validator("concierge_admin_contacts", mode="before")
    @classmethod
    def _contacts(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return frozenset(_contact(part.strip()) for part in value.split(",") if part.strip())

    @field_validator("whatsapp_api_version")
    @classmethod
    def _version(cls, value: str) -> str:
        if not re.fullmatch(r"v[0-9]+\.[0-9]+", value):
            raise ValueError("must look like v26.0")
        return value

    @field_validator("whatsapp_api_url")
    @classmethod
    def _safe_url(cls, value: str) -> str:
        return _url(value, plain_only_on_loopback=True)

    @field_validator("openai_base_url", "concierge_fallback_base_url")
    @classmethod
    def _any_url(cls, value: str) -> str:
        return _url(value, plain_only_on_loopback=False) if value else ""

    @field_validator("concierge_model_prices", mode="before")
    @classmethod
    def _prices(cls, value: Any) -> Any:
        try:
            read = json.loads(value) if isinstance(value, str) else value
        except (ValueError, RecursionError):
            raise ValueError('must be JSON like {"model": [0.4, 1.6]}') from None
        if not isinstance(read, Mapping) or not all(_is_price(price) for price in read.values()):
            raise ValueError('must be JSON like {"model": [0.4, 1.6]}: US dollars a million tokens in and out')
        return read

    @field_validator("host")
    @classmethod
    def _host(cls, value: str) -> str:
        if not re.fullmatch(r"[0-9A-Za-z.:_-]+", value):
            raise ValueError("must be an address or a host name to listen on")
        return value

    @field_validator("concierge_batch_max_seconds")
    @classmethod
    def _not_below_quiet(cls, value: float, others: ValidationInfo) -> float:
        if value < others.data.get("concierge_batch_quiet_seconds", 0):
            raise ValueError("must not be below CONCIERGE_BATCH_QUIET_SECONDS")
        return value

    @field_validator("concierge_embedder")
    @classmethod
    def _has_its_key(cls, value: str, others: ValidationInfo) -> str:
        if value == "openai" and not _has_server(others.data):
            raise ValueError("openai needs OPENAI_API_KEY or OPENAI_BASE_URL, which are missing or wrong")
        return value

    @field_validator("concierge_fallback_model")
    @classmethod
    def _stands_behind_another(cls, value: str, others: ValidationInfo) -> str:
        if value and not _has_server(others.data):
            raise ValueError("stands in for a model, but neither OPENAI_API_KEY nor OPENAI_BASE_URL is set")
        return value

    @field_validator("concierge_daily_budget_usd")
    @classmethod
    def _has_prices(cls, value: float, others: ValidationInfo) -> float:
        prices = others.data.get("concierge_model_prices")
        if not value or prices is None or not _has_server(others.data):
            return value
        models = ("concierge_chat_model", "concierge_fallback_model")
        missing = [name.upper() for name in models if others.data.get(name) and others.data[name] not in prices]
        if missing:
            raise ValueError(
                f"needs the price of {' and of '.join(missing)} in CONCIERGE_MODEL_PRICES (0 if it is free)"
            )
        return value


def load_settings(*, serving: bool = True) -> Settings:
    """The settings from the environment and `.env`. Raises SettingsError with every problem at once.

    Commands that only touch what is on disk pass serving=False: they need none of the secrets.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        problems = _problems(error)
        raise SettingsError(sorted(problems + (_absent(problems) if serving else []))) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([(".env", f"cannot be read ({type(error).__name__})")]) from None
    if serving and settings.missing_to_serve:
        raise SettingsError(settings.missing_to_serve)
    return settings


def _absent(problems: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """What is missing besides what is wrong: asked one by one, since no Settings could be made."""
    wrong = {name for name, _ in problems}
    return [
        (name.upper(), "missing") for name in NEEDED_TO_SERVE if name.upper() not in wrong and not _given(_alone(name))
    ]


def _alone(name: str) -> SecretStr:
    """A single setting, whatever the others are."""

    class One(BaseSettings):
        model_config = Settings.model_config
        value: SecretStr = Field(default=SecretStr(""), validation_alias=name)

    return One().value


def _problems(error: ValidationError) -> list[tuple[str, str]]:
    details = error.errors(include_input=False, include_url=False, include_context=False)
    return [(str(detail["loc"][0]).upper(), detail["msg"].removeprefix("Value error, ")) for detail in details]


def _given(value: SecretStr | str) -> bool:
    return bool(value.get_secret_value() if isinstance(value, SecretStr) else value)


def _contact(written: str) -> str:
    """A phone as Meta writes it (digits alone), or a BSUID as it is (WHATSAPP.md 3.1); before it perhaps "slug:"."""
    business, colon, written = written.rpartition(":")
    if colon and not re.fullmatch(r"[0-9A-Za-z._-]{1,64}", business):
        raise ValueError("must hold the business's name as addresses have it before the colon")
    return f"{business}{colon}{_person(written.strip())}"


def _person(written: str) -> str:
    phone = re.sub(r"[\s()./-]", "", written).removeprefix("+")
    if re.fullmatch(r"[1-9][0-9]{6,14}", phone):
        return phone
    if re.fullmatch(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}", written):
        return written
    raise ValueError("must hold phone numbers with their country codes (+49 151 …) or BSUIDs, with commas between")


def _has_server(others: Mapping[str, Any]) -> bool:
    """Whether there is a server of models to ask, as far as the settings that were read say."""
    return bool(others.get("openai_base_url") or _given(others.get("openai_api_key", "")))


def _is_price(price: Any) -> bool:
    return (
        isinstance(price, list | tuple)
        and len(price) == 2  # noqa: PLR2004 - input and output
        and all(type(part) in {int, float} and part >= 0 for part in price)
    )


def _url(value: str, *, plain_only_on_loopback: bool) -> str:
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
        (host or "").encode("idna")  # as the look-up of the name does: "a..b" is no host
    except ValueError:
        raise ValueError("is not an address") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise ValueError("must be an address that begins with https://")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError("must hold no user, password, query or fragment")
    if parts.scheme == "http" and plain_only_on_loopback and not is_loopback(host):
        raise ValueError("must begin with https:// (http is for loopback addresses only)")
    return value.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
