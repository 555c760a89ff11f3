"""Chunks keep whole paragraphs, headings and pages, and lose nothing."""

import re

from hypothesis import given
from hypothesis import strategies as st

from services.chunker import MAX_CHARACTERS, ChunkDraft, chunks_of, size_of
from services.document_blocks import Block, BlockKind, clean

H, P, I, HR, R = BlockKind.HEADING, BlockKind.PARAGRAPH, BlockKind.ITEM, BlockKind.HEADER_ROW, BlockKind.ROW  # noqa: E741


def cut(*blocks: Block) -> list[ChunkDraft]:
    return list(chunks_of(blocks))


def words(text: str) -> list[str]:
    return text.split()


def test_paragraphs_under_one_heading_stay_together():
    """Short paragraphs of one section become one chunk with the path of its headings."""
    chunks = cut(
        Block(H, "Shop", 1), Block(P, "Welcome."), Block(H, "Hours", 2), Block(P, "We open at nine."), Block(P, "Bye.")
    )
    assert chunks == [ChunkDraft("Welcome.", "Shop"), ChunkDraft("We open at nine.\n\nBye.", "Shop > Hours")]


def test_a_heading_of_the_same_level_ends_the_one_before():
    """A path holds only the headings that are really above."""
    chunks = cut(Block(H, "A", 1), Block(H, "B", 2), Block(P, "b"), Block(H, "C", 2), Block(P, "c"), Block(H, "D", 1))
    assert [(chunk.heading, chunk.text) for chunk in chunks] == [("A > B", "b"), ("A > C", "c"), (None, "D")]


def test_headings_over_nothing_become_text():
    """What a PDF only claims to be headings is not lost."""
    chunks = cut(*(Block(H, f"Line {n}", 2) for n in range(4)), Block(P, "End."))
    assert chunks == [ChunkDraft("Line 0\n\nLine 1\n\nLine 2"), ChunkDraft("End.", "Line 3")]


def test_a_paragraph_is_not_cut_while_it_fits():
    """Whole paragraphs are answers; the aim only decides where the next one goes."""
    first, second = "One. " * 60, "Two. " * 230
    assert [chunk.text for chunk in cut(Block(P, first), Block(P, second))] == [first.strip(), second.strip()]


def test_a_long_paragraph_is_cut_between_sentences():
    """A paragraph beyond the limit becomes pieces of about equal length, each of whole sentences."""
    sentences = [f"Sentence number {n} says something useful." for n in range(100)]
    chunks = cut(Block(P, " ".join(sentences)))
    assert all(chunk.text.endswith(".") and len(chunk.text) <= MAX_CHARACTERS for chunk in chunks)
    assert " ".join(chunk.text for chunk in chunks) == " ".join(sentences)
    assert max(len(chunk.text) for chunk in chunks) < 2 * min(len(chunk.text) for chunk in chunks)


def test_chinese_is_cut_after_its_full_stops():
    """Scripts without spaces have sentence ends of their own."""
    chunks = cut(Block(P, "我们早上九点开门晚上六点关门。" * 120))
    assert len(chunks) > 1
    assert all(chunk.text.endswith("。") for chunk in chunks)


def test_pages_end_chunks():
    """A chunk's page is where it begins, and it does not run far into the next."""
    chunks = cut(Block(P, "First page. " * 30, 0, 1), Block(P, "Second page.", 0, 2))
    assert [chunk.page for chunk in chunks] == [1, 2]


def test_a_sentence_goes_on_over_a_page_end():
    """A paragraph that a page end breaks is put together again."""
    chunks = cut(Block(P, "word " * 60 + "and we open", 0, 1), Block(P, "at nine.", 0, 2))
    assert [chunk.page for chunk in chunks] == [1]
    assert chunks[0].text.endswith("and we open at nine.")


