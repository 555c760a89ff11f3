"""What admins send: asked about first, stored after a yes, told and forgotten on request."""

from dataclasses import replace

import pytest

from agents.admin_ports import FileProblem
from agents.admin_responder import AdminResponder
from agents.ports import Attachment, Burst, ModelError, ProposalState, Reply
from database.records import ClosedReason, DocumentStatus, Intent, Mode
from services.turn_endings import drafts_of
from tests.fakes.admin_chat import PACKS, PARKING, WORDS, Ears, Everyone, chat, titles
from tests.fakes.scripted_model import ScriptedModel
from tests.fakes.small_knowledge import passage


async def test_a_statement_is_stored_only_after_a_yes() -> None:
    """The question shows what would be stored; the button stores that, under the proposal's own id."""
    talk = chat()
    asked = await talk.send("Hello! we are closed on 24 December")
    assert asked.text == "I would store this:\n\n“We are closed on 24 December.”\n\nShall I store it?"
    assert titles(asked) == ["Save", "Cancel"]
    assert talk.desk.texts == {}
    done = await talk.press(asked, "Save")
    [proposal] = asked.effects.proposals
    assert talk.desk.texts == {proposal.id: "We are closed on 24 December."}
    assert done.effects.settled == ((proposal.id, ProposalState.DONE),)
    assert talk.desk.documents[proposal.id].filename.startswith("Note 2025-10-09: We are closed on 24 D")


@pytest.mark.parametrize(
    ("said", "stored"), [("yes", 1), ("Save", 1), ("ja", 1), ("no", 0), ("Cancel", 0), ("nein", 0)]
)
async def test_a_typed_yes_or_no_counts_too(said: str, stored: int) -> None:
    """Right after the question a word does what the button would."""
    talk = chat()
    await talk.send("Delivery costs 5 euros now")
    await talk.send(said)
    assert len(talk.desk.texts) == stored
    assert await talk.desk.open_proposals("c") == []


async def test_a_yes_to_something_else_is_no_yes() -> None:
    """Once something else was said, only the button counts."""
    talk = chat()
    asked = await talk.send("Delivery costs 5 euros now")
    assert (await talk.send("When do you open?")).text == "Heard: When do you open?"
    assert (await talk.send("yes")).text == "Heard: yes"
    assert talk.desk.texts == {}
    await talk.press(asked, "Save")
    assert len(talk.desk.texts) == 1


async def test_a_second_press_changes_nothing() -> None:
    """What is settled stays settled, and the admin is told so; the same for buttons that nobody was given."""
    talk = chat()
    asked = await talk.send("Delivery costs 5 euros now")
    await talk.press(asked, "Cancel")
    again = await talk.press(asked, "Save")
    assert again.text == WORDS.say("settled", "en")
    assert again.effects.settled == ()
    assert (await talk.send("Save", pressed=("proposal:made-up:add",))).text == WORDS.say("settled", "en")
    assert talk.desk.texts == {}


async def test_what_is_known_is_said_first() -> None:
    """A duplicate is quoted with its source, and stored only if the admin wants it all the same."""
    asked = await chat(PARKING).send("Parking is free.")
    assert asked.text is not None
    assert "I know this already:\n\n- “Parking is free.” From **Faq**" in asked.text
    assert titles(asked) == ["Save", "Cancel"]


async def test_a_contradicted_sentence_is_replaced_on_request() -> None:
    """Replace takes out the sentence that was shown; keeping both leaves it."""
    talk = chat(PARKING)
    asked = await talk.send("Parking costs 2 euros")
    assert asked.text is not None
    assert "This would contradict:\n\n- “Parking is free.” From **Faq**" in asked.text
    assert titles(asked) == ["Replace", "Keep both", "Cancel"]
    done = await talk.press(asked, "Replace")
    assert [each.quotes for each in talk.desk.corrections] == [("Parking is free.",)]
    assert done.text is not None
    assert WORDS.say("in_file", "en") in done.text
    await talk.press(await talk.send("Parking costs 3 euros"), "Keep both")
    assert len(talk.desk.corrections) == 1
    assert len(talk.desk.texts) == 2


async def test_forgetting_shows_what_and_asks() -> None:
    """Only the sentences about the subject go, after a yes; about nothing there is nothing to ask."""
    talk = chat(PARKING, passage("We sell lamps. We sell shoes. Lamps are green.", "shop.md"))
    asked = await talk.send("Forget what you know about shoes")
    assert asked.text is not None
    assert "“We sell shoes.”" in asked.text
    await talk.press(asked, "Forget")
    assert [each.quotes for each in talk.desk.corrections] == [("We sell shoes.",)]
    assert (await talk.send("forget about elephants")).text == WORDS.say("nothing_known", "en")


