"""The prompts in `agents/prompts/*.md`, each with the hash that a turn records."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files

_HASH_LETTERS = 16


@dataclass(frozen=True, slots=True)
class Prompt:
    """A system prompt. `hash` is the beginning of the SHA-256 of its text: the same text, the same hash."""

    text: str
    hash: str


def load_prompt(name: str) -> Prompt:
    """The prompt `agents/prompts/<name>.md`. Reads a file: for constants of modules."""
    text = files("agents").joinpath("prompts", f"{name}.md").read_text(encoding="utf-8")
    return Prompt(text, prompt_hash(text))


def prompt_hash(text: str) -> str:
    """The hash of a system prompt, all of it, also of what was filled in."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:_HASH_LETTERS]
