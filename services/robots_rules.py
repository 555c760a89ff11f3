"""What a robots.txt says to one program (RFC 9309): the longest rule that fits a path decides, `*` and `$` included."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

_EVERYBODY = "*"
_TOKEN = re.compile(r"[a-z_-]*", re.IGNORECASE)
_ESCAPE = re.compile(r"%([0-9a-fA-F]{2})")
_PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F))


@dataclass(frozen=True, slots=True)
class _Rule:
    """`pattern` begins with a slash or a star; spelled as `_spelled` does it."""

    pattern: str
    allows: bool

    def fits(self, path: str) -> bool:
        """Each part behind the one before, as early as it can be: linear whatever the number of stars (2.2.3)."""
        ends = self.pattern.endswith("$")
        first, *parts = self.pattern.removesuffix("$").split("*")
        if not path.startswith(first):
            return False
        if not parts:
            return not ends or path == first
        at = len(first)
        for part in parts[:-1]:
            found = path.find(part, at)
            if found < 0:
                return False
            at = found + len(part)
        last = parts[-1]
        return path.endswith(last) and len(path) - len(last) >= at if ends else path.find(last, at) >= 0


class RobotsRules:
    """`delay`: seconds between two pages; the Crawl-delay of no standard, which sites write all the same."""

    def __init__(self, rules: Iterable[_Rule] = (), delay: float = 0.0) -> None:
        # the longest first, an allowing one before a forbidding one of its length: the first that fits decides
        self._rules = sorted(rules, key=lambda rule: (-len(rule.pattern), not rule.allows))
        self.delay = delay

    @classmethod
    def read(cls, text: str, program: str) -> "RobotsRules":
        """The rules for the program of this name; those for everybody when there are none. Never fails."""
        groups = list(_groups(text))
        for wanted in (program.lower(), _EVERYBODY):
            # groups for the same program count as one (2.2.1)
            lines = [line for names, said in groups if wanted in names for line in said]
            if lines or any(wanted in names for names, _ in groups):
                return cls._of(lines)
        return cls()

    @classmethod
    def _of(cls, lines: Sequence[tuple[str, str]]) -> "RobotsRules":
        rules = [_Rule(_spelled(value), key == "allow") for key, value in lines if key != "crawl-delay" and value]
        delays = [_seconds(value) for key, value in lines if key == "crawl-delay"]
        return cls(rules, max(delays, default=0.0))

    def allow(self, address: str) -> bool:
        """Whether the page may be read. Takes a moment where there are very many rules: call it in a thread."""
        parts = urlsplit(address)
        path = _spelled(f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}")
        return next((rule.allows for rule in self._rules if rule.fits(path)), True)


def _groups(text: str) -> Iterator[tuple[set[str], list[tuple[str, str]]]]:
    """Names of programs, and the lines that follow them."""
    names: set[str] = set()
    said: list[tuple[str, str]] = []
    for line in text.splitlines():
        key, colon, value = (part.strip() for part in line.partition("#")[0].partition(":"))
        key = key.lower()
        if not colon or key not in {"user-agent", "allow", "disallow", "crawl-delay"}:
            continue
        if key != "user-agent":
            said.append((key, value))
            continue
        if said:
            yield names, said
            names, said = set(), []
        names.add(_program(value))
    yield names, said


def _program(value: str) -> str:
    """The product's name, without version and what else is written (2.2.1)."""
    found = _TOKEN.match(value)
    return _EVERYBODY if value.startswith(_EVERYBODY) else (found.group().lower() if found else "")


def _spelled(path: str) -> str:
    """One way of writing a path: what need not be escaped is not, everything else is (2.2.2)."""
    return quote(_ESCAPE.sub(_plain, path), safe=_PRINTABLE, errors="replace")


def _plain(escape: re.Match[str]) -> str:
    character = chr(int(escape.group(1), 16))
    return character if character.isascii() and (character.isalnum() or character in "-._~") else escape.group().upper()


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        return 0.0
    return seconds if 0 <= seconds < float("inf") else 0.0
