"""Knowledge gaps from real turns: what is grouped, what is not, how a gap is answered, ignored, opened again."""

import asyncio
import sqlite3
from dataclasses import dataclass, field, replace

import pytest

from agents.language_packs import load_language_packs
from agents.ports import Burst, Button, Effects, Reply
from agents.unanswered import QuestionReader
from database.clock import Clock
from database.gaps import GapState
from database.records import ClosedReason, Document, DocumentStatus, Intent, Mode, new_id
from services.gap_sweep import DAY_MS, GapOptions, GapSweep
from services.gaps import Gaps, GapSettledError
from tests.fakes.scripted_responder import ScriptedResponder
from tests.integration.conftest import Stage
from vectorstore.wordllama_embedder import WordLlamaEmbedder

ANNA, BEN = "4915110000001", "4915110000002"
PARKING = ("Do you have a parking lot?", "Is there a parking lot at your place?", "do you have a car parking lot")
DOGS = "Can I bring my dog?"


@dataclass
class UnknowingResponder(ScriptedResponder):
    """Knows an answer to whatever holds a word of `known`; with buttons it asks back; a person keeps it silent."""

    known: set[str] = field(default_factory=set)
    buttons: tuple[Button, ...] = ()

    async def respond(self, burst: Burst) -> Reply:
        if burst.mode is Mode.PERSON:
            return Reply((Intent.OTHER,), "en", closed=ClosedReason.WITH_PERSON)
        text = " ".join(burst.texts)
        if "person" in text:
            return Reply(
                (Intent.PERSON,), "en", text="A colleague comes.", answered=True, effects=Effects(mode=Mode.PERSON)
            )
        if text.lower().startswith("hello"):
            return Reply((Intent.GREETING,), "en", text="Hello!", answered=True)
        if any(word in text for word in self.known):
            return Reply((Intent.QUESTION,), "en", text="Yes.", answered=True)
        return Reply((Intent.QUESTION,), "en", text="I do not know.", buttons=self.buttons)


@dataclass
class AnswerShelf:
    """Documents of answers, ready as soon as they are written."""

    clock: Clock
    documents: dict[str, Document] = field(default_factory=dict)
    written: list[tuple[str, str]] = field(default_factory=list)

    async def add(self, business_id: str, question: str, answer: str) -> Document:
        now = self.clock.now()
        document = Document(
            new_id(), business_id, "answer.md", DocumentStatus.READY, 1.0, True, 1, None, 1, len(answer), now, now
        )
        self.documents[document.id] = document
        self.written.append((question, answer))
        return document

    async def get(self, business_id: str, document_id: str) -> Document | None:
        return self.documents.get(document_id)


@dataclass
class World:
    """A conversation in which the bot may not know, the sweep that looks for that, and the owner's desk."""

    stage: Stage
    sweep: GapSweep
    gaps: Gaps
    shelf: AnswerShelf
    business: str

    async def ask(self, sender: str, *texts: str) -> None:
        await self.stage.say(sender, *texts)
        await self.stage.wait(8)

    async def listed(self, state: GapState | None = None):
        await self.sweep.run()
        return (await self.gaps.list(self.business, 50, state))[0]


@pytest.fixture
async def world(stage):
    stage.responder = UnknowingResponder()
    embedder, shelf = WordLlamaEmbedder(), AnswerShelf(stage.clock)
    reader = QuestionReader(await asyncio.to_thread(load_language_packs))
    sweep = GapSweep(stage.database, shelf, embedder, reader, PatientClock(stage.clock), GapOptions())
    business = (await stage.rows("SELECT id FROM businesses"))[0]["id"]
    async with stage.running():
        yield World(stage, sweep, Gaps(stage.database, shelf, stage.clock), shelf, business)
    embedder.close()


@dataclass
class CountingReader:
    """A reader that counts what it is given."""

    reader: QuestionReader
    read: int = 0

    def asked_back(self, reply):
        self.read += 1
        return self.reader.asked_back(reply)

    def language_of(self, texts, language):
        return self.reader.language_of(texts, language)

    def questions(self, texts, language, intents):
        return self.reader.questions(texts, language, intents)


