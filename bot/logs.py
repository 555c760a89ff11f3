"""Structured logs: JSON lines for machines, plain lines for a terminal, secrets and query strings for nobody."""

import json
import logging
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TextIO

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

HIDDEN = "[hidden]"
SHORTEST_SECRET = 6  # shorter values would black out ordinary words
_BEARER = re.compile(r"(?i)(bearer\s+|access_token=|verify_token=)[^\s\"'&,;]+")
_NOISY = ("asyncio", "aiosqlite", "apscheduler", "httpx", "httpx2", "httpcore", "openai", "urllib3")
# What Meta and probes ask many times a second is worth a line only to somebody who looks for it.
_FREQUENT = ("/webhooks/", "/health/", "/metrics")


class Redaction:
    """Replaces known secrets, and what looks like a bearer token, in everything that is logged: a safety net."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = sorted({secret for secret in secrets if len(secret) >= SHORTEST_SECRET}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def text(self, text: str) -> str:
        """The text without secrets."""
        clean = self._known.sub(HIDDEN, text) if self._known else text
        return _BEARER.sub(rf"\1{HIDDEN}", clean)

    def value(self, value: Any) -> Any:
        """A figure as it is; anything else as text without secrets."""
        return value if isinstance(value, bool | int | float | None) else self.text(str(value))


class StructuredLines(logging.Formatter):
    """A record as one line: time, level, logger, event, and the fields it brings as `extra={"details": {...}}`.

    JSON, or readable lines when `plain`.
    """

    def __init__(self, redaction: Redaction, *, plain: bool) -> None:
        super().__init__()
        self._redaction = redaction
        self._plain = plain

    def format(self, record: logging.LogRecord) -> str:
        """The line; with a traceback in the field `exception`, or below a plain line."""
        moment = datetime.fromtimestamp(record.created, UTC)
        event = self._redaction.text(record.getMessage())
        given = getattr(record, "details", None)
        details = given if isinstance(given, dict) else {}
        fields = {str(name): self._redaction.value(value) for name, value in details.items()}
        trace = self._redaction.text(self.formatException(record.exc_info)) if record.exc_info else ""
        if self._plain:
            after = "".join(f" {name}={value}" for name, value in fields.items())
            line = f"{moment:%H:%M:%S} {record.levelname.lower():<7} {record.name}: {event}{after}"
            return f"{line}\n{trace}" if trace else line
        if trace:
            fields["exception"] = trace
        head = {"timestamp": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")}
        line_fields = {"level": record.levelname.lower(), "logger": record.name, "event": event}
        return json.dumps({**head, **line_fields, **fields}, ensure_ascii=False)


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
    handler.setFormatter(StructuredLines(Redaction(secrets), plain=target.isatty()))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(capture=True)
