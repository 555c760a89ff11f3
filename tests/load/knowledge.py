"""What the business knows in a load test: passages of the shared data, or lighthouses where they are not."""

from dataclasses import dataclass
from itertools import chain

from bot.chaos.librarian import LAMPS, lamp_text
from tests.bench.served import passages, questions
from tests.shared import SHARED

PIECES = 2_000
UPLOAD_PIECES = 600
FILE_PIECES = 100
LAST_LAMPS = 9_999


@dataclass(frozen=True, slots=True)
class Subject:
    """`files` are (name, Markdown) to upload before, `upload` the paragraphs of the one uploaded meanwhile."""

    source: str
    files: tuple[tuple[str, str], ...]
    upload: tuple[str, ...]
    questions: tuple[str, ...]


def load_subject() -> Subject:
    """Questions have their answers among the files."""
    if not (SHARED / "evaldata/squad2_dev").exists():
        return lighthouses(PIECES, UPLOAD_PIECES)
    texts = passages(PIECES + UPLOAD_PIECES)
    files = ["\n\n".join(_headed(texts[n : n + FILE_PIECES], n)) for n in range(0, PIECES, FILE_PIECES)]
    named = tuple((f"topics-{number:02d}.md", text) for number, text in enumerate(files))
    return Subject(f"{PIECES:,} paragraphs of the shared data", named, tuple(texts[PIECES:]), tuple(questions()))


def lighthouses(pieces: int, upload_pieces: int) -> Subject:
    """Where the shared data are not: lamps that burn for so many hours."""
    numbers = range(pieces // LAMPS)
    asked = tuple(f"How long does the lamp of lighthouse {number:04d}-00 burn?" for number in numbers)
    files = tuple((f"lamps-{number:02d}.md", lamp_text(number)[0]) for number in numbers)
    more = chain(*(lamp_text(LAST_LAMPS - number)[0].split("\n\n## ")[1:] for number in range(upload_pieces // LAMPS)))
    return Subject(f"{pieces:,} lighthouses (the shared data are not here)", files, tuple(more), asked)


def _headed(texts: list[str], first: int) -> list[str]:
    return [f"# Topic {first + number}\n\n{text}" for number, text in enumerate(texts)]
