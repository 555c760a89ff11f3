"""The `concierge` command as people run it: a process, its output, its exit code."""

import asyncio
import json
import os

import pytest

from bot.command_line import main
from database.records import Passage, new_id
from tests.fakes.command_process import concierge, served_directory
from tests.fakes.owner_process import owner_process

pytestmark = pytest.mark.blocking_allowed  # the tests wait for processes

COMMANDS = [
    "serve",
    "demo",
    "ingest",
    "ask",
    "eval",
    "connect",
    "doctor",
    "migrate",
    "dead-letters list",
    "dead-letters retry",
]


async def test_serve_names_every_setting_that_is_missing(tmp_path):
    """Not 0, within 10 s, no traceback, all of them on stderr."""
    async with asyncio.timeout(10):
        code, out, err = await concierge(tmp_path, "serve", PORT="none")
    assert (code, out) == (78, "")
    assert "Traceback" not in err
    for name in ("ACCESS_TOKEN", "PHONE_NUMBER_ID", "VERIFY_TOKEN", "APP_SECRET"):
        assert f"WHATSAPP_{name}: missing" in err
    assert "CONCIERGE_ADMIN_TOKEN: missing" in err
    assert "PORT: " in err
    assert not (tmp_path / "data").exists()


async def test_serve_refuses_the_demos_directory(tmp_path):
    """78 and a sentence: real customers are never answered from the sample's knowledge."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "demo.json").write_text('{"sample_added": true}')
    needed = {f"WHATSAPP_{name}": "1234" for name in ("ACCESS_TOKEN", "PHONE_NUMBER_ID", "VERIFY_TOKEN", "APP_SECRET")}
    code, out, err = await concierge(tmp_path, "serve", CONCIERGE_ADMIN_TOKEN="secret", **needed)
    assert (code, out) == (78, "")
    assert "CONCIERGE_DATA_DIR: holds the demo" in err
    assert "Traceback" not in err
    assert not (tmp_path / "data" / "concierge.db").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    """--help, without settings."""
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--help"])
    assert ended.value.code == 0
    assert f"usage: concierge {command}" in capsys.readouterr().out


def test_a_wrong_command_line_is_2(capsys):
    """As every tool does it."""
    with pytest.raises(SystemExit) as ended:
        main(["dead-letters"])
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


async def test_migrate_makes_the_databases_once(tmp_path):
    """A second run has nothing to do."""
    first = await concierge(tmp_path, "migrate")
    second = await concierge(tmp_path, "migrate", "--json")
    assert (first[0], second[0]) == (0, 0)
    assert first[1].startswith("concierge.db ran 0001")
    assert json.loads(second[1]) == {"migrated": {"concierge.db": [], "knowledge.db": [], "lexical.db": []}}


async def test_a_broken_database_is_a_sentence(tmp_path):
    """No traceback for a file that is none of ours."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "concierge.db").write_bytes(b"not a database at all" * 100)
    code, _, err = await concierge(tmp_path, "migrate")
    assert code == 1
    assert "not a database" in err
    assert "Traceback" not in err


async def test_migrate_is_refused_while_a_server_owns_the_directory(tmp_path):
    """75, with the pid and the way out; nothing is touched."""
    with owner_process(tmp_path / "data") as owner:
        code, _, err = await concierge(tmp_path, "migrate")
    assert code == 75
    assert str(owner.pid) in err
    assert "Traceback" not in err
    assert not (tmp_path / "data" / "concierge.db").exists()


async def test_doctor_says_what_is_wrong(tmp_path):
    """Versions, the directory, and the settings that `serve` lacks: 1."""
    await concierge(tmp_path, "migrate")
    (tmp_path / "data").chmod(0o755)
    code, out, _ = await concierge(tmp_path, "doctor", "--json")
    report = json.loads(out)
    assert code == 1
    assert report["versions"]["sqlite"].startswith("3.")
    assert [(each["file"], each["schema"] == each["newest"]) for each in report["databases"]] == [
        ("concierge.db", True),
        ("knowledge.db", True),
        ("lexical.db", True),
    ]
    assert "CONCIERGE_ADMIN_TOKEN: missing" in report["problems"]
    assert any("chmod 700" in problem for problem in report["problems"])


