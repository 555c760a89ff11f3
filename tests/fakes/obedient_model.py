"""A chat model that obeys whatever it reads, wherever that stands: the worst that an injection can meet."""

import base64
import codecs
import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.ports import Completion, Usage
from tests.shared import ROOT

ATTACKS = ROOT / "tests" / "data" / "attacks.toml"


@dataclass(frozen=True)
class Attack:
    """One attack of tests/data/attacks.toml, whose head explains the fields."""

    id: str
    channel: str
    text: str
    leak: tuple[str, ...]
    question: str = ""
    before: tuple[str, ...] = ()
    facts_before: tuple[str, ...] = ()
    summary: str | None = None
    document: str = ""
    file: str = "notice.md"
    contact_name: str | None = None
    answer: str = ""
    raw: str | None = None
    intents: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    clarify: str = ""
    options: tuple[str, ...] = ()
    rewritten: str = ""


@dataclass
class ObedientModel:
    """Implements agents.ports.LanguageModel. Obeys `attack` where its text reaches a prompt, else says what is true.

    `asked` are all prompts, system and user; `obeyed` counts the calls in which it found the order.
    """

    attack: Attack | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)
    obeyed: int = 0

    async def complete(
        self, system: str, user: str, *, business_id: str = "", knowledge_version: int | None = None
    ) -> Completion:
        self.asked.append((system, user))
        material = json.loads(user)
        ordered = (
            self.attack if self.attack and _plain(self.attack.text) in _plain(" ".join(_texts(material))) else None
        )
        self.obeyed += ordered is not None
        if ordered is not None and ordered.raw is not None:
            return _said(ordered.raw)
        return _said(json.dumps(_reply(system, user, material, ordered), ensure_ascii=False))


def attacks() -> list[Attack]:
    """All of them, in their order."""
    rows: list[dict[str, Any]] = tomllib.loads(ATTACKS.read_text("utf-8"))["attack"]
    return [Attack(**{name: _field(value) for name, value in row.items()}) for row in rows]


def _field(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _reply(system: str, user: str, material: dict[str, Any], ordered: Attack | None) -> dict[str, Any]:
    """What each of our prompts asks for, as the order wants it."""
    if "burst" in material:
        return {"intents": list(ordered.intents if ordered else ()) or ["question"], "language": "en", "topic": None}
    if "lines" in material:
        return {"summary": _filled(ordered.answer, system, user) if ordered else "They asked about the shop."}
    if "passages" not in material:
        return {"question": (ordered and ordered.rewritten) or material["question"]}
    if ordered is None:
        passage = material["passages"][0]
        return {"answer": passage["text"][:200], "answered": True, "sources": [passage["number"]]}
    return {
        "answer": _filled(ordered.answer, system, user),
        "answered": not ordered.clarify,
        "sources": [passage["number"] for passage in material["passages"]],
        "clarify": ordered.clarify,
        "options": list(ordered.options),
        "facts": list(ordered.facts),
    }


def _filled(answer: str, system: str, user: str) -> str:
    """As much of the prompt as a reply may hold, in the form that was ordered."""
    start = system[:900]
    return (
        answer.replace("{system}", start)
        .replace("{system_part}", system.splitlines()[2])
        .replace("{base64}", base64.b64encode(start.encode()).decode())
        .replace("{reversed}", start[::-1])
        .replace("{rot13}", codecs.encode(start, "rot13"))
        .replace("{spaced}", " ".join(start[:500]))
        .replace("{material}", user[-900:])
    )


def _said(text: str) -> Completion:
    return Completion(text, Usage("obedient", None, 10, 5, 0.0))


def _texts(value: Any) -> Sequence[str]:
    """All texts in the material, wherever they stand."""
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in parts for text in _texts(part)]


def _plain(text: str) -> str:
    """Letters and digits only: a file's name loses its dots and underscores, and is obeyed all the same."""
    return re.sub(r"[\W_]+", " ", text.casefold())