@dataclass
class PatientClock:
    """The stage's clock, on which a sweep's short pauses take no time."""

    clock: Clock

    def now(self) -> int:
        return self.clock.now()

    def monotonic(self) -> float:
        return self.clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        assert seconds < 1


async def test_the_same_question_in_other_words_is_one_gap(world):
    """Most asked first, with count, wordings, turns, and when it was asked first and last."""
    await world.ask(ANNA, DOGS)
    for sender, question in zip((ANNA, BEN, ANNA), PARKING, strict=True):
        await world.ask(sender, question)
    parking, dogs = await world.listed()
    assert (parking.count, dogs.count, dogs.question) == (3, 1, DOGS)
    assert set(parking.examples) == set(PARKING)
    assert parking.question in PARKING
    assert len(set(parking.turn_ids)) == 3
    assert parking.first_at < parking.last_at
    assert (parking.state, parking.with_person, parking.document_id) == (GapState.OPEN, 0, None)


async def test_looking_twice_counts_once(world):
    """Turns are looked at again for an hour; their questions are in a gap only once."""
    await world.ask(ANNA, DOGS)
    assert [gap.count for gap in await world.listed()] == [1]
    assert [gap.count for gap in await world.listed()] == [1]


async def test_what_asks_nothing_is_read_once(world):
    """A pass every few seconds costs nothing for what the one before has seen."""
    await world.ask(BEN, "I want a person")
    await world.ask(BEN, "I was at your shop on Tuesday.")
    reader = CountingReader(world.sweep._reader)
    world.sweep._reader = reader
    for _ in range(3):
        assert await world.listed() == []
    assert reader.read == 1
    await world.ask(ANNA, DOGS)
    assert [gap.count for gap in await world.listed()] == [1]
    assert reader.read == 2


async def test_the_questions_of_a_message_are_placed_together(world):
    """Cut off between two of them, the next pass takes both."""
    await world.ask(ANNA, f"{PARKING[0]} {DOGS}")
    await world.stage.run(
        "CREATE TRIGGER cut_off BEFORE INSERT ON gap_questions WHEN NEW.part = 1 BEGIN SELECT RAISE(ABORT, 'off'); END"
    )
    with pytest.raises(sqlite3.Error):
        await world.sweep.run()
    await world.stage.run("DROP TRIGGER cut_off")
    assert len(await world.listed()) == 2


async def test_what_is_answered_or_asks_nothing_is_no_gap(world):
    """Answers, greetings and hand-overs leave nothing."""
    world.stage.responder.known = {"parking"}
    for said in ("hello", PARKING[0], "I want a person"):
        await world.ask(ANNA, said)
    assert await world.listed() == []


async def test_asking_back_is_no_gap(world):
    """The bot may know, once it hears what is meant."""
    world.stage.responder.buttons = (Button("a", "Large"), Button("b", "Small"))
    await world.ask(ANNA, "What does it cost?")
    assert await world.listed() == []


async def test_questions_to_a_person_are_counted(world):
    """What was asked while a person had the chat; what was only said there is not."""
    await world.ask(ANNA, DOGS)
    await world.ask(BEN, "I want a person")
    await world.ask(BEN, "I was at your shop on Tuesday.", "Can I bring my dogs?")
    (gap,) = await world.listed()
    assert (gap.count, gap.with_person) == (2, 1)
    assert len(gap.turn_ids) == 1


async def test_two_questions_of_one_burst_are_two_gaps(world):
    """Each question is searched for by itself, and missing by itself."""
    await world.ask(ANNA, f"{PARKING[0]} {DOGS}")
    assert {gap.question for gap in await world.listed()} == {PARKING[0], DOGS}


