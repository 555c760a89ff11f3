"""What `concierge doctor` looks at on this machine: directory and files, who owns them, disk, open files, clock."""

import os
import resource
import shutil
import stat
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp
import psutil

from bot.commands.findings import Finding, ok, problem, skipped, warning
from bot.data_directory import LOCK, RUN, Owner
from bot.health import FULL_DISK_BYTES, LOW_DISK_BYTES, MEGABYTE
from database.clock import Clock

OTHERS = 0o077
SECRET_FILES = frozenset({LOCK, RUN})
# 100 turns, 64 webhook connections, three databases with readers, documents, Chroma: some hundred at full load
FEW_FILES = 1024
CLOCK_TIMEOUT_SECONDS = 3.0
SKEW_WARNING_SECONDS = 30
SKEW_PROBLEM_SECONDS = 300


def check_directory(directory: Path) -> Finding:
    """Its mode and owner."""
    if not directory.is_dir():
        return skipped("Data directory", f"{directory.absolute()} is not there yet; the first start makes it")
    found = directory.stat()
    mode = stat.S_IMODE(found.st_mode)
    if found.st_uid != os.geteuid():
        return problem(
            "Data directory",
            f"{directory.absolute()} belongs to user {found.st_uid}, but you are user {os.geteuid()}.",
            "Run Concierge and its commands as the same user.",
        )
    if mode & OTHERS:
        return problem(
            "Data directory",
            f"{directory} can be entered by other users of this machine (mode {mode:o}).",
            f"chmod 700 {directory}",
        )
    return ok("Data directory", f"{directory.absolute()}, mode {mode:o}")


def check_files(directory: Path) -> Finding | None:
    """Modes and owners of what lies in it; None without a directory."""
    if not directory.is_dir():
        return None
    foreign: list[str] = []
    secret: list[str] = []
    readable: list[str] = []
    with os.scandir(directory) as entries:
        for entry in entries:
            found = entry.stat(follow_symlinks=False)
            if found.st_uid != os.geteuid():
                foreign.append(entry.name)
            if stat.S_IMODE(found.st_mode) & OTHERS:
                (secret if entry.name in SECRET_FILES else readable).append(entry.name)
    if foreign:
        return problem("Files", f"not yours: {_named(foreign)}", "Run Concierge and its commands as the same user.")
    if secret:
        return problem("Files", f"others may read {_named(secret)}", f"chmod -R go= {directory}")
    if readable:
        return warning(
            "Files",
            f"only the directory keeps others from {_named(readable)}",
            f"chmod -R go= {directory}",
        )
    return ok("Files", "nobody else may read them")


def _named(names: list[str]) -> str:
    shown = sorted(names)
    return ", ".join(shown[:4]) + (f" and {len(shown) - 4} more" if len(shown) > 4 else "")  # noqa: PLR2004 - a line


def check_owner(owner: Owner | None) -> Finding:
    """Who holds the lock, and since when."""
    if owner is None:
        return skipped("Lock", "nobody owns the data directory: no server is running")
    since = _started(owner.pid)
    text = f"process {owner.pid}" + (f" since {since:%Y-%m-%d %H:%M UTC}" if since else "")
    if owner.url is None:
        return warning("Lock", f"{text}; it is starting or stopping, or it is a command", "Look again in a moment.")
    return ok("Lock", f"{text}, at {owner.url}")


def _started(pid: int | None) -> datetime | None:
    try:
        return datetime.fromtimestamp(psutil.Process(pid).create_time(), UTC) if pid else None
    except psutil.Error:
        return None  # of another machine or container


def check_disk(directory: Path) -> Finding:
    """The room where the data lie, or will."""
    place = next(each for each in (directory.absolute(), *directory.absolute().parents) if each.is_dir())
    free = shutil.disk_usage(place).free
    text = f"{free // MEGABYTE} MB are free"
    if free < FULL_DISK_BYTES:
        return problem("Disk", f"{text}: nothing can be stored any more.", "Make room, then look again.")
    if free < LOW_DISK_BYTES:
        return warning("Disk", f"{text}: that is little.", "Make room, or lower CONCIERGE_INBOX_KEEP_DAYS.")
    return ok("Disk", text)


def check_file_limit(owner: Owner | None) -> Finding:
    """RLIMIT_NOFILE of the running server where it can be asked (Linux), of this shell otherwise."""
    soft, whose = _file_limit(owner)
    if soft == resource.RLIM_INFINITY:
        return ok("Open files", f"no limit for {whose}")
    if soft < FEW_FILES:
        return warning(
            "Open files",
            f"at most {soft} for {whose}: too few for many customers at once",
            "ulimit -n 65536 before the start (systemd: LimitNOFILE=65536).",
        )
    return ok("Open files", f"at most {soft} for {whose}")


def _file_limit(owner: Owner | None) -> tuple[int, str]:
    if owner is not None and owner.pid is not None and hasattr(resource, "prlimit"):
        try:
            return resource.prlimit(owner.pid, resource.RLIMIT_NOFILE)[0], "the running server"
        except OSError:
            pass  # another user's, or another container's
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0], "this shell"


async def check_clock(session: aiohttp.ClientSession, url: str, clock: Clock) -> Finding:
    """Against the Date of whoever answers at `url`, to the second; not checked when nobody does within 3 s.

    A wrong clock misjudges Meta's 24-hour window, and TLS refuses certificates.
    """
    try:
        timeout = aiohttp.ClientTimeout(total=CLOCK_TIMEOUT_SECONDS)
        async with session.head(url, timeout=timeout, allow_redirects=False) as response:
            theirs = parsedate_to_datetime(response.headers.get("Date", ""))
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return skipped("Clock", f"{url} does not tell the time")
    away = clock.now() / 1000 - theirs.timestamp()
    if abs(away) < SKEW_WARNING_SECONDS:
        return ok("Clock", "agrees with Meta's")
    found = f"{abs(away):.0f} s {'ahead of' if away > 0 else 'behind'} Meta's"
    advice = "Let the machine set its clock by NTP (timedatectl set-ntp true)."
    return problem("Clock", found, advice) if abs(away) >= SKEW_PROBLEM_SECONDS else warning("Clock", found, advice)
