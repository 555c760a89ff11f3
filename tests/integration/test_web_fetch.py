"""Fetching from real sockets: what must be refused is never asked, and nothing is endless."""

import asyncio
import gzip
import shutil
import ssl
import subprocess
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest
from aiohttp import web

from services.web_addresses import WebRules
from services.web_errors import WebAwayError, WebGoneError, WebRefusedError
from services.web_fetch import FetchOptions, WebFetcher
from services.web_robots import WebRobots
from tests.fakes.fake_clock import FakeClock
from tests.fakes.web_site import HOST, NameServer, web_site

ONLY_HOST = (ip_network(f"{HOST}/32"),)


@pytest.fixture
async def site():
    async with web_site() as site:
        yield site


@asynccontextmanager
async def fetcher_for(site, *names, networks=ONLY_HOST, seconds=20.0, max_bytes=1_000_000):
    """A fetcher that may speak to the site and to nothing else on this machine."""
    rules = WebRules(ports=frozenset({80, 443, site.port}), networks=networks)
    options = FetchOptions(rules, "Concierge/test", seconds, max_bytes)
    async with WebFetcher.running(options, NameServer(*names) if names else None) as fetcher:
        yield fetcher


async def test_a_page_comes_with_what_tells_whether_it_changes(site):
    """The next request can ask for changes only, and costs nothing when there are none."""
    site.pages["/"] = "<html>Open from nine.</html>"
    async with fetcher_for(site) as fetcher:
        first = await fetcher.fetch(site.url())
        second = await fetcher.fetch(site.url(), etag=first.etag)
    assert (first.content, first.content_type) == (b"<html>Open from nine.</html>", "text/html")
    assert second.content is None
    assert site.requests[0].headers["User-Agent"] == "Concierge/test"


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433", "127.1", "0", "localhost", "017700000001"],
)
async def test_no_way_of_writing_loopback_gets_through(host):
    """Literal or by name, in any notation: the connection is not begun."""
    async with web_site("127.0.0.1") as site, fetcher_for(site, networks=()) as fetcher:
        site.pages["/"] = "secret"
        with pytest.raises((WebRefusedError, WebAwayError)) as refused:
            await fetcher.fetch(site.url(host=host))
    assert not site.requests
    assert any(words in str(refused.value) for words in ("private network", "no site of this name", "no web address"))


@pytest.mark.parametrize("answer", [["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["fe80::1"], ["169.254.169.254"]])
async def test_a_name_with_any_private_address_is_refused(site, answer):
    """One public address beside it does not help."""
    async with fetcher_for(site, answer) as fetcher:
        with pytest.raises(WebRefusedError, match="private network"):
            await fetcher.fetch(site.url(host="shop.example"))


async def test_a_name_that_turns_private_later_is_refused(site):
    """DNS rebinding: each connection goes to an address that was checked for it."""
    site.pages["/"] = _moved("/next", close=True)
    site.pages["/next"] = "secret"
    async with fetcher_for(site, [HOST], ["127.0.0.1"]) as fetcher:
        with pytest.raises(WebRefusedError, match="private network"):
            await fetcher.fetch(site.url(host="shop.example"))
    assert site.asked("/next") == 0


@pytest.mark.parametrize("target", ["http://127.0.0.1:{port}/", "http://[::1]:{port}/", "//0.0.0.0:{port}/"])
async def test_a_redirect_into_the_private_network_is_refused(site, target):
    """Every hop is checked as the first one is."""
    site.pages["/"] = _moved(target.format(port=site.port))
    async with fetcher_for(site) as fetcher:
        with pytest.raises(WebRefusedError, match="private network"):
            await fetcher.fetch(site.url())
    assert len(site.requests) == 1


@pytest.mark.parametrize(
    ("target", "why"),
    [("file:///etc/passwd", "must begin"), ("http://u:p@127.0.0.2/", "no user"), ("http://127.0.0.2:1/", "port")],
)
async def test_a_redirect_to_what_we_do_not_ask_is_refused(site, target, why):
    """Schemes, credentials and ports hold for redirects, too."""
    site.pages["/"] = _moved(target)
    async with fetcher_for(site) as fetcher:
        with pytest.raises(WebRefusedError, match=why):
            await fetcher.fetch(site.url())


async def test_five_redirects_are_followed_and_no_more(site):
    """A site that sends us round in circles ends with a sentence."""
    for number in range(5):
        site.pages[f"/{number}"] = _moved(f"/{number + 1}")
    site.pages["/5"] = "here"
    site.pages["/round"] = _moved("/round")
    async with fetcher_for(site) as fetcher:
        found = await fetcher.fetch(site.url("/0"))
        with pytest.raises(WebAwayError, match="again and again"):
            await fetcher.fetch(site.url("/round"))
    assert (found.address, found.content) == (site.url("/5"), b"here")


async def test_cookies_are_not_kept(site):
    """Nobody is logged in by accident."""

    async def greet(request):
        response = web.Response(text="hello")
        response.set_cookie("session", "1")
        return response

    site.pages["/"] = greet
    async with fetcher_for(site) as fetcher:
        await fetcher.fetch(site.url())
        await fetcher.fetch(site.url())
    assert "Cookie" not in site.requests[1].headers


async def test_a_site_that_never_answers_ends_with_a_sentence(site):
    """The time holds for all of it."""
    async with fetcher_for(site, seconds=0.2) as fetcher:
        site.pages["/"] = _forever
        with pytest.raises(WebAwayError, match="longer than"):
            await fetcher.fetch(site.url())


@pytest.mark.parametrize("packed", [False, True])
async def test_an_endless_page_is_cut_off(site, packed):
    """What unpacks to more than the limit is as large as what is sent so."""
    content = b"a" * 5_000_000

    async def send(request):
        headers = {"Content-Encoding": "gzip"} if packed else {}
        return web.Response(body=gzip.compress(content) if packed else content, headers=headers)

    site.pages["/"] = send
    async with fetcher_for(site) as fetcher:
        with pytest.raises(WebAwayError, match="larger than"):
            await fetcher.fetch(site.url())


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, WebGoneError), (410, WebGoneError), (403, WebAwayError), (500, WebAwayError), (204, WebAwayError)],
)
async def test_an_answer_that_is_no_page_is_said(site, status, error):
    """The owner reads the number that the site answered with."""
    site.pages["/"] = status
    async with fetcher_for(site) as fetcher:
        with pytest.raises(error, match=str(status)) as refused:
            await fetcher.fetch(site.url())
    assert refused.value.status == status


