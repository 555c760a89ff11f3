"""What a robots.txt says: the examples of RFC 9309 and what sites write."""

import pytest

from services.robots_rules import RobotsRules

SITE = "https://shop.example"


def allowed(robots, path, program="Concierge"):
    return RobotsRules.read(robots, program).allow(f"{SITE}{path}")


@pytest.mark.parametrize(
    ("rules", "path", "expected"),
    [
        ("Allow: /\nDisallow: /private", "/private/a", False),
        ("Allow: /\nDisallow: /private", "/public", True),
        ("Disallow: /\nAllow: /public/", "/public/a", True),
        ("Disallow: /\nAllow: /public/", "/", False),
        ("Disallow: /*.pdf$", "/menu.pdf", False),
        ("Disallow: /*.pdf$", "/menu.pdf?page=2", True),
        ("Disallow: /*.pdf", "/menu.pdf?page=2", False),
        ("Disallow: /a*b*c$", "/a-b-b-c", False),
        ("Disallow: /a*b*c$", "/a-c-b", True),
        ("Disallow: /page\nAllow: /page", "/page", True),
        ("Disallow: /exact$", "/exact/more", True),
        ("Disallow: /*?", "/list?sort=price", False),
        ("Disallow:", "/anything", True),
        ("disallow : /no # not this", "/no", False),
        ("Disallow: /caf%c3%a9", "/café", False),
        ("Disallow: /%7Eanna", "/~anna", False),
        ("Disallow: /a%2Fb", "/a/b", True),
    ],
)
def test_the_longest_rule_that_fits_decides(rules, path, expected):
    """Whatever their order; `*` is anything, `$` the end, and equal ones allow."""
    assert allowed(f"User-agent: *\n{rules}", path) is expected


@pytest.mark.parametrize(
    ("robots", "expected"),
    [
        ("User-agent: *\nDisallow: /\n\nUser-agent: concierge\nDisallow: /private", True),
        ("User-agent: Other\nUser-agent: CONCIERGE/2.0\nDisallow: /", False),
        ("User-agent: concierge\nDisallow: /a\n\nUser-agent: concierge\nDisallow: /menu", False),
        ("User-agent: concierges\nDisallow: /", True),
        ("User-agent: concierge\n\nUser-agent: *\nSitemap: /x\nDisallow: /", False),
        ("Disallow: /", True),
        ("<html>not found</html>", True),
        ("", True),
    ],
)
def test_the_rules_for_our_name_count_or_else_those_for_everybody(robots, expected):
    """Groups of one name are one; what belongs to nobody is passed over."""
    assert allowed(robots, "/menu") is expected


def test_a_rule_of_stars_takes_no_time():
    """It is read once from left to right, however it is written."""
    assert allowed(f"User-agent: *\nDisallow: /{'*a' * 5_000}b$", f"/{'a' * 2_000}")


@pytest.mark.parametrize(("written", "seconds"), [("5", 5.0), ("0.5", 0.5), ("nan", 0.0), ("-1", 0.0), ("soon", 0.0)])
def test_the_delay_is_told(written, seconds):
    """Nonsense is no delay."""
    assert RobotsRules.read(f"User-agent: *\nCrawl-delay: {written}\nDisallow:", "Concierge").delay == seconds
