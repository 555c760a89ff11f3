"""`concierge chaos` shows an owner the truth: promises that are kept, and one that is broken."""

import asyncio
import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from bot.chaos.customers import QUESTIONS
from bot.chaos.evidence import collect
from bot.chaos.stage import ChaosOptions, Written, open_stage
from bot.commands.chaos import report
from bot.commands.failures import Exit
from database.clock import SystemClock
from tests.shared import ROOT

pytestmark = pytest.mark.blocking_allowed  # starts processes and looks at folders

TIMED = "Reading documents never stops the chat"  # timing decides no test


async def start(folder: Path, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "chaos", *arguments),
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)},
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_the_table_shows_every_promise_kept(tmp_path: Path):
    """A short run with kills and faults keeps all that was promised, says so, and leaves nothing behind."""
    process = await start(tmp_path, "--minutes", "0.2", "--customers", "6", "--kills", "3", "--json", "--seed", "7")
    out, err = await asyncio.wait_for(process.communicate(), 150)
    told = json.loads(out)
    broken = {each["promise"]: each["broken"] for each in told["promises"] if each["broken"]}
    assert not broken.keys() - {TIMED}, (broken, err.decode())
    assert told["kept"] == (not broken)
    assert process.returncode == (Exit.OK if told["kept"] else Exit.FAILED)
    assert sum(told["kills"].values()) == 3
    # nobody chats so long as to reach WhatsApp's limit; on a busy machine nobody may have come as far as "stop"
    assert sum(each["tested"] > 0 for each in told["promises"]) >= len(told["promises"]) - 2
    if told["kept"]:
        assert list(tmp_path.iterdir()) == []


async def test_what_is_broken_is_shown_as_broken(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A reply doubled behind our back, and one that no phone ever showed: BROKEN, by name, and an exit code of 1."""
    options = ChaosOptions(customers=2)
    async with open_stage(options, SystemClock(), tmp_path) as stage:
        for customer in ("4915100000001", "4915100000002"):
            wamid = await stage.simulator.customer_says(customer, QUESTIONS[0])
            stage.diary.written[wamid] = Written(customer, QUESTIONS[0], stage.clock.now())
            await stage.simulator.next_reply(customer, timeout_seconds=60)
        evidence = await collect(stage)
        first, second = evidence.arrived
        doubled = replace(evidence, arrived=[first, second, replace(first, wamid="wamid.again")])
        swallowed = replace(evidence, arrived=[first])
    assert report(options, evidence, as_json=False) is Exit.OK
    assert "BROKEN" not in capsys.readouterr().out
    for broken, words in ((doubled, "that no book knows: sent twice"), (swallowed, "is on no phone")):
        assert report(options, broken, as_json=False) is Exit.FAILED
        shown = capsys.readouterr().out
        assert "BROKEN: Every reply arrives, and arrives once" in shown
        assert words in shown
        assert shown.count("BROKEN") == 2


async def playing(process: asyncio.subprocess.Process) -> list[psutil.Process]:
    """Its children, server first, once customers write."""
    assert process.stderr
    while b"customers write" not in (line := await asyncio.wait_for(process.stderr.readline(), 60)):
        assert line, "it ended instead of starting"
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    return children


def gone(children: list[psutil.Process]) -> bool:
    psutil.wait_procs(children, timeout=10)
    return all(not child.is_running() or child.status() == psutil.STATUS_ZOMBIE for child in children)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
async def test_it_ends_when_asked(tmp_path: Path, number: signal.Signals):
    """Ctrl-C or a closed terminal: code 130 with a sentence, no traceback, no process and no file left."""
    process = await start(tmp_path, "--minutes", "5", "--customers", "2", "--kills", "0")
    children = await playing(process)
    process.send_signal(number)
    _, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == Exit.INTERRUPTED
    assert err.decode().strip() == "Stopped; nothing was judged."
    assert gone(children)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
async def test_no_server_outlives_it(tmp_path: Path):
    """Killed outright, it leaves no server behind that would listen and write on."""
    process = await start(tmp_path, "--minutes", "5", "--customers", "2", "--kills", "0")
    children = await playing(process)
    process.kill()
    await process.communicate()
    assert gone(children)


async def test_a_server_that_does_not_come_back_is_a_broken_promise(tmp_path: Path):
    """A table all the same, code 1, and the evidence of the worst failure is kept."""
    process = await start(tmp_path, "--minutes", "0.05", "--customers", "1", "--kills", "0")
    server = (await playing(process))[0]
    (folder,) = tmp_path.iterdir()
    server.kill()
    server.wait(10)
    (folder / "data/concierge.db").write_bytes(b"no database" * 1000)
    out, err = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == Exit.FAILED
    assert "BROKEN: The server comes back and answers: The server ended instead of starting." in out.decode()
    assert f"kept in {folder}" in err.decode()
    assert "Traceback" not in err.decode()
    assert (folder / "server.log").exists()
