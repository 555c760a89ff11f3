"""Server-sent events as a command reads them."""

from bot.commands.event_stream import ServerEvent, server_events


async def read(text: str) -> list[ServerEvent]:
    async def lines():
        for line in text.encode().splitlines(keepends=True):
            yield line

    return [event async for event in server_events(lines())]


async def test_events_have_names_and_texts():
    """Several lines of data are one text; an event without a name is a message (HTML standard, 9.2.6)."""
    stream = 'event: document\ndata: {"a": 1}\n\ndata: one\ndata:two\n\n'
    assert await read(stream) == [ServerEvent("document", '{"a": 1}'), ServerEvent("message", "one\ntwo")]


async def test_a_comment_is_a_heartbeat():
    """It says that the server is there, and nothing else."""
    beat, event = await read(": still here\n\nevent: deleted\r\ndata: x\r\n\r\n")
    assert beat.is_heartbeat
    assert event == ServerEvent("deleted", "x")


async def test_half_an_event_is_none():
    """A stream that breaks off in the middle of an event did not send it."""
    assert await read("event: document\ndata: {") == []


async def test_unknown_fields_and_names_without_data_are_passed_over():
    """As the standard says."""
    assert await read("id: 7\nretry: 5\nevent: empty\n\ndata: x\n\n") == [ServerEvent("message", "x")]
