"""A chat with an admin: the real embedding agent over knowledge in memory, remembered as turns do."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agents.admin_proposals import AdminProposals
from agents.admin_responder import AdminResponder
from agents.admin_statements import StatementReader
from agents.admin_words import load_admin_words
from agents.embedding_agent import EmbeddingAgent
from agents.intent_rules import IntentRules
from agents.language_packs import load_language_packs
from agents.ports import Burst, LanguageModel, ModelError, Reply, Utterance
from agents.sentences import Sentences
from agents.statement_check import StatementCheck
from database.records import ClosedReason, Intent, Passage
from services.turn_endings import drafts_of
from tests.fakes.fake_clock import FakeClock
from tests.fakes.small_desk import SmallDesk
from tests.fakes.small_knowledge import passage

PACKS = load_language_packs()
WORDS = load_admin_words()
RULES = IntentRules(PACKS)
PARKING = passage("Parking is free. The garden is open.", "faq.md")


class Everyone:
    """Stands for the other agents: repeats what it hears."""

    async def respond(self, burst: Burst) -> Reply:
        if not burst.texts or burst.texts == ("ok",):
            return Reply((Intent.OTHER,), "en", closed=ClosedReason.NO_REPLY_NEEDED)
        return Reply((Intent.QUESTION,), "en", text=f"Heard: {' / '.join(burst.texts)}", answered=True)

    def apology(self, language: str | None) -> str:
        return "Sorry."

    def subscription(self, texts: Sequence[str], language: str | None) -> Reply | None:
        return None

    def unsupported(self, language: str | None) -> str:
        return "Unsupported."


class Ears:
    """Writes down what a test says."""

    def __init__(self, text: str | ModelError) -> None:
        self.text = text

    async def write_down(self, media_id: str, mime_type: str, business_id: str) -> str:
        if isinstance(self.text, ModelError):
            raise self.text
        return self.text


@dataclass
class Chat:
    """A conversation with an admin, which remembers what was said and proposed as turns do."""

    desk: SmallDesk
    responder: AdminResponder
    agent: EmbeddingAgent
    history: tuple[Utterance, ...] = ()
    language: str | None = None

    async def send(self, *texts: str, **about: object) -> Reply:
        reply = await self.responder.respond(replace(self.burst(*texts), **about))  # type: ignore[arg-type]
        for settled in reply.effects.settled:
            self.desk.settle(*settled)
        for proposal in reply.effects.proposals:
            self.desk.remember("c", proposal)
        lines = [*(Utterance(by_customer=True, text=text) for text in texts)]
        if reply.text:
            said = (reply.text, *(message.text for message in reply.then))
            drafts = [draft for text in said for draft in drafts_of(text, "reply")]
            lines += [Utterance(by_customer=False, text=draft.text) for draft in drafts]
        self.history = (*self.history, *lines)
        return reply

    def burst(self, *texts: str) -> Burst:
        return Burst("b", texts, self.language, self.history, conversation_id="c", from_admin=True)

    async def press(self, reply: Reply, title: str) -> Reply:
        button = next(each for each in reply.buttons if each.title == title)
        return await self.send(title, pressed=(button.id,))


def chat(*passages: Passage, model: LanguageModel | None = None, ears: Ears | None = None) -> Chat:
    desk = SmallDesk(passages)
    reader, check = StatementReader(model, RULES, WORDS, PACKS), StatementCheck(model, WORDS, PACKS)
    proposals = AdminProposals(WORDS, Sentences(PACKS))
    agent = EmbeddingAgent(desk, reader, check, RULES, WORDS, proposals, ears, FakeClock())
    return Chat(desk, AdminResponder(Everyone(), agent), agent)


def titles(reply: Reply) -> list[str]:
    return [button.title for button in reply.buttons]
