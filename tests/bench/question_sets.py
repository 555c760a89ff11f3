"""The retrieval sets of the shared data: passages, and questions with the passages that answer them."""

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.shared import SHARED

LANGUAGES = ("en", "es", "de", "ru", "ar", "zh", "hi", "tr", "vi", "th", "el", "ro")
PASSAGE_CHARACTERS = 1_200


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and the ids of the passages that answer it."""

    text: str
    gold: frozenset[str]


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """Passages by id, and questions about them, in an order without meaning."""

    name: str
    passages: dict[str, str]
    questions: tuple[Asked, ...]

    def half(self, odd: bool) -> tuple[Asked, ...]:  # noqa: FBT001 - which of two
        """Every second question: one half to tune on, the other to report."""
        return self.questions[odd::2]


def question_sets() -> list[QuestionSet]:
    """All sets that have passages and gold passages; none where the shared data are not there."""
    if not (SHARED / "evaldata").exists():
        return []
    return [_squad(), _mtrag(), _doc2dial(), *(_xquad(code) for code in LANGUAGES)]


def _squad() -> QuestionSet:
    """SQuAD 2, the answerable questions."""
    folder = "squad2_dev/visible"
    return _by_gold_pid("SQuAD", f"{folder}/passages.jsonl", f"{folder}/questions.jsonl")


def _xquad(code: str) -> QuestionSet:
    return _by_gold_pid(
        f"XQuAD {code}", f"xquad/visible/passages.{code}.jsonl", f"xquad/visible/questions.{code}.jsonl"
    )


def _by_gold_pid(name: str, passages: str, questions: str) -> QuestionSet:
    asked = [Asked(row["question"], frozenset({row["gold_pid"]})) for row in _rows(questions) if row["answers"]]
    return _set(name, {row["pid"]: row["text"] for row in _rows(passages)}, asked)


def _mtrag() -> QuestionSet:
    """The last question of each conversation, as it stands; passages that are longer are cut off."""
    passages = {
        row["pid"]: "\n".join(filter(None, (row["title"], row["text"]))) for row in _rows("mtrag_un/passages.jsonl")
    }
    tasks = [*_rows("mtrag_un/visible/tasks.jsonl"), *_rows("mtrag_un/visible/tasks_mtrag_human_subset.jsonl")]
    asked = [Asked(row["turns"][-1]["text"], frozenset(row["gold_pids"]) & passages.keys()) for row in tasks]
    return _set("MTRAG", passages, [each for each in asked if each.gold])


def _doc2dial() -> QuestionSet:
    """Sections of three documents; what a user asks, with the sections that the reply was taken from."""
    documents = json.loads((SHARED / "evaldata/doc2dial_small/docs_with_spans.json").read_text("utf-8"))
    section = {
        (document_id, span_id): span["text_sec"].strip()
        for document_id, document in documents.items()
        for span_id, span in document["spans"].items()
    }
    asked = [
        Asked(question, gold)
        for question, references in _replies()
        if (gold := frozenset(filter(None, (section.get((each["doc_id"], each["sp_id"])) for each in references))))
    ]
    return _set("doc2dial", {text: text for text in section.values() if text}, asked)


def _replies() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for row in _rows("doc2dial_small/dialogues.jsonl"):
        for turn, reply in zip(row["turns"], row["turns"][1:], strict=False):
            if turn["role"] == "user" and turn["da"].startswith("query") and reply["role"] == "agent":
                yield turn["text"], reply["references"]


def _set(name: str, passages: dict[str, str], asked: Iterable[Asked]) -> QuestionSet:
    questions = list(asked)
    random.Random(5).shuffle(questions)
    return QuestionSet(name, {key: text[:PASSAGE_CHARACTERS] for key, text in passages.items()}, tuple(questions))


def _rows(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (SHARED / "evaldata" / path).read_text("utf-8").splitlines()]
