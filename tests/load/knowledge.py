"""What the business knows in a load test: passages of the shared data, or lighthouses where they are not."""

from dataclasses import dataclass
from itertools import chain

from bot.chaos.librarian import LAMPS, lamp_text
from tests.bench.served import passages, questions
from tests.shared import SHARED

PIECES = 2_000
UPLOAD_PIECES = 600


@dataclass(frozen=True, slots=True)
class Subject:
    """`files` are (name, Markdown) to upload before, `upload` the paragraphs of the one uploaded meanwhile."""

    source: str
    files: tuple[tuple[str, str], ...]
    upload: tuple[str, ...]
    questions: tuple[str, ...]


def load_subject() -> Subject:
    """Questions have their answers among the files."""
    if (SHARED / "evaldata/squad2_dev").exists():
        texts = passages(PIECES + UPLOAD_PIECES)
        files = [("\n\n".join(_headed(texts[n : n + 100], n))) for n in range(0, PIECES, 100)]
        named = tuple((f"topics-{number:02d}.md", text) for number, text in enumerate(files))
        return Subject("2,000 paragraphs of the shared data", named, tuple(texts[PIECES:]), tuple(questions()))
    lamps = range(PIECES // LAMPS)
    asked = tuple(f"How long does the lamp of lighthouse {number:04d}-00 burn?" for number in lamps)
    named = tuple((f"lamps-{number:02d}.md", lamp_text(number)[0]) for number in lamps)
    extra = [lamp_text(5_000 + number)[0].split("\n\n## ")[1:] for number in range(UPLOAD_PIECES // LAMPS)]
    return Subject("2,000 lighthouses (the shared data are not here)", named, tuple(chain(*extra)), asked)


def _headed(texts: list[str], first: int) -> list[str]:
    return [f"# Topic {first + number}\n\n{text}" for number, text in enumerate(texts)]
