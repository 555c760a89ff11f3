"""Which addresses of the web we may speak to: public ones, whatever name, redirect or resolver leads to them."""

import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias
from urllib.parse import urljoin, urlsplit, urlunsplit

from aiohttp.abc import AbstractResolver, ResolveResult

from services.web_errors import NOT_PUBLIC, WebRefusedError

LONGEST_ADDRESS = 2048
_PORTS = {"http": 80, "https": 443}
# What `is_global` of some Python versions calls public and is not: RFC 6890's registry, transition addresses that
# carry another address within them (NAT64, 6to4, Teredo), and the one public address behind which Azure keeps its
# machines' own service.
_NOT_PUBLIC = tuple(
    ip_network(network)
    for network in (
        *("0.0.0.0/8", "100.64.0.0/10", "168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15"),
        *("240.0.0.0/4", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2002::/16"),
        *("3fff::/20", "5f00::/16", "fc00::/7", "fec0::/10"),
    )
)
_AddressInfo: TypeAlias = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]


class NotPublicError(OSError):
    """A connection to an address that we may not speak to; it was not begun."""

    def __init__(self) -> None:
        super().__init__(NOT_PUBLIC)


@dataclass(frozen=True, slots=True)
class WebRules:
    """`private`: any address and any port is allowed. `networks` are allowed although they are not public."""

    private: bool = False
    ports: frozenset[int] = frozenset({80, 443})
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    def admit(self, address: str) -> bool:
        """Whether we may speak to this IP address."""
        return self.private or is_public(address) or self._named(address)

    def _named(self, address: str) -> bool:
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self.networks)


def tidy_address(written: str, rules: WebRules) -> str:
    """A web address in the form in which we keep it, without fragment. Raises WebRefusedError."""
    text = written.strip()
    if not re.match(r"https?://", text, re.IGNORECASE):
        raise WebRefusedError("The address must begin with https:// or http://.")
    if len(text) > LONGEST_ADDRESS or re.search(r"[\x00-\x20\x7f\\]", text):
        raise WebRefusedError(
            f"This is no web address: it may hold no spaces and {LONGEST_ADDRESS} characters at most."
        )
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise WebRefusedError("This is no web address.") from None
    if not host:
        raise WebRefusedError("The address names no site.")
    if "@" in parts.netloc:
        raise WebRefusedError("The address must hold no user and no password.")
    usual = _PORTS[parts.scheme]
    if (port or usual) not in rules.ports and not rules.private:
        allowed = ", ".join(str(each) for each in sorted(rules.ports))
        raise WebRefusedError(f"The address names port {port}; these are allowed: {allowed}.")
    shown = f"[{host}]" if ":" in host else host
    place = shown if port in {None, usual} else f"{shown}:{port}"
    return urlunsplit((parts.scheme, place, parts.path or "/", parts.query, ""))


def redirected(address: str, location: str, rules: WebRules) -> str:
    """Where a redirect leads. Raises WebRefusedError."""
    try:
        target = urljoin(address, location.strip())
    except ValueError:
        raise WebRefusedError("The site sends us on to something that is no web address.") from None
    return tidy_address(target, rules)


def origin(address: str) -> str:
    """Scheme, host and port: whose robots.txt counts."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def site(address: str) -> str:
    """The host without "www.": pages of one site have the same."""
    return (urlsplit(address).hostname or "").removeprefix("www.")


def is_public(address: str) -> bool:
    """Whether anybody in the internet may speak to this IP address."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return _is_public(found)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return _is_public(address.ipv4_mapped)
    if any(address in network for network in _NOT_PUBLIC if network.version == address.version):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_link_local)


class PublicResolver(AbstractResolver):
    """Names to addresses, refused when we may not speak to any of them: the one that is used was checked."""

    def __init__(self, inner: AbstractResolver, rules: WebRules) -> None:
        self._inner = inner
        self._rules = rules

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises NotPublicError, and OSError for a name that is not known."""
        found = await self._inner.resolve(host, port, family)
        if not all(self._rules.admit(each["host"]) for each in found):
            raise NotPublicError
        return found

    async def close(self) -> None:
        """Close the resolver inside."""
        await self._inner.close()


def public_socket(rules: WebRules, info: _AddressInfo) -> socket.socket:
    """A socket to connect to this address with: the last check, which no way of writing an address gets around.

    Raises NotPublicError.
    """
    family, kind, protocol, _, place = info
    if not rules.admit(str(place[0])):
        raise NotPublicError
    return socket.socket(family, kind, protocol)
