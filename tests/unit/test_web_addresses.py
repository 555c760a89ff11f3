"""Which addresses of the web we may speak to."""

from ipaddress import ip_network

import pytest

from services.web_addresses import WebRules, is_public, redirected, site, tidy_address
from services.web_errors import WebRefusedError

RULES = WebRules()


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.255.255.254", "0.0.0.1", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
        *("169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
        *("224.0.0.1", "239.255.255.250", "255.255.255.255", "240.0.0.1", "198.18.0.1", "192.0.2.1", "203.0.113.9"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1"),
        *("64:ff9b:1::a00:1", "2002:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "nonsense", ""),
    ],
)
def test_what_is_not_public_is_known(address):
    """Loopback, private, link-local, multicast and reserved addresses, also those that hide in another."""
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "1.1.1.1", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_what_is_public_is_known(address):
    """Everybody may speak to these."""
    assert is_public(address)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("https://Shop.example", "https://shop.example/"),
        ("  HTTPS://shop.example:443/a?b=c#d ", "https://shop.example/a?b=c"),
        ("http://shop.example:80/a/../b", "http://shop.example/a/../b"),
        ("http://[2606:4700::1111]/", "http://[2606:4700::1111]/"),
    ],
)
def test_an_address_is_kept_in_one_form(written, kept):
    """Two ways of writing an address are one source."""
    assert tidy_address(written, RULES) == kept


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("ftp://shop.example/", "must begin with"),
        ("file:///etc/passwd", "must begin with"),
        ("gopher://127.0.0.1:70/", "must begin with"),
        ("//shop.example/", "must begin with"),
        ("https://user:pass@shop.example/", "no user"),
        ("https://shop.example@10.0.0.1/", "no user"),
        ("https://", "names no site"),
        ("https://shop.example:6379/", "port 6379"),
        ("https://shop.example:99999/", "no web address"),
        ("https://shop.example/a b", "no spaces"),
        ("https://shop.example\\@10.0.0.1/", "no spaces"),
        ("https://shop.example/\r\nHost: other", "no spaces"),
        ("https://shop.example/" + "a" * 3000, "2048"),
        ("https://[::1", "no web address"),
    ],
)
def test_other_addresses_are_refused_in_words(written, why):
    """Their owner hears what is wrong with them."""
    with pytest.raises(WebRefusedError, match=why):
        tidy_address(written, RULES)


def test_a_redirect_is_an_address_like_any_other():
    """Relative ones are put together, and foreign schemes refused."""
    assert redirected("https://shop.example/a/b", "../c", RULES) == "https://shop.example/c"
    with pytest.raises(WebRefusedError):
        redirected("https://shop.example/", "file:///etc/passwd", RULES)


def test_networks_that_are_named_are_admitted():
    """An owner may let us into one network without letting us into all."""
    rules = WebRules(networks=(ip_network("10.1.0.0/16"),))
    assert rules.admit("10.1.2.3")
    assert not rules.admit("10.2.2.3")
    assert not rules.admit("nonsense")


def test_www_is_the_same_site():
    """A sitemap may name either."""
    assert site("https://www.shop.example/a") == site("http://shop.example/b")