async def test_an_unknown_name_and_a_closed_port_are_said(site):
    """Neither is anybody's fault here."""
    async with fetcher_for(site, []) as fetcher:
        with pytest.raises(WebAwayError, match="no site of this name"):
            await fetcher.fetch("http://nowhere.example/")
    async with fetcher_for(site) as fetcher:
        with pytest.raises(WebAwayError, match="did not answer"):
            await fetcher.fetch(f"http://{HOST}/")


async def test_a_site_without_tls_or_with_anothers_certificate_is_refused(site, tmp_path):
    """A page that somebody else may have written does not become knowledge."""
    async with fetcher_for(site) as fetcher:
        with pytest.raises(WebAwayError, match="safe connection"):
            await fetcher.fetch(f"https://{HOST}:{site.port}/")
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    context = await asyncio.to_thread(_certificate, tmp_path)
    async with web_site(tls=context) as other, fetcher_for(other) as fetcher:
        with pytest.raises(WebAwayError, match="certificate"):
            await fetcher.fetch(other.url())


async def test_marks_that_cannot_be_sent_back_are_not_kept(site):
    """The page is read all the same."""

    async def odd(request):
        head = b'HTTP/1.1 200 OK\r\nETag: "caf\xe9"\r\nLast-Modified: \xff\r\nContent-Length: 4\r\n'
        request.transport.write(head + b"Connection: close\r\n\r\nnine")
        request.transport.close()
        return web.Response()

    site.pages["/"] = odd
    async with fetcher_for(site) as fetcher:
        fetched = await fetcher.fetch(site.url())
    assert (fetched.content, fetched.etag, fetched.last_modified) == (b"nine", None, None)


async def test_the_first_part_of_an_endless_robots_txt_counts(site):
    """The rest is not read."""
    rules = b"User-agent: *\nDisallow: /private\n" + b"# nothing\n" * 120_000 + b"Disallow: /\n"
    site.pages["/robots.txt"] = (rules, "text/plain")
    async with fetcher_for(site) as fetcher:
        robots = WebRobots(fetcher, FakeClock())
        assert await robots.admit(site.url("/public")) == 0
        with pytest.raises(WebRefusedError, match="robots"):
            await robots.admit(site.url("/private"))


def _certificate(folder):
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=other.example"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def _moved(target, *, close=False):
    async def answer(request):
        return web.Response(status=302, headers={"Location": target, **({"Connection": "close"} if close else {})})

    return answer


async def _forever(request):
    await asyncio.Event().wait()
    return web.Response()
