"""Reads exported chats in a process of its own: 20 MB take ten seconds of Python, which customers would feel."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import tempfile
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from services.chat_export import NotAChatError
from services.chat_pairs import ChatPair, UnclearBusinessError
from services.document_errors import DAMAGED, TOO_MUCH_MEMORY, too_slow
from services.modest_children import child_environment

logger = logging.getLogger(__name__)

_OUT_OF_MEMORY = (b"MemoryError", b"memory allocation")
_LINE_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class ChatLimits:
    """How much text a chat may have, unpacked, and what reading it may cost."""

    most_bytes: int
    seconds: float = 120.0
    memory_mb: int = 1024


async def read_chat(file: BinaryIO, business_name: str | None, limits: ChatLimits) -> list[ChatPair]:
    """The pairs of an export, as chat_pairs gives them; `file` is one of the disk, at its beginning.

    Raises NotAChatError, also where it takes too long or too much memory, and UnclearBusinessError.
    """
    request = {"business_name": business_name, "most_bytes": limits.most_bytes}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "services.reading.chat_child"),
        *("--memory-mb", str(limits.memory_mb), "--seconds", str(int(limits.seconds) + 1), json.dumps(request)),
        stdin=file,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=child_environment(tempfile.gettempdir()),
    )
    try:
        async with asyncio.timeout(limits.seconds):
            answer, said = await process.communicate()
    except TimeoutError as error:
        raise NotAChatError(too_slow(limits.seconds)) from error
    finally:
        await _end(process)
    if process.returncode != os.EX_OK:
        raise NotAChatError(_why(process.returncode, said))
    return _pairs(json.loads(answer))


def _pairs(answer: dict[str, Any]) -> list[ChatPair]:
    if "not_a_chat" in answer:
        raise NotAChatError(answer["not_a_chat"])
    if "names" in answer:
        raise UnclearBusinessError(answer["names"])
    return [
        ChatPair(question, key, said, times, datetime.fromisoformat(asked_at))
        for question, key, said, times, asked_at in answer["pairs"]
    ]


def _why(returncode: int | None, said: bytes) -> str:
    last = said.decode("utf-8", "replace").strip().rpartition("\n")[2][:_LINE_CHARACTERS]
    logger.warning("the process that reads a chat ended with %s: %s", returncode, last or "it said nothing")
    out_of_memory = returncode == -signal.SIGKILL or any(sign in said for sign in _OUT_OF_MEMORY)
    return TOO_MUCH_MEMORY if out_of_memory else DAMAGED


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    await asyncio.shield(process.wait())