async def test_an_answer_closes_the_gap(world):
    """One call: the wording and the answer become a document, and the gap names it."""
    await world.ask(ANNA, DOGS)
    (gap,) = await world.listed()
    answered, document = await world.gaps.answer(world.business, gap.id, "Yes, on a lead.", None, "api:admin")
    assert world.shelf.written == [(DOGS, "Yes, on a lead.")]
    assert (answered.state, answered.document_id) == (GapState.ANSWERED, document.id)
    assert await world.listed(GapState.OPEN) == []
    with pytest.raises(GapSettledError):
        await world.gaps.answer(world.business, gap.id, "No.", None, "api:admin")
    assert [row["action"] for row in await world.stage.rows("SELECT action FROM audit_log ORDER BY id")] == [
        "gap_answered"
    ]


async def test_a_question_that_is_answered_now_adds_nothing(world):
    """The gap stays answered, with the count that it had."""
    await world.ask(ANNA, DOGS)
    (gap,) = await world.listed()
    await world.gaps.answer(world.business, gap.id, "Yes.", "May dogs come in?", "api:admin")
    world.stage.responder.known = {"dog"}
    await world.ask(BEN, DOGS)
    (after,) = await world.listed()
    assert (after.state, after.count, after.question) == (GapState.ANSWERED, 1, "May dogs come in?")


async def test_an_answer_that_does_not_answer_opens_the_gap_again(world):
    """Asked after the document was ready and still not known: its owner must see it."""
    await world.ask(ANNA, DOGS)
    (gap,) = await world.listed()
    await world.gaps.answer(world.business, gap.id, "Yes.", None, "api:admin")
    await world.ask(BEN, DOGS)
    (after,) = await world.listed(GapState.OPEN)
    assert (after.id, after.count) == (gap.id, 2)


async def test_a_gap_stays_answered_while_its_document_is_read(world):
    """What was asked before the answer could be found says nothing against it."""
    await world.ask(ANNA, DOGS)
    (gap,) = await world.listed()
    _, document = await world.gaps.answer(world.business, gap.id, "Yes.", None, "api:admin")
    world.shelf.documents[document.id] = replace(document, is_processed=False, status=DocumentStatus.QUEUED)
    await world.ask(BEN, DOGS)
    assert [each.state for each in await world.listed()] == [GapState.ANSWERED]


async def test_an_ignored_gap_stays_ignored(world):
    """Also when it is asked again."""
    await world.ask(ANNA, DOGS)
    (gap,) = await world.listed()
    assert await world.gaps.ignore(world.business, gap.id, "api:admin")
    await world.ask(BEN, DOGS)
    assert [(each.state, each.count) for each in await world.listed()] == [(GapState.IGNORED, 2)]
    assert await world.gaps.ignore(world.business, new_id(), "api:admin") is False


async def test_a_list_stands_still_while_it_is_paged(world):
    """A gap that is asked more often meanwhile neither comes twice nor is left out."""
    asked = (DOGS, PARKING[0], "When does the swimming pool open?", "Which credit cards do you accept?")
    for question in asked:
        await world.ask(ANNA, question)
    await world.sweep.run()
    first, place = await world.gaps.list(world.business, 2)
    await world.ask(BEN, DOGS)
    await world.ask(BEN, PARKING[0])
    await world.sweep.run()
    second, end = await world.gaps.list(world.business, 2, None, place)
    assert {gap.question for gap in (*first, *second)} == set(asked)
    assert end is None


async def test_questions_are_forgotten_with_time(world):
    """What customers wrote is kept as long as the setting says, and a gap without questions is gone."""
    await world.ask(ANNA, DOGS)
    assert len(await world.listed()) == 1
    await world.stage.clock.advance(90 * DAY_MS / 1000)
    await world.ask(ANNA, PARKING[0])
    assert [gap.question for gap in await world.listed()] == [PARKING[0]]
    assert len(await world.stage.rows("SELECT 1 FROM gaps")) == 1


async def test_the_rarest_gaps_beyond_the_limit_go(world):
    """A business keeps those that are asked most."""
    for sender, question in ((ANNA, DOGS), (ANNA, PARKING[0]), (BEN, PARKING[1])):
        await world.ask(sender, question)
    world.sweep._options = GapOptions(most_gaps=1)
    assert [gap.count for gap in await world.listed()] == [2]
