"""Does our own webhook answer at an address as Meta needs it: the handshake, a signed POST, a forged one."""

import hmac
import secrets
from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import urlsplit, urlunsplit

import aiohttp

from bot.commands.findings import Finding, ok, problem
from bot.settings import is_loopback

PATH = "/webhooks/whatsapp"
# an envelope without events: kept and answered like any other, and means nothing
EMPTY = b'{"object":"whatsapp_business_account","entry":[]}'
LONGEST_ANSWER = 2_000


class UnreachableError(Exception):
    """The address did not answer; the text says why."""


def webhook_address(url: str) -> str:
    """The callback address for what somebody typed. Raises ValueError with a sentence.

    http:// is for this machine only: Meta takes https:// alone, and the verify token would travel in the clear.
    """
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
        # what the look-up of a name would do, where "a..b" and labels over 63 letters are a UnicodeError
        (host or "").encode("idna")
    except ValueError:
        raise ValueError("is not an address") from None
    if not host or parts.scheme not in {"http", "https"}:
        raise ValueError("must be an address that begins with https://")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must hold no user, query or fragment")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("must begin with https:// (Meta posts to nothing else)")
    path = PATH if parts.path in {"", "/"} else parts.path
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


class WebhookReach:
    """Asks as Meta does, with our own verify token and app secrets. Every call ends within `timeout_seconds`."""

    def __init__(
        self, session: aiohttp.ClientSession, *, verify_token: str, app_secrets: Sequence[str], timeout_seconds: float
    ) -> None:
        self._session = session
        self._verify_token = verify_token
        self._app_secrets = app_secrets
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)

    async def look(self, name: str, url: str) -> Finding:
        """One finding for all three questions; the first wrong answer decides."""
        try:
            return (
                await self._handshake(name, url)
                or await self._signed(name, url)
                or await self._forged(name, url)
                or ok(name, f"{url} answers the handshake, takes signed posts, refuses forged ones")
            )
        except UnreachableError as error:
            return problem(
                name,
                f"{url} does not answer: {error}",
                "Is `concierge serve` running, and do the proxy or tunnel and the firewall pass this address on to it?",
            )

    async def _handshake(self, name: str, url: str) -> Finding | None:
        """WHATSAPP.md 1.1."""
        challenge = str(secrets.randbelow(9 * 10**9) + 10**9)
        query = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": self._verify_token}
        status, body = await self._ask("GET", url, query=query)
        if status == HTTPStatus.OK and body == challenge.encode():
            return None
        if status == HTTPStatus.FORBIDDEN:
            return problem(
                name,
                f"{url} answers, but refuses our verify token",
                "The server runs with another WHATSAPP_VERIFY_TOKEN: restart it after a change of the settings.",
            )
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            return problem(name, f"{url} leads elsewhere (HTTP {status})", "Enter the address itself that it leads to.")
        found = f"HTTP {status}" if status != HTTPStatus.OK else "a page without the challenge"
        return problem(
            name,
            f"{url} does not answer the handshake as Concierge does: {found}",
            f"Something else answers there: point it at this server, path {PATH}.",
        )

    async def _signed(self, name: str, url: str) -> Finding | None:
        """WHATSAPP.md 1.2; every secret must be taken, also while one is being rotated."""
        for secret in self._app_secrets:
            status, _ = await self._ask("POST", url, signature=_signature(secret))
            if status == HTTPStatus.UNAUTHORIZED:
                return problem(
                    name,
                    f"{url} refuses what is signed with our app secret (401)",
                    "The server runs with another WHATSAPP_APP_SECRET (restart it), or a proxy changes the body.",
                )
            if status != HTTPStatus.OK:
                return problem(
                    name,
                    f"{url} answers a signed post with HTTP {status} instead of 200",
                    "503: the server cannot store it, see `concierge doctor`. Anything else: look at the proxy.",
                )
        return None

    async def _forged(self, name: str, url: str) -> Finding | None:
        status, _ = await self._ask("POST", url, signature=_signature(secrets.token_hex(16)))
        if status == HTTPStatus.UNAUTHORIZED:
            return None
        return problem(
            name,
            f"{url} answers a forged post with HTTP {status} instead of 401",
            "Something between Meta and this server answers in its place: look at the proxy.",
        )

    async def _ask(
        self, method: str, url: str, *, query: dict[str, str] | None = None, signature: str | None = None
    ) -> tuple[int, bytes]:
        headers = {"X-Hub-Signature-256": signature, "Content-Type": "application/json"} if signature else {}
        try:
            async with self._session.request(
                method,
                url,
                params=query,
                data=EMPTY if signature else None,
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                return response.status, await response.content.read(LONGEST_ANSWER)
        except TimeoutError:
            raise UnreachableError(f"no answer within {self._timeout.total:g} s.") from None
        except aiohttp.ClientConnectorCertificateError:
            raise UnreachableError("its certificate is not from a public authority; Meta would refuse it.") from None
        except aiohttp.ClientConnectorDNSError:
            raise UnreachableError("there is no such host name.") from None
        except aiohttp.ClientError as error:
            # the error's own text may hold the address with the verify token
            raise UnreachableError(f"{type(error).__name__}.") from None


def _signature(secret: str) -> str:
    return f"sha256={hmac.new(secret.encode(), EMPTY, 'sha256').hexdigest()}"
