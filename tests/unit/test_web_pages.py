"""Web pages made ready for the parser: whatever stands in them, in bounded time."""

import pytest

from services.web_fetch import Fetched
from services.web_pages import page_of

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
