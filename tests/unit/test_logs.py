"""Logs: JSON lines without secrets, and access lines without query strings."""

import io
import json
import logging
import sys

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from bot.logs import AccessLog, Redaction, StructuredLines, configure_logging

SECRET = 'EAAG"very\\secret'


@pytest.fixture
def lines():
    """What was logged, line by line; the root logger is put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging("info", secrets=[SECRET, "short"], stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def test_a_line_is_json_with_its_fields(lines):
    """Machines read level, logger, time and the figures that a line brings along."""
    logging.getLogger("services.turns").info("turn took %.1fs", 1.25, extra={"details": {"stage": "answer"}})
    (line,) = lines()
    assert (line["event"], line["level"], line["logger"], line["stage"]) == (
        "turn took 1.2s",
        "info",
        "services.turns",
        "answer",
    )
    assert line["timestamp"].endswith("Z")


def test_secrets_are_hidden_wherever_they_stand(lines):
    """A secret in a message, an argument, a field or a traceback is a safety net's business."""
    logger = logging.getLogger("anything")
    logger.warning("token %s", SECRET, extra={"details": {"header": f"Bearer {SECRET}"}})
    try:
        raise ValueError(f"refused {SECRET} at https://x/?access_token=abc123&y=1")
    except ValueError:
        logger.exception("failed")
    text = json.dumps(lines())
    assert "very" not in text
    assert "abc123" not in text
    assert "[hidden]" in text


def test_a_terminal_gets_plain_lines():
    """A person reads time, level, logger and text, and below it the traceback, as clean as the JSON."""
    formatter = StructuredLines(Redaction([SECRET]), plain=True)
    try:
        raise ValueError(SECRET)
    except ValueError:
        failed = sys.exc_info()
    record = logging.LogRecord("bot.serve", logging.ERROR, "", 0, "failed %d times", (3,), failed)
    record.details = {"port": 8080}
    line, *trace = formatter.format(record).splitlines()
    assert line.split(" ", 1)[1] == "error   bot.serve: failed 3 times port=8080"
    assert trace[-1] == "ValueError: [hidden]"


def test_ordinary_words_are_not_hidden(lines):
    """A value too short to be a secret does not black out the log."""
    logging.getLogger("anything").info("a short line")
    assert lines()[0]["event"] == "a short line"


async def test_access_lines_hold_no_query_string(lines):
    """Meta's handshake carries the verify token in its query."""
    app = web.Application()
    app.router.add_get("/page", _answer)
    server = TestServer(app)
    await server.start_server(access_log_class=AccessLog, access_log=logging.getLogger("bot.access"))
    async with TestClient(server) as client:
        await client.get("/page?hub.verify_token=hush&x=1")
        await client.get("/health/live")
    access = [line for line in lines() if line["logger"] == "bot.access"]
    assert [line["event"].split(" in ")[0] for line in access] == [
        "GET /page answered 200",
        "GET /health/live answered 404",
    ]
    assert "hush" not in json.dumps(lines())


async def _answer(_request: web.Request) -> web.Response:
    return web.Response(text="here")
