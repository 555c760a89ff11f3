"""Fetches the files that people send by WhatsApp (WHATSAPP.md 4.5): look up, then download, checked by its digest."""

import base64
import hashlib
import logging
import random
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NoReturn
from urllib.parse import urlsplit

import aiohttp

from agents.admin_ports import FileFetchError, FileProblem
from database.clock import Clock
from services.whatsapp.error_codes import RetryClass, classify
from services.whatsapp.graph_answers import answered, error_of

logger = logging.getLogger(__name__)

# The examples say lookaside.fbsbx.com; the token goes to Meta's own hosts and to no other.
META_HOSTS = ("fbsbx.com", "facebook.com", "fbcdn.net", "whatsapp.net", "whatsapp.com")
_MEDIA_ID = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_PIECE_BYTES = 64 * 1024
_LOOK_UP_SECONDS = 15.0
_FIRST_PAUSE_SECONDS = 0.5
_EXPIRED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A file at Meta. `url` lives for five minutes; `sha256` is hexadecimal or base64, None when Meta did not tell."""

    url: str
    bytes: int
    mime_type: str
    sha256: str | None


class WhatsAppMedia:
    """The token goes into a header and nowhere else. Everything raises FileFetchError and nothing else.

    `timeout_seconds` bounds one download; `retries` come after the first try of a look-up.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        api_url: str,
        api_version: str,
        access_token: str,
        clock: Clock,
        dice: random.Random,
        timeout_seconds: float,
        retries: int = 2,
    ) -> None:
        self._session = session
        self._root = f"{api_url.rstrip('/')}/{api_version}"
        self._own_origin = _origin(api_url)
        self._headers = {"Authorization": f"Bearer {access_token}"}
        self._clock = clock
        self._dice = dice
        self._timeout_seconds = timeout_seconds
        self._retries = retries

    async def look_up(self, media_id: str) -> MediaFile:
        """What Meta says of a file."""
        if not _MEDIA_ID.fullmatch(media_id):
            raise FileFetchError(FileProblem.GONE)
        for attempt in range(self._retries + 1):
            try:
                return await self._looked_up(media_id)
            except FileFetchError as error:
                if error.problem is not FileProblem.AWAY or attempt == self._retries:
                    raise
            await self._clock.sleep(self._dice.uniform(0.5, 1.0) * _FIRST_PAUSE_SECONDS * 2.0**attempt)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def content(self, media_id: str, most_bytes: int) -> AsyncIterator[bytes]:
        """The file in pieces. Raises also at the very end, when it is not what Meta said: then nothing counts."""
        file = await self.look_up(media_id)
        if file.bytes > most_bytes:
            raise FileFetchError(FileProblem.TOO_LARGE)
        digest, count = hashlib.sha256(), 0
        timeout = aiohttp.ClientTimeout(total=self._timeout_seconds)
        try:
            async with self._session.get(
                self._checked(file.url), headers=self._headers, timeout=timeout, allow_redirects=False
            ) as response:
                if response.status != HTTPStatus.OK:
                    # looked up a moment ago, the address cannot have expired: the file has
                    gone = response.status in _EXPIRED
                    raise FileFetchError(FileProblem.GONE if gone else FileProblem.AWAY)
                async for piece in response.content.iter_chunked(_PIECE_BYTES):
                    count += len(piece)
                    if count > most_bytes:
                        raise FileFetchError(FileProblem.TOO_LARGE)
                    digest.update(piece)
                    yield piece
        except (aiohttp.ClientError, TimeoutError) as exc:
            logger.warning("a file could not be downloaded from WhatsApp: %s", type(exc).__name__)
            raise FileFetchError(FileProblem.AWAY) from exc
        if file.sha256 is not None and not _is_digest(digest.digest(), file.sha256):
            logger.warning("a file came from WhatsApp with another digest than announced")
            raise FileFetchError(FileProblem.AWAY)

    async def _looked_up(self, media_id: str) -> MediaFile:
        timeout = aiohttp.ClientTimeout(total=_LOOK_UP_SECONDS)
        try:
            async with self._session.get(
                f"{self._root}/{media_id}", headers=self._headers, timeout=timeout, allow_redirects=False
            ) as response:
                answer = answered(await response.read()) or {}
                if response.status != HTTPStatus.OK:
                    _raise_refusal(response.status, answer)
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise FileFetchError(FileProblem.AWAY) from exc
        url, size = answer.get("url"), str(answer.get("file_size", ""))
        if not isinstance(url, str) or not size.isascii() or not size.isdigit():
            raise FileFetchError(FileProblem.AWAY)
        sha256, mime_type = answer.get("sha256"), answer.get("mime_type")
        return MediaFile(
            url,
            int(size),
            mime_type if isinstance(mime_type, str) else "",
            sha256 if isinstance(sha256, str) and sha256 else None,
        )

    def _checked(self, url: str) -> str:
        """The address, if the token may go there: a host of Meta's, or the API's own."""
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").lower()
            own = _origin(url) == self._own_origin
        except ValueError:
            host, own, parts = "", False, urlsplit("")
        ours = parts.scheme == "https" and any(host == known or host.endswith(f".{known}") for known in META_HOSTS)
        if not (own or ours):
            logger.error("a file of WhatsApp lies at a host that is not Meta's: %s", host)
            raise FileFetchError(FileProblem.GONE)
        return url


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def _raise_refusal(http_status: int, answer: dict[str, Any]) -> NoReturn:
    code = error_of(answer).code
    gone = classify(code, http_status) is RetryClass.NEVER
    logger.warning("WhatsApp refused a file: HTTP %d, code %s", http_status, code)
    raise FileFetchError(FileProblem.GONE if gone else FileProblem.AWAY)


def _is_digest(digest: bytes, told: str) -> bool:
    """Meta writes digests in hexadecimal here and in base64 there."""
    return told.lower() == digest.hex() or told == base64.b64encode(digest).decode()
