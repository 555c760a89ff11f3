"""Exported chats: every form that phones write, and what in it is no message."""

import io
import zipfile

import pytest

from services.chat_export import NotAChatError, chat_messages, chat_text

MEGABYTE = 1024 * 1024


@pytest.mark.parametrize(
    ("line", "at"),
    [
        ("[12.03.24, 09:15:02] Anna: Hello", "2024-03-12T09:15:02"),
        ("[12/03/2024, 9:15:02 PM] Anna: Hello", "2024-12-03T21:15:02"),
        ("[13/03/2024, 9:15:02\u202fPM] ~\u00a0Anna: Hello", "2024-03-13T21:15:02"),
        ("\u200e[2024-03-12, 9:15:02] Anna: Hello", "2024-03-12T09:15:02"),
        ("12/03/2024, 09:15 - Anna: Hello", "2024-03-12T09:15:00"),
        ("3/25/24, 9:15 AM - Anna: Hello", "2024-03-25T09:15:00"),
        ("3/25/24, 12:15\u202fAM - Anna: Hello", "2024-03-25T00:15:00"),
        ("25/3/24, 9:15 p. m. - Anna: Hello", "2024-03-25T21:15:00"),
        ("25/03/2024 à 09:15 - Anna: Hello", "2024-03-25T09:15:00"),
        ("25.03.24, 09:15 – Anna: Hello", "2024-03-25T09:15:00"),  # noqa: RUF001 - as some phones write
        ("2024/3/25 下午3:15 - Anna: Hello", "2024-03-25T15:15:00"),
        ("25\u200f/3\u200f/2024، 9:15 م - Anna: Hello", "2024-03-25T21:15:00"),
        ("٢٥/٣/٢٠٢٤، ٩:١٥ ص - Anna: Hello", "2024-03-25T09:15:00"),  # noqa: RUF001 - Arabic digits
        ("25/03/2024, 09.15 - Anna: Hello", "2024-03-25T09:15:00"),
    ],
)
def test_every_form_of_a_line_is_read(line, at):
    """Android and iOS, in many countries, with the marks that nobody sees."""
    (message,) = chat_messages(line)
    assert (message.at.isoformat(), message.sender, message.text) == (at, "Anna", "Hello")


def test_the_order_of_day_and_month_is_told_from_the_whole_chat():
    """A thirteenth decides; without one, the order in which the chat runs forward."""
    assert [each.at.month for each in chat_messages("01/02/24, 09:15 - A: x\n02/13/24, 09:15 - A: y")] == [1, 2]
    assert [each.at.month for each in chat_messages("02/01/24, 09:15 - A: x\n03/01/24, 09:15 - A: y")] == [1, 1]
    forward = "1/31/24, 09:15 - A: x\n2/1/24, 09:15 - A: y\n2/2/24, 09:15 - A: z"
    assert [each.at.day for each in chat_messages(forward)] == [31, 1, 2]


def test_a_message_may_have_several_lines():
    """Also lines that look a little like the beginning of another."""
    text = "12/03/2024, 09:15 - Anna: First\n\n10:30 is fine\n12 - no\n[maybe]\n12/03/2024, 09:16 - Ben: Next"
    first, second = chat_messages(text)
    assert first.text == "First\n\n10:30 is fine\n12 - no\n[maybe]"
    assert second.text == "Next"


@pytest.mark.parametrize(
    "line",
    [
        "12/03/2024, 09:15 - Messages and calls are end-to-end encrypted.",
        "12/03/2024, 09:15 - Anna: <Media omitted>",
        "12/03/2024, 09:15 - Anna: <Medien ausgeschlossen>",
        "12/03/2024, 09:15 - Anna: IMG-20240312-WA0001.jpg (file attached)",
        "12/03/2024, 09:15 - Anna: This message was deleted",
        "12/03/2024, 09:15 - Anna: null",
        "[12.03.24, 09:15:02] Anna: \u200eimage omitted",
        "[12.03.24, 09:15:02] Anna: \u200e<attached: 00000012-PHOTO.jpg>",
        "[12.03.24, 09:15:02] Shop: \u200eMessages and calls are end-to-end encrypted.",
    ],
)
def test_what_nobody_wrote_is_left_out(line):
    """Media, deleted messages, and the system's notes."""
    assert chat_messages(line) == []


def test_the_mark_of_an_edited_message_goes():
    """It is no part of what was written."""
    (message,) = chat_messages("12/03/2024, 09:15 - Anna: At nine <This message was edited>")
    assert message.text == "At nine"


@pytest.mark.parametrize("text", ["", "hello", "a,b\n1,2\n", "12/03/2024 only a date"])
def test_other_files_are_refused(text):
    """A sentence says what to export instead."""
    with pytest.raises(NotAChatError, match="no chat that WhatsApp exported"):
        chat_messages(text)


@pytest.mark.parametrize("name", ["_chat.txt", "WhatsApp Chat with Anna.txt"])
def test_the_archive_of_either_phone_is_read(name):
    """The chat is found beside the media."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("00000012-PHOTO.jpg", b"x" * 5000)
        archive.writestr(name, "\ufeff[12.03.24, 09:15:02] Anna: Hello")
    packed.seek(0)
    assert [each.text for each in chat_messages(chat_text(packed, MEGABYTE))] == ["Hello"]


def test_a_bomb_and_a_broken_archive_are_refused():
    """Neither is unpacked beyond the limit."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("_chat.txt", b" " * 20 * MEGABYTE)
    packed.seek(0)
    with pytest.raises(NotAChatError, match="longer than 1 MB"):
        chat_text(packed, MEGABYTE)
    with pytest.raises(NotAChatError, match="damaged"):
        chat_text(io.BytesIO(b"PK\x03\x04 and no more"), MEGABYTE)
    empty = io.BytesIO()
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("photo.jpg", b"x")
    empty.seek(0)
    with pytest.raises(NotAChatError, match="no chat"):
        chat_text(empty, MEGABYTE)


@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_archive_that_is_damaged_in_its_middle_is_refused(packing):
    """However it is packed."""
    packed = io.BytesIO()
    lines = "".join(f"12/01/2024, 10:{n % 60:02} - Anna: number {n * 7919 % 1009}\n" for n in range(500))
    with zipfile.ZipFile(packed, "w", packing) as archive:
        archive.writestr("_chat.txt", lines)
    damaged = bytearray(packed.getvalue())
    damaged[60:400] = b"\xff" * 340
    with pytest.raises(NotAChatError, match="damaged"):
        chat_text(io.BytesIO(damaged), MEGABYTE)


def test_of_a_very_long_chat_the_newest_messages_are_read():
    """What was said first is out of date."""
    lines = "\n".join(f"12/03/2024, 09:{n:02} - Anna: {n}" for n in range(30))
    assert [each.text for each in chat_messages(lines, most=2)] == ["28", "29"]


def test_runs_of_blanks_are_read_in_their_length():
    """A message of blanks keeps no thread busy."""
    (message,) = chat_messages(f"12/03/2024, 09:15 - Anna: a{' ' * 4000}b <This message was edited>")
    assert message.text == f"a{' ' * 4000}b"
