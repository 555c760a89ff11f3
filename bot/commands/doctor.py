"""`concierge doctor`: versions, settings, the data directory and its owner, and what to do about what is wrong."""

import asyncio
import platform
import shutil
import stat
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bot.commands.failures import CommandError, Exit
from bot.commands.owner_api import owner_api
from bot.commands.printing import say, say_json
from bot.data_directory import DATABASE_FILES, find_owner
from bot.health import FULL_DISK_BYTES, LOW_DISK_BYTES, MEGABYTE
from bot.settings import Settings, SettingsError, load_settings
from database.clock import Clock
from database.schema_report import schema_report, sqlite_library

PACKAGES = ("concierge", "aiohttp", "aiosqlite", "chromadb", "langchain-openai", "wordllama", "xberg", "uvloop")


async def doctor(settings: Settings, clock: Clock, *, as_json: bool) -> Exit:
    """Print what was found; FAILED when something needs attention."""
    directory = settings.concierge_data_dir
    problems = [f"{name}: {text}" for name, text in _setting_problems()]
    report: dict[str, Any] = {
        "versions": _versions(),
        "data_directory": await asyncio.to_thread(_directory, directory, problems),
        "databases": await asyncio.to_thread(_databases, directory, problems),
        "server": await _server(settings, clock, problems),
        "problems": problems,
    }
    if as_json:
        say_json(report)
    else:
        _print(report)
    return Exit.FAILED if problems else Exit.OK


def _setting_problems() -> list[tuple[str, str]]:
    try:
        load_settings()
    except SettingsError as error:
        return error.problems
    return []


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "sqlite": sqlite_library(), "system": platform.platform()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _directory(directory: Path, problems: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"path": str(directory.absolute()), "exists": directory.is_dir()}
    if not directory.is_dir():
        return found
    mode = stat.S_IMODE(directory.stat().st_mode)
    found["mode"] = f"{mode:o}"
    if mode & 0o077:
        problems.append(f"{directory} can be entered by other users of this machine: chmod 700 {directory}")
    free = shutil.disk_usage(directory).free
    found["free_mb"] = free // MEGABYTE
    if free < LOW_DISK_BYTES:
        worse = " Nothing can be stored any more." if free < FULL_DISK_BYTES else ""
        problems.append(f"The disk of {directory} is nearly full: {free // MEGABYTE} MB are free.{worse}")
    return found


def _databases(directory: Path, problems: list[str]) -> list[dict[str, Any]]:
    found = []
    for name, file in DATABASE_FILES.items():
        report = schema_report(directory / file, name)
        if report is None:
            continue
        found.append({"file": file, "schema": report.schema, "newest": report.newest, "bytes": report.bytes})
        if report.error:
            problems.append(f"{file} cannot be read: {report.error}")
        elif report.schema > report.newest:
            problems.append(f"{file} was written by a newer version: start that one, or restore a backup")
        elif report.schema < report.newest:
            problems.append(f"{file} is behind: `concierge migrate`, or the next start, brings it up to date")
    return found


async def _server(settings: Settings, clock: Clock, problems: list[str]) -> dict[str, Any]:
    try:
        owner = await asyncio.to_thread(find_owner, settings.concierge_data_dir)
        if owner is None:
            return {"running": False}
        found: dict[str, Any] = {"running": True, "pid": owner.pid, "url": owner.url}
        async with owner_api(settings.concierge_data_dir, clock, wait_seconds=2) as api:
            if api is not None:
                found["ready"] = await api.health()
                problems += [
                    f"{name} is {component['status']}"
                    for name, component in found["ready"].get("components", {}).items()
                    if component["status"] != "ok"
                ]
    except (CommandError, OSError) as error:
        problems.append(str(error))
        return {"running": True, "error": str(error)}
    return found


def _print(report: dict[str, Any]) -> None:
    for heading in ("versions", "data_directory", "server"):
        say(heading.replace("_", " "))
        for name, value in report[heading].items():
            say(f"  {name:<18}{value}")
    say("databases")
    for database in report["databases"]:
        say(f"  {database['file']:<18}schema {database['schema']}, {database['bytes'] // 1024} KB")
    say("problems" if report["problems"] else "No problem was found.")
    for problem in report["problems"]:
        say(f"  {problem}")
