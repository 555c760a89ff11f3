"""What a model is asked about a question, and what of its word may be said: only what its passages hold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pydantic import BaseModel, ConfigDict, Field, model_validator

from agents.answer_guard import Guarded
from agents.clarification import MOST_OPTIONS, buttons_for
from agents.document_names import document_name
from agents.grounding import grounded
from agents.model_answers import NonsenseError, as_lines, as_material, read_answer, with_prompt
from agents.ports import Answer, LanguageModel, Usage, Utterance
from agents.prompt_files import load_prompt
from agents.stated_facts import quoted_facts
from database.records import Passage

_ANSWER = load_prompt("answer")
_REWRITE = load_prompt("rewrite")
Check = Callable[[str, Sequence[str]], Guarded]
"""What may be said of a text that rests on these texts (agents/answer_guard.py)."""
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
    """A customer's question and what was said before it; `meaning` is the question, understood from that.

    `may_ask_back` is False where we asked back already: whoever is asked twice writes to somebody else.
    """

    business_id: str
    question: str
    language: str
    history: Sequence[Utterance] = ()
    summary: str | None = None
    facts: Sequence[str] = ()
    meaning: str | None = None
    may_ask_back: bool = True


class RefusedError(NonsenseError):
    """The model said what it must not, and nothing of it may be sent. `facts` are the customer's own words."""

    def __init__(self, usage: Usage, complaint: str, facts: tuple[str, ...]) -> None:
        super().__init__(usage)
        self.args = (complaint,)
        self.facts = facts


async def rewritten(model: LanguageModel, asked: Conversation) -> tuple[str, Usage]:
    """The question as one that stands alone. Raises ModelError."""
    material = as_material(summary=asked.summary, before=as_lines(asked.history), question=asked.question)
    completion = with_prompt(await model.complete(_REWRITE.text, material, business_id=asked.business_id), _REWRITE)
    return " ".join(read_answer(completion, _Rewritten).question.split()) or asked.question, completion.usage


async def answered(
    model: LanguageModel, asked: Conversation, passages: Sequence[Passage], version: int, limit: int, check: Check
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
    if not said.answered and not said.clarify:
        return known
    try:
        if said.answered:
            return _checked(said, asked, passages, known, check)
        return _question_back(said, asked, passages, known, check)
    except NonsenseError:
        completion.reject()  # an answer that was refused must not come again from memory
        raise


def _checked(said: _Answered, asked: Conversation, passages: Sequence[Passage], known: Answer, check: Check) -> Answer:
    if not all(1 <= number <= len(passages) for number in said.sources):
        raise NonsenseError(known.usage)
    sources = tuple(passages[number - 1] for number in dict.fromkeys(said.sources))
    texts = [whole_text(source) for source in sources]
    checked = grounded(said.answer, texts, asked.question)
    if checked.text is None:
        raise RefusedError(known.usage, checked.complaint, known.facts)
    guarded = check(checked.text, texts)
    if guarded.text is None:
        raise RefusedError(known.usage, guarded.complaint or "", known.facts)
    invented = f"{checked.complaint}; left out" if checked.invented else None
    complaints = [f"answer: {each}" for each in (invented, guarded.complaint) if each]
    return replace(known, text=guarded.text, answered=True, sources=sources, error="; ".join(complaints) or None)


def _question_back(
    said: _Answered, asked: Conversation, passages: Sequence[Passage], known: Answer, check: Check
) -> Answer:
    """The model's question with its buttons, unless it says more than a question may."""
    if not asked.may_ask_back:
        raise RefusedError(known.usage, "it asked back again", known.facts)
    texts = [whole_text(passage) for passage in passages]
    checked = grounded(said.clarify, texts, asked.question)
    if checked.text is None or len(said.clarify) > _LONGEST_BACK:
        return known
    guarded = check(checked.text, texts)
    if guarded.text is None:
        raise RefusedError(known.usage, guarded.complaint or "", known.facts)
    options = [option for option in said.options[:MOST_OPTIONS] if grounded(option, [said.clarify, *texts]).text]
    buttons = [button for button in buttons_for(asked.question, options) if check(button.title, texts).text]
    error = guarded.complaint and f"answer: {guarded.complaint}"
    return replace(known, text=guarded.text, buttons=tuple(buttons), error=error)


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
        before=as_lines(asked.history),
        facts=list(asked.facts),
        question=asked.question,
        meaning=asked.meaning,
        language=asked.language,
        may_ask_back=asked.may_ask_back,
    )


def whole_text(passage: Passage) -> str:
    """All that a passage says, with the title and heading above it."""
    return "\n".join(filter(None, (passage.title, passage.heading, passage.text)))
