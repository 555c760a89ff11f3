"""Fetches one address of the web: checked at every hop, within limits of time, size and redirects.

docs/operations.md, "Web pages", says what is asked for, and when.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

import aiohttp
from aiohttp.abc import AbstractResolver

from services import web_errors
from services.web_addresses import NotPublicError, PublicResolver, WebRules, public_socket, redirected, tidy_address
from services.web_errors import WebAwayError, WebError, WebGoneError, WebRefusedError

MEGABYTE = 1024 * 1024
_REDIRECTS = 5
_PIECE_BYTES = 64 * 1024
_MOVED = frozenset({301, 302, 303, 307, 308})
_GONE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_LONGEST_MARK = 1024
_HEADER_BYTES = 16 * 1024
_ACCEPT = "text/html,application/xhtml+xml,application/pdf;q=0.9,text/*;q=0.8,application/xml;q=0.8,*/*;q=0.5"


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """What one address may cost. `seconds` hold for all of its redirects together."""

    rules: WebRules
    user_agent: str
    seconds: float = 30.0
    max_bytes: int = 20 * MEGABYTE


@dataclass(frozen=True, slots=True)
class Fetched:
    """What an address holds. `address` is where the redirects ended; `content` is None when it has not changed."""

    address: str
    content: bytes | None
    content_type: str = ""
    charset: str | None = None
    filename: str | None = None
    etag: str | None = None
    last_modified: str | None = None


class WebFetcher:
    """One session for all addresses; sends no cookies, no credentials, and through no proxy."""

    def __init__(self, session: aiohttp.ClientSession, options: FetchOptions) -> None:
        self._session = session
        self._options = options

    @classmethod
    @asynccontextmanager
    async def running(
        cls, options: FetchOptions, resolver: AbstractResolver | None = None
    ) -> "AsyncIterator[WebFetcher]":
        """A fetcher for the length of the block. `resolver` turns names into addresses; the machine's by default."""
        connector = aiohttp.TCPConnector(
            resolver=PublicResolver(resolver or aiohttp.ThreadedResolver(), options.rules),
            # looked up anew for each connection: what was checked is what is used
            use_dns_cache=False,
            socket_factory=partial(public_socket, options.rules),
            family=socket.AF_UNSPEC,
        )
        async with aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": options.user_agent},
            timeout=aiohttp.ClientTimeout(total=options.seconds),
            max_line_size=_HEADER_BYTES,
            max_field_size=_HEADER_BYTES,
        ) as session:
            yield cls(session, options)

    @property
    def rules(self) -> WebRules:
        """Which addresses it may ask."""
        return self._options.rules

    @property
    def user_agent(self) -> str:
        """How it names itself."""
        return self._options.user_agent

    async def fetch(
        self, address: str, *, etag: str | None = None, last_modified: str | None = None, first_bytes: int | None = None
    ) -> Fetched:
        """What is at the address; no content when it is what `etag` or `last_modified` speak of (RFC 9110, 13).

        `first_bytes`: of larger content this much is enough. Raises WebError.
        """
        headers = {"Accept": _ACCEPT}
        if etag:
            headers["If-None-Match"] = etag
        if last_modified:
            headers["If-Modified-Since"] = last_modified
        try:
            async with asyncio.timeout(self._options.seconds):
                return await self._follow(tidy_address(address, self.rules), headers, first_bytes)
        except WebError:
            raise
        except TimeoutError as error:
            raise WebAwayError(web_errors.too_slow(self._options.seconds)) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _in_words(error) from error

    async def _follow(self, address: str, headers: dict[str, str], first_bytes: int | None) -> Fetched:
        for _ in range(_REDIRECTS + 1):
            async with self._session.get(address, headers=headers, allow_redirects=False) as response:
                if response.status not in _MOVED:
                    return await _taken(address, response, self._options.max_bytes, first_bytes)
                address = redirected(address, response.headers.get("Location", ""), self.rules)
        raise WebAwayError(web_errors.TOO_MANY_REDIRECTS)


async def _taken(address: str, response: aiohttp.ClientResponse, most: int, first_bytes: int | None) -> Fetched:
    if response.status == HTTPStatus.NOT_MODIFIED:
        return Fetched(address, None)
    if response.status in _GONE:
        raise WebGoneError(web_errors.gone(response.status), response.status)
    if response.status != HTTPStatus.OK:
        raise WebAwayError(web_errors.refused_by_site(response.status), response.status)
    content = await _content(response, most, first_bytes)
    disposition = response.content_disposition
    return Fetched(
        address,
        content,
        response.content_type,
        response.charset,
        disposition.filename if disposition else None,
        _repeatable(response.headers.get("ETag")),
        _repeatable(response.headers.get("Last-Modified")),
    )


async def _content(response: aiohttp.ClientResponse, most: int, first_bytes: int | None) -> bytes:
    content = bytearray()
    # counted as it is unpacked: what is small on the wire may be endless
    async for piece in response.content.iter_chunked(_PIECE_BYTES):
        content += piece
        if first_bytes is not None and len(content) >= first_bytes:
            return bytes(content[:first_bytes])
        if len(content) > most:
            raise WebAwayError(web_errors.too_large(most / MEGABYTE))
    return bytes(content)


def _repeatable(header: str | None) -> str | None:
    """A header's value when it can be kept and sent back: visible ASCII (RFC 9110, 5.5), of a sane length."""
    return header if header and header.isascii() and header.isprintable() and len(header) <= _LONGEST_MARK else None


def _in_words(error: Exception) -> WebError:
    cause = getattr(error, "os_error", error)
    if isinstance(cause, NotPublicError):
        return WebRefusedError(web_errors.NOT_PUBLIC)
    # a bad certificate is a ValueError, too
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return WebAwayError(web_errors.BAD_CERTIFICATE)
    if isinstance(error, ValueError):
        return WebRefusedError("This is no web address.")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return WebAwayError(web_errors.UNKNOWN_NAME)
    if isinstance(error, aiohttp.ClientSSLError):
        return WebAwayError(web_errors.NO_TLS)
    return WebAwayError(web_errors.BROKEN_OFF)