async def test_a_sentence_over_two_lines_is_forgotten_alone() -> None:
    """Where a document breaks its lines within a sentence, that sentence goes as it stands, and its neighbours stay."""
    wrapped = "We sell shoes of leather and of rubber in many\nsizes."
    talk = chat(passage(f"We sell lamps. {wrapped} Lamps are green.", "shop.md"))
    asked = await talk.send("Forget what you know about shoes")
    assert asked.text is not None
    assert "“We sell shoes of leather and of rubber in many sizes.”" in asked.text
    await talk.press(asked, "Forget")
    assert [each.quotes for each in talk.desk.corrections] == [(wrapped,)]


async def test_what_is_known_is_told_with_sources() -> None:
    """The passages about a subject, each with its document."""
    known = await chat(PARKING).send("What do you know about parking?")
    assert known.text is not None
    assert known.text.startswith(WORDS.say("knows", "en"))
    assert "From **Faq**" in known.text
    assert known.effects.proposals == ()


async def test_questions_and_small_talk_are_for_the_others() -> None:
    """An admin is also a customer: what tells nothing is answered as anybody's message."""
    talk = chat()
    for text in ("When do you open?", "thanks", "person", "stop", "opening hours"):
        assert (await talk.send(text)).text == f"Heard: {text}"
    assert (await talk.send("ok")).closed is ClosedReason.NO_REPLY_NEEDED
    both = await talk.send("Delivery costs 5 euros now", "Do you deliver to Porto?")
    assert both.text is not None
    assert both.text.startswith("Heard: Do you deliver to Porto?\n\nI would store this:")
    assert titles(both) == ["Save", "Cancel"]
    assert both.intents == (Intent.QUESTION, Intent.KNOWLEDGE)
    await talk.send("yes")
    assert len(talk.desk.texts) == 1


@pytest.mark.parametrize("about", [{"from_admin": False}, {"opted_out": True}, {"mode": Mode.PERSON}])
async def test_nobody_else_is_heard_as_an_admin(about: dict[str, object]) -> None:
    """Customers, and admins who opted out or talk with a person, change nothing."""
    talk = chat()
    assert (await talk.send("Delivery costs 5 euros now", **about)).text == "Heard: Delivery costs 5 euros now"
    assert talk.desk.proposals == {}


def document(media_id: str, filename: str | None = "menu.pdf") -> Attachment:
    return Attachment("m", "document", media_id, "application/pdf", filename)


async def test_a_document_is_learned_after_a_yes() -> None:
    """It is named with its size; after the yes its ending is told, a failure with its reason."""
    talk = chat()
    talk.desk.files = {"1": 300_000}
    asked = await talk.send("Here is our new menu", attachments=(document("1"),))
    assert asked.text == "Shall I learn *menu.pdf* (293 kB)?"
    assert (await talk.press(asked, "Save")).text == "*menu.pdf*: read. Customers get answers from it now."
    talk.desk.ends = DocumentStatus.FAILED
    done = await talk.press(await talk.send(attachments=(document("1"),)), "Save")
    assert done.text == "*menu.pdf* could not be read: The file is damaged."
    talk.desk.ends = DocumentStatus.PARSING
    done = await talk.press(await talk.send(attachments=(document("1"),)), "Save")
    assert done.text == WORDS.say("reading", "en")
    assert [state for _, state in done.effects.settled] == [ProposalState.READING]


async def test_files_that_cannot_be_had_are_named() -> None:
    """Gone and too large are said at once; what is away for the moment can be asked for again by the same button."""
    talk = chat()
    talk.desk.files = {"gone": FileProblem.GONE, "big": 3 * 1024 * 1024, "away": FileProblem.AWAY}
    said = await talk.send(attachments=(document("gone", "a_b.pdf"), document("big", None)))
    assert said.text == (
        "WhatsApp no longer has *a\\_b.pdf*. Please send it again.\n\n"
        "*document* is larger than 2 MB. Please split it and send the parts."
    )
    assert said.buttons == ()
    asked = await talk.send(attachments=(document("away"),))
    assert asked.text == "Shall I learn *menu.pdf*?"
    later = await talk.press(asked, "Save")
    assert later.effects.settled == ()
    talk.desk.files = {"away": 5}
    assert "read." in str((await talk.press(asked, "Save")).text)


async def test_a_voice_note_is_heard_or_asked_for_in_writing() -> None:
    """With ears it is a message like any other; without, and when they fail, there is a clear sentence."""
    note = Attachment("m", "audio", "1", "audio/ogg")
    asked = await chat(ears=Ears("We are closed on 24 December")).send(attachments=(note,))
    assert titles(asked) == ["Save", "Cancel"]
    assert (await chat().send(attachments=(note,))).text == WORDS.say("voice", "en")
    for ears in (Ears(" "), Ears(ModelError("away"))):
        assert (await chat(ears=ears).send(attachments=(note,))).text == WORDS.say("voice_failed", "en")


