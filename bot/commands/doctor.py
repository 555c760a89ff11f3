"""`concierge doctor`: versions, settings, machine, data, server and backlog, and what to do about what is wrong."""

import asyncio
import platform
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import aiohttp

from bot.commands import backlog_checks, machine_checks
from bot.commands.failures import CommandError, Exit
from bot.commands.findings import Finding, State, as_objects, exit_code, ok, print_findings, problem, skipped, warning
from bot.commands.online_checks import check_model, check_token_life
from bot.commands.owner_api import owner_api
from bot.commands.printing import say, say_json
from bot.data_directory import DATABASE_FILES, DataDirectoryError, Owner, find_owner
from bot.settings import Settings, SettingsError, load_settings
from database.backlog import chat_backlog, knowledge_backlog
from database.clock import Clock
from database.schema_report import SchemaReport, schema_report, sqlite_library

PACKAGES = ("concierge", "aiohttp", "aiosqlite", "chromadb", "langchain-openai", "wordllama", "xberg", "uvloop")
DAY_MS = 86_400_000
OWNER_WAIT_SECONDS = 2


async def doctor(settings: Settings | None, clock: Clock, *, online: bool, as_json: bool) -> Exit:
    """Print what was found; FAILED with a problem, not with warnings. `settings` None: they cannot be read at all."""
    versions = _versions()
    report: dict[str, Any] = {"versions": versions}
    findings = [_version_line(versions), *_setting_problems()]
    if settings is None:
        findings.append(skipped("Everything else", "needs settings that can be read"))
    else:
        findings += await _look(settings, clock, report, online=online)
    report["checks"] = as_objects(findings)
    report["problems"] = [_problem_line(each) for each in findings if each.state is State.PROBLEM]
    report["ok"] = exit_code(findings) is Exit.OK
    if as_json:
        say_json(report)
    else:
        print_findings(findings)
        say("")
        say("No problem was found." if report["ok"] else "Something needs attention: the problems above.")
    return exit_code(findings)


async def _look(settings: Settings, clock: Clock, report: dict[str, Any], *, online: bool) -> list[Finding]:
    directory = settings.concierge_data_dir
    try:
        owner = await asyncio.to_thread(find_owner, directory)
    except DataDirectoryError as error:
        return [problem("Data directory", str(error), "Run it as the user that the server runs as.")]
    databases = await asyncio.to_thread(_databases, directory)
    report["data_directory"] = {"path": str(directory.absolute()), "exists": directory.is_dir()}
    report["databases"] = [
        {"file": each.file, "schema": each.schema, "newest": each.newest, "bytes": each.bytes} for each in databases
    ]
    report["server"], server = await _server(settings, clock, owner)
    async with aiohttp.ClientSession() as session:
        outside = await asyncio.gather(
            _clock(session, settings, clock),
            check_token_life(session, settings, clock, online=online),
            check_model(settings, clock, online=online),
        )
    return [
        *await asyncio.to_thread(_machine, directory, owner),
        *(_database_line(each) for each in databases),
        *server,
        *outside,
        *await asyncio.to_thread(_backlog, directory, clock.now(), report, served=owner is not None),
    ]


def _setting_problems() -> list[Finding]:
    try:
        load_settings()
    except SettingsError as error:
        found = [problem("Settings", f"{name}: {text}") for name, text in error.problems]
        return [
            *found[:-1],
            replace(found[-1], advice="docs/operations.md explains each; .env.example is to be copied."),
        ]
    return [ok("Settings", "complete")]


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "sqlite": sqlite_library(), "system": platform.platform()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _version_line(versions: dict[str, str]) -> Finding:
    named = ("concierge", "python", "sqlite", "chromadb")
    return ok("Versions", ", ".join(f"{name} {versions[name]}" for name in named if name in versions))


def _machine(directory: Path, owner: Owner | None) -> list[Finding]:
    found = [
        machine_checks.check_directory(directory),
        machine_checks.check_files(directory),
        machine_checks.check_owner(owner),
        machine_checks.check_disk(directory),
        machine_checks.check_file_limit(owner),
    ]
    return [each for each in found if each is not None]


async def _clock(session: aiohttp.ClientSession, settings: Settings, clock: Clock) -> Finding:
    if not settings.whatsapp_access_token.get_secret_value():
        return skipped("Clock", "without WHATSAPP_ACCESS_TOKEN nobody outside is asked")
    return await machine_checks.check_clock(session, settings.whatsapp_api_url, clock)


def _databases(directory: Path) -> list[SchemaReport]:
    reports = (schema_report(directory / file, name) for name, file in DATABASE_FILES.items())
    return [each for each in reports if each is not None]


def _database_line(found: SchemaReport) -> Finding:
    name = found.file
    if found.error and name == DATABASE_FILES["lexical"]:
        return warning(name, f"cannot be read: {found.error}", "It is made anew by itself, at the latest at a start.")
    if found.error:
        return problem(name, f"cannot be read: {found.error}", "Stop the server and `concierge restore` a snapshot.")
    if found.schema > found.newest:
        return problem(name, "was written by a newer version", "Start that version, or restore a copy.")
    if found.schema < found.newest:
        return warning(name, "is behind this version", "`concierge migrate`, or the next start, brings it up to date.")
    return ok(name, f"schema {found.schema}, {found.bytes // 1024} KB")


async def _server(settings: Settings, clock: Clock, owner: Owner | None) -> tuple[dict[str, Any], list[Finding]]:
    """What the running server says of its parts."""
    if owner is None:
        return {"running": False}, []
    facts: dict[str, Any] = {"running": True, "pid": owner.pid, "url": owner.url}
    try:
        async with owner_api(settings.concierge_data_dir, clock, wait_seconds=OWNER_WAIT_SECONDS) as api:
            if api is not None:
                facts["ready"] = await api.health()
    except CommandError as error:
        return facts | {"error": str(error)}, [problem("Server", str(error), "Look at its log; restart it.")]
    parts = facts.get("ready", {}).get("components", {})
    return facts, [_part_line(name, part) for name, part in parts.items()]


def _part_line(name: str, part: dict[str, Any]) -> Finding:
    if part["status"] == "ok":
        return ok(f"Server: {name}", "ok")
    why = part.get("problem") or part.get("problems") or part.get("error") or "no reason given"
    found = problem if part["status"] == "down" else warning
    return found(f"Server: {name}", f"{part['status']}: {why}", "docs/operations.md, Probes, says what it means.")


def _backlog(directory: Path, now: int, report: dict[str, Any], *, served: bool) -> list[Finding]:
    found: list[Finding] = []
    backlog: dict[str, Any] = {}
    if chat := chat_backlog(directory / DATABASE_FILES["chat"], now - DAY_MS):
        backlog |= asdict(chat)
        found += [
            backlog_checks.check_events(chat, now, served=served),
            backlog_checks.check_dead_letters(chat),
            backlog_checks.check_replies(chat, now, served=served),
        ]
    if knowledge := knowledge_backlog(directory / DATABASE_FILES["knowledge"]):
        backlog |= asdict(knowledge)
        found.append(backlog_checks.check_documents(knowledge))
    report["backlog"] = backlog
    return found


def _problem_line(found: Finding) -> str:
    text = found.text if found.name == "Settings" else f"{found.name}: {found.text}"
    return f"{text} {found.advice}" if found.advice and found.name != "Settings" else text
