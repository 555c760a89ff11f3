"""Web pages made ready for the parser: whatever stands in them, in bounded time."""

import tracemalloc

import pytest

from services.web_fetch import Fetched
from services.web_pages import page_of
from services.web_words import digest_of_words

ADDRESS = "https://shop.example/hours"


def page(content, kind="text/html", charset=None):
    return page_of(Fetched(ADDRESS, content, kind, charset))


@pytest.mark.parametrize("remark", [b"<!---->", b"<!-- menu -->\n"])
def test_thousands_of_remarks_before_a_page_are_stepped_over(remark):
    """Each is looked at once: no page freezes the server by what stands before it."""
    content = remark * (60_000 // len(remark))
    assert page(content + b"<p>Open</p>").content.endswith(b"<p>Open</p>")
    assert page(content + b"<HTML><title>Hours</title>", "text/plain").filename == "Hours"


def test_a_remark_without_an_end_makes_no_page():
    """A text that only begins like one stays a file."""
    assert page(b"<!-- " * 10_000, "text/plain").filename == "hours"


@pytest.mark.parametrize("charset", ["undefined", "punycode", "idna", "unicode_escape", "rot13", "a\0b", "\udcff", "x"])
def test_what_is_no_encoding_of_the_web_is_passed_over(charset):
    """Whatever a site names: what the page itself says, else UTF-8, is read."""
    assert "Grüße".encode() in page("<p>Grüße</p>".encode(), charset=charset).content


@pytest.mark.parametrize(
    ("charset", "written"), [("Shift_JIS", "営業時間"), ("gb2312", "营业时间"), ("latin1", "5 €"), ("koi8-r", "Часы")]
)
def test_the_encodings_of_the_web_are_read(charset, written):
    """Under the names that pages use for them."""
    encoding = "cp1252" if charset == "latin1" else charset
    assert written.encode() in page(f"<p>{written}</p>".encode(encoding), charset=charset).content


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("<p>Open <b>nine</b></p>", "<div>Open\n <i class='x'>nine</i></div>", True),
        ("<script>a()</script><p>nine</p>", "<p>nine</p><SCRIPT>if (a</b) b()</SCRIPT>", True),
        ("<!-- a > b --><p>nine</p>", "<p>nine</p><!-- c", True),
        ("<p>nine</p>", "<p>ten</p>", False),
        ("<p>2 < 3 <b>nine</b></p>", "<p>2 < 4 <b>nine</b></p>", False),
        ("<svg class='x'/><p>nine</p>", "<svg class='x'/><p>ten</p>", False),
        ("<p>nine</p><svg><path d='M1'/></svg><p>five</p>", "<p>nine</p><svg><path/></svg><p>six</p>", False),
    ],
)
def test_the_digest_is_of_what_a_reader_sees(before, after, same):
    """Scripts, tags, remarks and blanks do not count; what follows them does."""
    assert (page(before.encode()).digest == page(after.encode()).digest) is same


def test_a_page_of_millions_of_tags_takes_little_memory():
    """Its digest holds a piece of the page a second time, not a list of its tags."""
    text = "<html>" + "<ab>" * 300_000
    other = f"{text}c"
    tracemalloc.start()
    try:
        assert digest_of_words(text) != digest_of_words(other)
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()
