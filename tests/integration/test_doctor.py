"""`concierge doctor`: each check by itself, on real files, sockets and databases."""

import asyncio
import os
import resource
from email.utils import formatdate
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from bot.commands import backlog_checks, doctor, machine_checks
from bot.commands.findings import State
from bot.commands.online_checks import check_model, check_token_life
from bot.data_directory import Owner
from bot.settings import Settings
from database.backlog import ChatBacklog, KnowledgeBacklog, chat_backlog, knowledge_backlog
from database.engine import Database, DatabaseOptions
from database.metrics import Metrics
from database.schema_report import SchemaReport
from tests.fakes.scripted_openai import ScriptedOpenAI
from tests.integration.conftest import Stage

NOW = 1_760_000_000_000
QUIET = ChatBacklog(0, None, 0, 0, None, 0, 0, 0)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir(mode=0o700)
    return made


def test_a_directory_that_others_may_enter_is_a_problem(directory):
    """With the command that closes it; a closed one and one that is not there yet are fine."""
    assert machine_checks.check_directory(directory).state is State.OK
    directory.chmod(0o750)
    found = machine_checks.check_directory(directory)
    assert (found.state, found.advice) == (State.PROBLEM, f"chmod 700 {directory}")
    assert machine_checks.check_directory(directory / "none").state is State.SKIPPED