async def test_doctor_names_settings_that_cannot_be_read(tmp_path):
    """Malformed and missing ones in one report, without their values, although nothing else can be looked at."""
    code, out, err = await concierge(tmp_path, "doctor", PORT="forty", WHATSAPP_API_URL="http://meta.example")
    assert (code, err) == (1, "")
    for name in ("PORT: ", "WHATSAPP_API_URL: ", "CONCIERGE_ADMIN_TOKEN: missing", "WHATSAPP_APP_SECRET: missing"):
        assert name in out
    assert "forty" not in out
    assert not (tmp_path / "data").exists()


async def test_a_connect_that_finds_problems_is_1(tmp_path):
    """Every missing setting on stdout, no traceback, no data directory made."""
    code, out, err = await concierge(tmp_path, "connect")
    assert (code, err) == (1, "")
    assert "WHATSAPP_ACCESS_TOKEN" in out
    code, out, _ = await concierge(tmp_path, "connect", "--json")
    assert (code, json.loads(out)["ok"]) == (1, False)
    code, _, err = await concierge(tmp_path, "connect", "--url", "bot.example")
    assert (code, "--url must be" in err) == (1, True)
    assert not (tmp_path / "data").exists()


async def test_files_are_for_their_owner_alone(tmp_path):
    """What a command makes in the data directory nobody else may read."""
    await concierge(tmp_path, "migrate")
    assert {file.stat().st_mode & 0o077 for file in (tmp_path / "data").iterdir()} == {0}


async def test_dead_letters_without_a_server(tmp_path):
    """The command takes the lock itself."""
    code, out, _ = await concierge(tmp_path, "dead-letters", "list", "--json")
    assert (code, json.loads(out)) == (0, {"dead_letters": []})
    code, out, _ = await concierge(tmp_path, "dead-letters", "retry", "--json")
    assert (code, json.loads(out)) == (0, {"retried": 0})


async def test_an_owner_without_an_api_is_said(tmp_path):
    """A command does not wait for ever for a server that is not ready."""
    with owner_process(tmp_path / "data") as owner:
        code, _, err = await concierge(tmp_path, "ask", "When?")
    assert code == 1
    assert str(owner.pid) in err


@pytest.fixture
async def served(tmp_path, chat, knowledge, metrics):
    async with served_directory(tmp_path, chat, knowledge, metrics) as desk:
        yield desk


async def test_ask_goes_through_the_running_server(tmp_path, served):
    """With the token of run.json, not of the environment."""
    served.knowledge.passages = [Passage(new_id(), new_id(), "hours.pdf", "We open at nine.", 0.9, page=2)]
    code, out, _ = await concierge(tmp_path, "ask", "When do you open?")
    assert (code, out) == (0, "At nine.\n  - hours.pdf, page 2 (0.90)\n")
    assert served.knowledge.asked == [(served.business.id, "When do you open?")]
    _, out, _ = await concierge(tmp_path, "ask", "--json", "When do you open?")
    assert json.loads(out)["answered"] is True


async def test_an_unknown_business_is_a_sentence(tmp_path, served):
    """What the server says reaches the person."""
    code, _, err = await concierge(tmp_path, "ask", "--business", "nobody", "When?")
    assert code == 1
    assert "There is no such business." in err


async def test_doctor_asks_the_running_server(tmp_path, served):
    """Its pid, its address, its readiness."""
    _, out, _ = await concierge(tmp_path, "doctor", "--json")
    server = json.loads(out)["server"]
    assert (server["running"], server["pid"]) == (True, os.getpid())
    assert server["ready"]["status"] == "ok"