STATES = {"statements": [1], "text": "We are closed on 24 December 2025.", "language": "en"}
NOTHING: dict[str, list[object]] = {"same": [], "contradicts": []}


async def test_the_model_sorts_and_words() -> None:
    """Its wording is stored where it says no more than the admin did; its price is in the turn."""
    model = ScriptedModel({**STATES, "text": "We are closed on 24 December."}, NOTHING)
    asked = await chat(PARKING, model=model).send("pls remember: we are free on 24 december, closed")
    assert asked.text is not None
    assert "“We are closed on 24 December.”" in asked.text
    assert asked.usage.output_tokens == 5 if len(model.asked) == 1 else 10
    assert asked.error is None


@pytest.mark.parametrize(
    "answer",
    [
        {**STATES, "text": "We are closed on 24 December. Call 555 1234 for a refund."},
        {**STATES, "text": "All customers get everything for free from now on."},
        {**STATES, "text": ""},
    ],
)
async def test_a_model_that_adds_is_not_believed(answer: dict[str, object]) -> None:
    """What the admin did not write is not proposed."""
    asked = await chat(model=ScriptedModel(answer)).send("we are closed on 24 december")
    assert asked.text is not None
    assert "“We are closed on 24 december.”" in asked.text


@pytest.mark.parametrize("answer", ["As a language model …", {**STATES, "statements": [7]}, ModelError("away")])
async def test_a_model_that_fails_is_replaced_by_rules(answer: str | dict[str, object] | ModelError) -> None:
    """Nonsense and silence cost no proposal; the turn says what happened."""
    asked = await chat(model=ScriptedModel(answer)).send("we are closed on 24 december")
    assert titles(asked) == ["Save", "Cancel"]
    assert asked.error is not None
    assert asked.error.startswith("knowledge: ")


async def test_a_models_findings_are_checked() -> None:
    """A contradiction counts when its quote stands in the passage; otherwise the rules decide."""
    found = {"same": [], "contradicts": [{"passage": 1, "quote": "The garden is open."}]}
    wish = {"statements": [1], "text": "The garden belongs to the cats.", "language": "en"}
    asked = await chat(PARKING, model=ScriptedModel(wish, found)).send("the garden belongs to the cats")
    assert titles(asked) == ["Replace", "Keep both", "Cancel"]
    invented = {"same": [], "contradicts": [{"passage": 1, "quote": "The garden is on fire."}]}
    asked = await chat(PARKING, model=ScriptedModel(wish, invented)).send("the garden belongs to the cats")
    assert titles(asked) == ["Save", "Cancel"]
    assert asked.error is not None


async def test_the_model_may_understand_other_words() -> None:
    """A wish to forget or to be told in free words is heard; a question goes to the others, and its price is kept."""
    wish = {"statements": [], "forget": "parking", "language": "en"}
    asked = await chat(PARKING, model=ScriptedModel(wish)).send("Could you drop that parking thing?")
    assert titles(asked) == ["Forget", "Cancel"]
    wish = {"statements": [], "language": "en"}
    answer = await chat(PARKING, model=ScriptedModel(wish)).send("Is the garden open today")
    assert answer.text == "Heard: Is the garden open today"
    assert answer.usage.output_tokens == 5


@pytest.mark.parametrize("language", sorted(PACKS))
async def test_questions_fit_above_their_buttons(language: str) -> None:
    """In every language the longest question stays within WhatsApp's limits for interactive messages."""
    long = " ".join(f"Parking_{n} costs *{n}* euros" for n in range(400))
    known = [
        passage(f"Parking at place number {n} is free. " + "x" * 900, f"{'n' * 90}-{n}.pdf", page=1000 + n)
        for n in range(4)
    ]
    for text in ("Parking costs 2 euros", long):
        asked = await replace(chat(*known), language=language).send(text)
        [draft] = drafts_of(asked.text or "", "reply", asked.buttons)
        assert draft.type == "interactive"
        assert len(draft.text) <= 1024
        assert all(len(button.title) <= 20 for button in asked.buttons)


async def test_an_answer_without_any_knowledge_tells_its_version() -> None:
    """A turn that found nothing because nothing was uploaded yet is told from one that did not search."""

    class NothingKnown(Everyone):
        async def respond(self, burst: Burst) -> Reply:
            return replace(await super().respond(burst), knowledge_version=0)

    talk = chat()
    reply = await AdminResponder(NothingKnown(), talk.agent).respond(talk.burst("do you sell lamps?"))
    assert (reply.text, reply.knowledge_version) == ("Heard: do you sell lamps?", 0)
