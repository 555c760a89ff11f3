"""Reads server-sent events (HTML standard, 9.2.6) as they come."""

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event. A heartbeat has neither name nor text."""

    name: str
    text: str

    @property
    def is_heartbeat(self) -> bool:
        return not self.text


async def server_events(lines: AsyncIterable[bytes]) -> AsyncIterator[ServerEvent]:
    """The events of a stream of lines, each with its line end; comments are heartbeats. A last half is dropped."""
    name, texts = "", list[str]()
    async for raw in lines:
        line = raw.decode().rstrip("\r\n")
        if line.startswith(":"):
            yield ServerEvent("", "")
        elif line:
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                name = value
            elif field == "data":
                texts.append(value)
        else:
            if texts:
                yield ServerEvent(name or "message", "\n".join(texts))
            name, texts = "", []