def test_files_that_others_may_read(directory):
    """A warning behind a closed directory, a problem for what holds a token; private ones are fine."""
    (directory / "concierge.db").touch(mode=0o600)
    assert machine_checks.check_files(directory).state is State.OK  # type: ignore[union-attr]
    (directory / "concierge.db").chmod(0o644)
    found = machine_checks.check_files(directory)
    assert found is not None
    assert (found.state, "concierge.db" in found.text) == (State.WARNING, True)
    (directory / "run.json").touch()
    (directory / "run.json").chmod(0o640)
    found = machine_checks.check_files(directory)
    assert found is not None
    assert (found.state, "run.json" in found.text) == (State.PROBLEM, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_files_of_another_user_are_a_problem(directory):
    """Left by a start as root, they stop the next start as anybody else."""
    (directory / "concierge.db").touch(mode=0o600)
    os.chown(directory / "concierge.db", 12_345, 12_345)
    assert machine_checks.check_files(directory).state is State.PROBLEM  # type: ignore[union-attr]
    os.chown(directory, 12_345, 12_345)
    assert machine_checks.check_directory(directory).state is State.PROBLEM


def test_the_owner_is_named_with_its_start():
    """Pid, since when, where; one that does not serve yet is a warning."""
    found = machine_checks.check_owner(Owner(os.getpid(), "http://127.0.0.1:8080", "token"))
    assert found.state is State.OK
    assert f"process {os.getpid()} since 2" in found.text
    assert "token" not in found.text
    assert machine_checks.check_owner(Owner(os.getpid())).state is State.WARNING
    assert machine_checks.check_owner(None).state is State.SKIPPED


def test_too_few_open_files_are_said():
    """A low limit of this process is a warning with what to set."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
        for owner in (None, Owner(os.getpid())):
            found = machine_checks.check_file_limit(owner)
            assert (found.state, "512" in found.text) == (State.WARNING, True)
            assert "ulimit -n" in found.advice
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert machine_checks.check_file_limit(Owner(2**22 + 1)).text.endswith("this shell")


@pytest.mark.parametrize(
    ("seconds", "state", "says"),
    [(0, State.OK, "agrees"), (-45, State.WARNING, "45 s ahead"), (400, State.PROBLEM, "400 s behind")],
)
async def test_the_clock_is_held_against_metas(clock, seconds, state, says):
    """Seconds do not matter, half a minute is a warning, five minutes are a problem."""

    async def tell(_: web.Request) -> web.Response:
        return web.Response(headers={"Date": formatdate(clock.now() / 1000 + seconds, usegmt=True)})

    app = web.Application()
    app.router.add_get("/", tell)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        found = await machine_checks.check_clock(session, str(server.make_url("/")), clock)
    assert (found.state, says in found.text) == (state, True)


async def test_without_an_answer_the_clock_is_not_checked(clock):
    """An offline machine is no problem."""
    async with aiohttp.ClientSession() as session:
        found = await machine_checks.check_clock(session, "http://127.0.0.1:9", clock)
    assert found.state is State.SKIPPED


async def test_a_damaged_file_is_found(tmp_path: Path, metrics: Metrics):
    """Its pages are looked through; of what is made anew by itself nobody is told to bring a copy."""
    file = tmp_path / "concierge.db"
    async with Database.open(file, DatabaseOptions("chat"), metrics):
        pass
    (sound,) = await asyncio.to_thread(doctor._databases, tmp_path)
    assert doctor._database_line(sound).state is State.OK
    content = bytearray(file.read_bytes())
    content[5 * 4096 : 9 * 4096] = os.urandom(4 * 4096)
    file.write_bytes(content)
    (damaged,) = await asyncio.to_thread(doctor._databases, tmp_path)
    assert doctor._database_line(damaged).state is State.PROBLEM
    lexical = doctor._database_line(SchemaReport("lexical.db", 0, 3, 4096, "malformed"))
    assert (lexical.state, "made anew" in lexical.advice) == (State.WARNING, True)


async def test_the_backlog_is_read_beside_a_running_owner(stage: Stage, tmp_path: Path, knowledge):
    """Counts and ages come from the files themselves; files that are missing or strange tell nothing."""
    async with stage.running():
        await stage.say("491510000001", "hello")
    found = await asyncio.to_thread(chat_backlog, tmp_path / "concierge.db", 0)
    assert found is not None
    assert (found.events_waiting, found.dead_letters, found.held, found.failed) == (0, 0, 0, 0)
    await stage.run("UPDATE inbox_events SET state = 'dead'")
    dead = await asyncio.to_thread(chat_backlog, tmp_path / "concierge.db", 0)
    assert dead is not None
    assert dead.dead_letters > 0
    assert await asyncio.to_thread(knowledge_backlog, tmp_path / "knowledge.db") == KnowledgeBacklog(0, 0)
    assert await asyncio.to_thread(chat_backlog, tmp_path / "none.db", 0) is None
    await asyncio.to_thread((tmp_path / "odd.db").write_bytes, b"not a database" * 100)
    assert await asyncio.to_thread(chat_backlog, tmp_path / "odd.db", 0) is None


@pytest.mark.parametrize(
    ("found", "served", "states"),
    [
        (QUIET, True, ("ok", "ok", "ok")),
        (ChatBacklog(3, NOW - 5_000, 0, 0, None, 0, 0, 0), True, ("ok", "ok", "ok")),
        (ChatBacklog(3, NOW - 180_000, 2, 0, None, 0, 0, 0), True, ("warning", "warning", "ok")),
        (ChatBacklog(1, NOW - 5_000, 0, 0, None, 0, 0, 0), False, ("warning", "ok", "ok")),
        (ChatBacklog(0, None, 0, 2, NOW - 90_000, 0, 0, 0), True, ("ok", "ok", "warning")),
        (ChatBacklog(0, None, 0, 2, NOW - 90_000, 0, 0, 0), False, ("ok", "ok", "warning")),
        (ChatBacklog(0, None, 0, 1, NOW, 1, 0, 0), True, ("ok", "ok", "ok")),
        (ChatBacklog(0, None, 0, 0, None, 0, 1, 1), True, ("ok", "ok", "warning")),
    ],
)
def test_what_waits_is_a_warning_when_it_waits_too_long(found, served, states):
    """Old events, dead letters, replies that stand, held or failed ones; never a problem by themselves."""
    lines = (
        backlog_checks.check_events(found, NOW, served=served),
        backlog_checks.check_dead_letters(found),
        backlog_checks.check_replies(found, NOW, served=served),
    )
    assert tuple(each.state.value for each in lines) == states
    assert all(each.advice for each in lines if each.state is State.WARNING)


def test_failed_documents_are_a_warning():
    """Beside those that are still being read."""
    assert backlog_checks.check_documents(KnowledgeBacklog(0, 0)).state is State.OK
    found = backlog_checks.check_documents(KnowledgeBacklog(1, 2))
    assert (found.state, found.text) == (State.WARNING, "2 failed, 1 being read")


def settings_with(**values: str) -> Settings:
    return Settings.model_validate(values)


async def test_a_model_is_asked_only_when_wanted(clock):
    """Named offline; online one word is asked for, and a model that fails is a problem that hides no key."""
    model = ScriptedOpenAI(otherwise="Yes.")
    async with model.running():
        settings = settings_with(openai_api_key="sk-secret", openai_base_url=model.base_url)
        assert (await check_model(settings, clock, online=False)).state is State.SKIPPED
        assert model.calls == 0
        assert (await check_model(settings, clock, online=True)).state is State.OK
        model.lasting_fault = "status_400"
        found = await check_model(settings, clock, online=True)
    assert found.state is State.PROBLEM
    assert "sk-secret" not in f"{found.text}{found.advice}"
    assert (await check_model(settings_with(), clock, online=True)).state is State.OK


async def test_a_token_is_asked_about_only_when_wanted(clock):
    """Valid, ending soon, refused, and Meta away: each its own word."""
    answer: dict[str, Any] = {"data": {"is_valid": True, "expires_at": 0}}

    async def tell(_: web.Request) -> web.Response:
        return web.json_response(answer, status=200 if "data" in answer else 401)

    app = web.Application()
    app.router.add_get("/v26.0/debug_token", tell)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        settings = settings_with(whatsapp_access_token="EAAG-secret", whatsapp_api_url=str(server.make_url("/")))
        asked = {"settings": settings, "clock": clock}
        assert (await check_token_life(session, **asked, online=False)).state is State.SKIPPED
        assert (await check_token_life(session, **asked, online=True)).state is State.OK
        answer["data"]["expires_at"] = clock.now() // 1000 + 86_400
        assert (await check_token_life(session, **asked, online=True)).state is State.WARNING
        answer["data"]["expires_at"] = clock.now() // 1000 - 1
        assert (await check_token_life(session, **asked, online=True)).state is State.PROBLEM
        answer["data"]["is_valid"] = False
        assert (await check_token_life(session, **asked, online=True)).state is State.PROBLEM
        answer.clear()
        answer["error"] = {"code": 190, "message": "expired EAAG-secret"}
        found = await check_token_life(session, **asked, online=True)
        assert found.state is State.PROBLEM
        assert "EAAG-secret" not in found.text
        away = settings.model_copy(update={"whatsapp_api_url": "http://127.0.0.1:9"})
        assert (await check_token_life(session, away, clock, online=True)).state is State.WARNING
        none = settings.model_copy(update={"whatsapp_access_token": SecretStr("")})
        assert (await check_token_life(session, none, clock, online=True)).state is State.SKIPPED
