"""`concierge serve` as a process: ready, used, refused to a second one, stopped."""

import asyncio
import json

import pytest

from tests.e2e.processes import Server, concierge, running_server

pytestmark = pytest.mark.blocking_allowed  # the tests wait for processes

QUESTION = "When is the shop open on Saturdays?"
KNOWLEDGE = "# Opening hours\n\nOn Saturdays the shop is open from ten to four.\n\nOn Sundays it is closed.\n"


async def test_a_server_is_used_by_commands_and_stops_gracefully(tmp_path):
    """Ready, its knowledge fed and asked by commands, a second one refused, SIGTERM: 0 and no run.json."""
    (tmp_path / "hours.md").write_text(KNOWLEDGE)
    server = Server(tmp_path / "data", "http://127.0.0.1:9")
    async with running_server(server):
        assert server.process
        code, out, err = await concierge(server, "ingest", str(tmp_path / "hours.md"))
        assert (code, out) == (0, "ready   hours.md (1 pieces)\n"), err
        code, out, _ = await concierge(server, "ask", "--json", QUESTION)
        answer = json.loads(out)
        assert answer["answered"] is True
        assert "ten to four" in answer["answer"]
        code, _, err = await concierge(server, "serve")
        assert code == 75
        assert str(server.process.pid) in err
        assert "Traceback" not in err
        code, out, _ = await concierge(server, "doctor", "--json")
        assert (code, json.loads(out)["server"]["ready"]["status"]) == (0, "ok")
        assert await server.stop() == 0
    assert not (server.directory / "run.json").exists()
    events = [json.loads(line) for line in (tmp_path / "server.log").read_text().splitlines()]
    assert [event for event in events if event["level"] in {"error", "critical"}] == []


async def test_commands_work_without_a_server(tmp_path):
    """`ingest` and `ask` own the data directory for a moment, and need none of the secrets."""
    (tmp_path / "hours.md").write_text(KNOWLEDGE)
    server = Server(tmp_path / "data", "http://127.0.0.1:9")
    code, out, err = await concierge(server, "ingest", "--json", str(tmp_path / "hours.md"), WHATSAPP_APP_SECRET="")
    assert code == 0, err
    assert json.loads(out)["documents"][0]["status"] == "ready"
    code, out, _ = await concierge(server, "ask", QUESTION, WHATSAPP_ACCESS_TOKEN="")
    assert code == 0
    assert "ten to four" in out
    assert "hours.md" in out


async def test_a_port_that_is_taken_is_a_sentence(tmp_path):
    """1, with what to set; the data directory is free again."""
    taken = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    async with taken:
        port = taken.sockets[0].getsockname()[1]
        server = Server(tmp_path / "data", "http://127.0.0.1:9")
        code, _, err = await concierge(server, "serve", PORT=str(port))
    assert code == 1
    assert f"127.0.0.1:{port}" in err
    assert "Traceback" not in err
