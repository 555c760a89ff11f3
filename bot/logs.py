"""Structured logs: JSON lines for machines, plain lines for a terminal, secrets and query strings for nobody."""

import logging
import re
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any, TextIO

import structlog
from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

HIDDEN = "[hidden]"
SHORTEST_SECRET = 6  # shorter values would black out ordinary words
_BEARER = re.compile(r"(?i)(bearer\s+|access_token=|verify_token=)[^\s\"'&,;]+")
_NOISY = ("asyncio", "aiosqlite", "apscheduler", "httpx", "httpcore", "openai", "urllib3")
# What Meta and probes ask many times a second is worth a line only to somebody who looks for it.
_FREQUENT = ("/webhooks/", "/health/", "/metrics")

Event = MutableMapping[str, Any]


class Redaction:
    """Replaces known secrets, and what looks like a bearer token, in everything that is logged: a safety net."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = sorted({secret for secret in secrets if len(secret) >= SHORTEST_SECRET}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, _logger: Any, _method: str, event: Event) -> Event:
        for key, value in event.items():
            if not isinstance(value, bool | int | float | None):
                event[key] = self.text(str(value))
        return event

    def text(self, text: str) -> str:
        """The text without secrets."""
        clean = self._known.sub(HIDDEN, text) if self._known else text
        return _BEARER.sub(rf"\1{HIDDEN}", clean)


class AccessLog(AbstractAccessLogger):
    """One line a request, never with a query string: the webhook handshake carries the verify token in it."""

    @property
    def enabled(self) -> bool:
        """False when no line would be written: aiohttp then does not measure."""
        return self.logger.isEnabledFor(logging.INFO)

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write the line; failures at INFO, frequent successes at DEBUG."""
        frequent = response.status < web.HTTPBadRequest.status_code and request.path.startswith(_FREQUENT)
        level = logging.DEBUG if frequent else logging.INFO
        if self.logger.isEnabledFor(level):
            milliseconds = time * 1000
            details = {"status": response.status, "milliseconds": round(milliseconds, 1), "remote": request.remote}
            self.logger.log(
                level,
                "%s %s answered %d in %.1f ms",
                request.method,
                request.rel_url.raw_path,
                response.status,
                milliseconds,
                extra={"details": details},
            )


def configure_logging(level: str, *, secrets: Iterable[str] = (), stream: TextIO | None = None) -> None:
    """Send every logger's lines to `stream` (stderr): JSON, or plain lines when it is a terminal."""
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                _details,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                Redaction(secrets),
                _renderer(plain=target.isatty()),
            ],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(capture=True)


def _renderer(*, plain: bool) -> structlog.typing.Processor:
    if plain:
        return structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)
    return structlog.processors.JSONRenderer(ensure_ascii=False)


def _details(_logger: Any, _method: str, event: Event) -> Event:
    """Take over the fields that a line brought along as `extra={"details": {...}}`."""
    record: logging.LogRecord | None = event.get("_record")
    details = getattr(record, "details", None)
    if isinstance(details, dict):
        event.update(details)
    return event