def test_a_cut_table_repeats_its_header():
    """Each part of a long table says what its columns are."""
    rows = [Block(R, f"Product {n} | {n} euro | in stock") for n in range(80)]
    chunks = cut(Block(HR, "Product | Price | Stock"), *rows)
    assert len(chunks) > 2
    assert all(chunk.text.startswith("Product | Price | Stock\nProduct ") for chunk in chunks)


def test_what_introduces_a_list_goes_with_it():
    """A line that ends with a colon is not left behind."""
    chunks = cut(Block(P, "Long. " * 125), Block(P, "We need:"), Block(I, "- " + "thing " * 90), Block(I, "- one more"))
    assert len(chunks) == 2
    assert chunks[1].text.startswith("We need:\n- thing")


BLOCKS = st.lists(
    st.builds(
        Block,
        st.sampled_from(list(BlockKind)),
        st.text(st.sampled_from("aB.!? \n:é我。"), max_size=60).flatmap(lambda t: st.sampled_from([t, t * 40, t * 90])),
        st.integers(1, 6),
        st.none() | st.integers(1, 3),
    ),
    max_size=12,
)


@given(BLOCKS)
def test_nothing_is_lost_and_nothing_is_too_long(blocks):
    """Every character of every block is in a chunk's text or in its heading, and no chunk is beyond the limit."""
    chunks = cut(*blocks)
    assert all(0 < len(chunk.text) <= MAX_CHARACTERS for chunk in chunks)
    squeezed = [re.sub(r"\s", "", chunk.text) for chunk in chunks]
    everything = "".join(squeezed) + "".join(re.sub(r"\s", "", chunk.heading or "") for chunk in chunks)
    for block in blocks:
        if block.kind is not BlockKind.HEADING and len(clean(block.text)) <= MAX_CHARACTERS:
            assert re.sub(r"\s", "", clean(block.text)) in everything


@given(st.lists(st.text("abc.", min_size=1, max_size=30), min_size=1, max_size=400))
def test_no_word_is_ever_cut(parts):
    """The words of the chunks are the words of the document, in order."""
    chunks = cut(Block(P, " ".join(parts)))
    assert [word for chunk in chunks for word in words(chunk.text)] == parts


def test_clean_text_is_what_a_person_would_type():
    """Invisible characters, drawn letters and stray spaces do not reach a customer."""
    assert clean("of\ufb01ce\x00 \u00adhours\r\n\r\n\r\n\u202eopen\u00a0 \ud83d") == "office hours\n\nopen"
    assert clean("\ufea3\ufe92\ufef4\ufe92\ufef2") == "حبيبي"


def test_dense_scripts_make_shorter_chunks():
    """A thousand Chinese characters say as much, and are as many tokens, as several thousand Latin letters."""
    sentence = "我们每天早上九点开门，晚上六点关门。"  # noqa: RUF001 - the comma of Chinese
    chunks = cut(Block(P, sentence * 100))
    assert max(len(chunk.text) for chunk in chunks) <= MAX_CHARACTERS // 2
    assert "".join(chunk.text for chunk in chunks) == sentence * 100
    assert len(cut(Block(P, "คำ" * 2_000))) >= 7  # Thai, without a space to cut at


@given(st.lists(st.text(max_size=3_000), max_size=4), st.integers(200, 1_200))
def test_a_chosen_size_is_never_exceeded(texts, most):
    """No chunk is larger than a business wants, whatever the text."""
    chunks = list(chunks_of((Block(P, text) for text in texts), most))
    assert all(0 < size_of(chunk.text) <= most for chunk in chunks)


def test_names_of_documents_in_a_document_stand_above_its_headings():
    """A path begins with the archive's member, and the next member ends it."""
    chunks = cut(Block(H, "a.md", -3), Block(H, "Hours", 1), Block(P, "At nine."), Block(H, "b.md", -3), Block(P, "B."))
    assert [chunk.heading for chunk in chunks] == ["a.md > Hours", "b.md"]
