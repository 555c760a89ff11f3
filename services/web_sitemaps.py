"""Reads sitemaps (sitemaps.org protocol 0.9): lists of a site's pages, and lists of such lists."""

import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from services.web_addresses import WebRules, site, tidy_address
from services.web_errors import BROKEN_SITEMAP, WebAwayError, WebRefusedError, too_large
from services.web_fetch import MEGABYTE, Fetched
from services.web_pages import unpacked

_HEAD_BYTES = 4096
_ROOT = re.compile(rb"<(?:\w+:)?(urlset|sitemapindex)[\s>]")
_MOST_LISTS = 200
# A sitemap is three deep; what is deeper, or has longer tags, is meant to cost memory.
_DEEPEST = 20
_LONG_TAG = re.compile(rb"<[^<]{65536}")
# About three seconds of work, and far more than the pages that we take need.
_MOST_ELEMENTS = 300_000


@dataclass(frozen=True, slots=True)
class Sitemap:
    """`pages` are addresses of pages, `lists` of further sitemaps; `more` tells that there were more than we take."""

    pages: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    more: bool = False


def is_sitemap(fetched: Fetched, most_bytes: int) -> bool:
    """Told from content alone: sites serve it under any type."""
    content = fetched.content or b""
    try:
        head = unpacked(content, min(_HEAD_BYTES, most_bytes))[:_HEAD_BYTES]
    except zlib.error:
        return False
    return bool(_ROOT.search(head))


def sitemap_of(fetched: Fetched, rules: WebRules, *, most_pages: int, most_bytes: int) -> Sitemap:
    """Raises WebAwayError for what is damaged, or larger than it says.

    For a thread: bounded in bytes (`most_bytes`, also when it is packed), elements, depth and length of tags, read
    piece by piece, without entities; the largest takes about three seconds.
    """
    try:
        content = unpacked(fetched.content or b"", most_bytes + 1)
        if len(content) > most_bytes:
            raise WebAwayError(too_large(most_bytes / MEGABYTE))
        return _read(content, fetched.address, rules, most_pages)
    except (zlib.error, ParseError, DefusedXmlException, ValueError) as error:
        raise WebAwayError(BROKEN_SITEMAP) from error


def _read(content: bytes, address: str, rules: WebRules, most_pages: int) -> Sitemap:
    found: dict[str, dict[str, None]] = {"url": {}, "sitemap": {}}
    most = {"url": most_pages, "sitemap": _MOST_LISTS}
    for element in _entries(content):
        if element is None:
            return Sitemap(tuple(found["url"]), tuple(found["sitemap"]), more=True)
        kind = element.tag.rpartition("}")[2]
        page = _address(element, address, rules) if kind in found else None
        # of its own site only, as the protocol wants it: a sitemap must not send us anywhere else
        if page is None or page in found[kind]:
            continue
        if len(found[kind]) == most[kind]:
            return Sitemap(tuple(found["url"]), tuple(found["sitemap"]), more=True)
        found[kind][page] = None
    return Sitemap(tuple(found["url"]), tuple(found["sitemap"]))


def _entries(content: bytes) -> "Iterator[Element | None]":
    """What stands right below the root, each forgotten after it; None at last when there are too many elements."""
    if _LONG_TAG.search(content):
        raise ValueError("a tag is too long")
    open_elements: list[Element] = []
    count = 0
    for event, element in iterparse(io.BytesIO(content), events=("start", "end"), forbid_dtd=True):
        if event == "start":
            open_elements.append(element)
            count += 1
            if len(open_elements) > _DEEPEST:
                raise ValueError("the elements are too deep")
            if count > _MOST_ELEMENTS:
                yield None
                return
            continue
        open_elements.pop()
        if len(open_elements) == 1:
            yield element
            open_elements[0].clear()


def _address(element: Element, address: str, rules: WebRules) -> str | None:
    written = next((child.text for child in element if child.tag.rpartition("}")[2] == "loc"), None)
    try:
        found = tidy_address(written or "", rules)
    except WebRefusedError:
        return None
    return found if site(found) == site(address) else None
