"""Exported chats are read in a process of their own, with limits."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest

from services.chat_export import NotAChatError
from services.chat_pairs import UnclearBusinessError
from services.chat_reader import ChatLimits, read_chat

CHAT = "\n".join(
    f"12/03/2024, {9 + turn:02}:15 - Anna: Do you deliver on Sundays?\n"
    f"12/03/2024, {9 + turn:02}:16 - Shop: Yes, we deliver every day until six."
    for turn in range(3)
)
LIMITS = ChatLimits(1_000_000)


@contextmanager
def exported(text: str) -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as file:
        file.write(text.encode())
        file.seek(0)
        yield file


def children() -> set[str]:
    """Of this process, by id; also those that ended and were not waited for."""
    return {number for task in Path("/proc/self/task").iterdir() for number in (task / "children").read_text().split()}


async def test_pairs_of_a_chat() -> None:
    """As they are found, with the time of the newest; the file may be read again."""
    with exported(CHAT) as file:
        (pair, *_) = await read_chat(file, None, LIMITS)
        assert pair.answer == "Yes, we deliver every day until six."
        assert pair.times == 3
        assert pair.asked_at.isoformat() == "2024-03-12T11:15:00"
        file.seek(0)
        assert await read_chat(file, "shop", LIMITS) == [pair]


async def test_what_is_refused() -> None:
    """With the same sentence and the same names as where it is found."""
    with exported("just notes") as file, pytest.raises(NotAChatError, match="no chat that WhatsApp exported"):
        await read_chat(file, None, LIMITS)
    with exported(CHAT) as file, pytest.raises(NotAChatError, match="longer than 0 MB"):
        await read_chat(file, None, ChatLimits(20))
    with exported(CHAT) as file, pytest.raises(UnclearBusinessError) as unclear:
        await read_chat(file, "Nobody", LIMITS)
    assert set(unclear.value.names) == {"Anna", "Shop"}


async def test_too_much_memory_and_too_much_time() -> None:
    """Its process ends, the owner gets a sentence, and nothing is left."""
    before = children()
    with exported(CHAT * 20_000) as file:
        with pytest.raises(NotAChatError, match="too much memory"):
            await read_chat(file, None, ChatLimits(50_000_000, memory_mb=80))
        file.seek(0)
        with pytest.raises(NotAChatError, match="longer than 1 seconds"):
            await read_chat(file, None, ChatLimits(50_000_000, seconds=1))
        file.seek(0)
        reading = asyncio.create_task(read_chat(file, None, ChatLimits(50_000_000)))
        await asyncio.sleep(0.5)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    assert children() == before
