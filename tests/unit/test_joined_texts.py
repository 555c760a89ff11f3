"""Passages that are filled up with their neighbours' sentences."""

import pytest

from database.live_chunks import LiveChunk
from vectorstore.joined_texts import TEXT_CHARACTERS, joined_text


def chunk(text: str, before: str | None = None, after: str | None = None) -> LiveChunk:
    return LiveChunk("c", "d", "f.txt", text, None, None, None, before, after, None)


def test_short_neighbours_are_taken_whole() -> None:
    """What fits stands around the chunk, each as it is."""
    text = "x" * 800 + "."
    assert joined_text(chunk(text, "Before it.", "After it.")) == f"Before it.\n\n{text}\n\nAfter it."
    assert joined_text(chunk("Alone.")) == "Alone."


def test_what_would_fit_into_one_chunk_stays_apart() -> None:
    """Chunks that were not cut apart for their length speak of different things."""
    assert joined_text(chunk("Two.", "One.", "Three.")) == "Two."


def test_long_neighbours_give_whole_sentences() -> None:
    """Only whole sentences are taken, the nearest, and never more than a passage may hold."""
    sentences = [f"This is sentence number {number} of them." for number in range(60)]
    text = "x" * 900
    joined = joined_text(chunk(text, " ".join(sentences), " ".join(sentences)))
    before, own, after = joined.split("\n\n") if joined.count("\n\n") == 2 else ("", *joined.split("\n\n"))
    assert len(joined) <= TEXT_CHARACTERS
    assert own == text
    assert after.startswith(sentences[0])
    assert after.endswith("of them.")
    assert not before or before.endswith(sentences[-1])


@pytest.mark.parametrize("neighbour", ["y" * 2_000, "一" * 2_000])
def test_a_neighbour_without_sentences_is_left_out(neighbour: str) -> None:
    """A sentence is not torn, however long it is."""
    assert joined_text(chunk("Short.", neighbour, neighbour)) == "Short."


def test_a_full_chunk_stays_as_it_is() -> None:
    """Where there is no room, nothing is added; what is too long is cut off."""
    assert joined_text(chunk("x" * 1_200, "One.", "Three.")) == "x" * 1_200
    assert joined_text(chunk("x" * 1_300)) == "x" * 1_200
