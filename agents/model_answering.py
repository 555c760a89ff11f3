"""What a model is asked about a question, and what of its word may be said: only what its passages hold."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import BaseModel, ConfigDict, Field, model_validator

from agents.clarification import buttons_for
from agents.document_names import document_name
from agents.grounding import grounded
from agents.model_answers import NonsenseError, as_material, read_answer, with_prompt
from agents.ports import Answer, LanguageModel, Usage, Utterance
from agents.prompt_files import load_prompt
from agents.stated_facts import quoted_facts
from database.records import Passage

_ANSWER = load_prompt("answer")
_REWRITE = load_prompt("rewrite")
_LONGEST_ANSWER, _LONGEST_QUESTION, _LONGEST_BACK = 1500, 500, 300


class _Answered(BaseModel):
    """What the model was asked for (agents/prompts/answer.md)."""

    model_config = ConfigDict(extra="ignore")

    answer: str
    answered: bool
    sources: list[int]
    clarify: str = ""
    options: list[str] = Field(default=[])
    facts: list[str] = Field(default=[])

    @model_validator(mode="after")
    def _whole(self) -> "_Answered":
        self.answer, self.clarify = self.answer.strip(), self.clarify.strip()
        if self.answered and (not self.answer or not self.sources or len(self.answer) > _LONGEST_ANSWER):
            raise ValueError("an answer without text or sources, or far too long")
        return self


class _Rewritten(BaseModel):
    """What the model was asked for (agents/prompts/rewrite.md)."""

    question: str = Field(min_length=1, max_length=_LONGEST_QUESTION)


@dataclass(frozen=True, slots=True)
class Conversation:
    """A customer's question and what was said before it; `meaning` is the question, understood from that."""

    business_id: str
    question: str
    language: str
    history: Sequence[Utterance] = ()
    summary: str | None = None
    facts: Sequence[str] = ()
    meaning: str | None = None


class InventionError(NonsenseError):
    """The model said what its passages do not hold, and nothing of its answer is left without that."""

    def __init__(self, usage: Usage, complaint: str) -> None:
        super().__init__(usage)
        self.args = (complaint,)


async def rewritten(model: LanguageModel, asked: Conversation) -> tuple[str, Usage]:
    """The question as one that stands alone. Raises ModelError."""
    material = as_material(summary=asked.summary, before=_lines(asked.history), question=asked.question)
    completion = with_prompt(await model.complete(_REWRITE.text, material, business_id=asked.business_id), _REWRITE)
    return " ".join(read_answer(completion, _Rewritten).question.split()) or asked.question, completion.usage


async def answered(
    model: LanguageModel, asked: Conversation, passages: Sequence[Passage], version: int, limit: int
) -> Answer:
    """The model's answer or its question back, an Answer without text where it does not know. Raises ModelError."""
    system = _ANSWER.text.replace("{limit}", str(limit))
    completion = await model.complete(
        system, _material(asked, passages), business_id=asked.business_id, knowledge_version=version
    )
    completion = with_prompt(completion, _ANSWER)
    said = read_answer(completion, _Answered)
    facts = quoted_facts(said.facts, asked.question)
    known = Answer("", answered=False, usage=completion.usage, facts=facts)
    if said.answered:
        try:
            return _checked(said, asked, passages, known)
        except NonsenseError:
            completion.reject()  # an answer that was refused must not come again from memory
            raise
    return _question_back(said, asked, passages, known) if said.clarify else known


def _checked(said: _Answered, asked: Conversation, passages: Sequence[Passage], known: Answer) -> Answer:
    if not all(1 <= number <= len(passages) for number in said.sources):
        raise NonsenseError(known.usage)
    sources = tuple(passages[number - 1] for number in dict.fromkeys(said.sources))
    checked = grounded(said.answer, [whole_text(source) for source in sources], asked.question)
    if checked.text is None:
        raise InventionError(known.usage, checked.complaint)
    error = f"answer: {checked.complaint}; left out" if checked.invented else None
    return replace(known, text=checked.text, answered=True, sources=sources, error=error)


def _question_back(said: _Answered, asked: Conversation, passages: Sequence[Passage], known: Answer) -> Answer:
    """The model's question with its buttons, unless it says more than a question may."""
    checked = grounded(said.clarify, [whole_text(passage) for passage in passages], asked.question)
    options = [option for option in said.options if grounded(option, [said.clarify, *map(whole_text, passages)]).text]
    if checked.text is None or len(said.clarify) > _LONGEST_BACK:
        return known
    return replace(known, text=checked.text, buttons=buttons_for(asked.question, options))


def _material(asked: Conversation, passages: Sequence[Passage]) -> str:
    return as_material(
        passages=[
            {
                "number": number,
                "document": document_name(passage),
                "heading": passage.heading,
                "text": passage.text,
            }
            for number, passage in enumerate(passages, start=1)
        ],
        summary=asked.summary,
        before=_lines(asked.history),
        facts=list(asked.facts),
        question=asked.question,
        meaning=asked.meaning,
        language=asked.language,
    )


def _lines(history: Sequence[Utterance]) -> list[dict[str, str]]:
    return [{"customer" if line.by_customer else "business": line.text} for line in history]


def whole_text(passage: Passage) -> str:
    """All that a passage says, with the title and heading above it."""
    return "\n".join(filter(None, (passage.title, passage.heading, passage.text)))
