"""Sitemaps that are meant to cost memory: read in little of it, or refused."""

import gzip
import tracemalloc

import pytest

from services.web_addresses import WebRules
from services.web_errors import WebAwayError
from services.web_fetch import Fetched
from services.web_sitemaps import sitemap_of

ADDRESS = "https://shop.example/sitemap.xml"


def read(content, most_pages=500):
    return sitemap_of(Fetched(ADDRESS, content), WebRules(), most_pages=most_pages, most_bytes=20_000_000)


def entry(name):
    return b"<url><loc>https://shop.example/%s</loc><image><loc>https://shop.example/i</loc></image></url>" % name


def test_what_has_been_read_is_forgotten():
    """A list of a million elements, 5 KB on the wire, takes no more memory than a short one."""
    packed = gzip.compress(b"<urlset>" + entry(b"a") + b"<a/>" * 1_000_000 + entry(b"b") + b"</urlset>")
    tracemalloc.start()
    try:
        found = read(packed)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    # as far as it was read
    assert (found.pages, found.more) == (("https://shop.example/a",), True)


@pytest.mark.parametrize(
    "content",
    [b"<urlset>" + b"<a>" * 100, b"<urlset>" + b"<a " + b'b=">" ' * 20_000 + b"/></urlset>", b"<urlset><url>"],
)
def test_what_is_no_sitemap_is_refused(content):
    """Deeper than one, with longer tags, or cut off."""
    with pytest.raises(WebAwayError, match="damaged"):
        read(content)


def test_pages_are_read_as_far_as_the_limit():
    """Each once; that there are more is told."""
    content = b"<urlset>" + entry(b"a") + entry(b"a") + entry(b"b") + entry(b"c") + b"</urlset>"
    assert read(content).pages == tuple(f"https://shop.example/{name}" for name in "abc")
    assert read(content, 2).pages == ("https://shop.example/a", "https://shop.example/b")
    assert (read(content, 2).more, read(content, 3).more) == (True, False)
