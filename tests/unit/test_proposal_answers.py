"""What becomes of an admin's answer when turns are cut off, repeated, or hold more than one of them."""

import asyncio

import pytest

from agents.ports import Attachment, ProposalState, Reply
from database.records import DocumentStatus, Mode
from tests.fakes.admin_chat import PARKING, WORDS, Chat, chat, titles
from tests.fakes.scripted_model import ScriptedModel
from tests.fakes.small_knowledge import passage

NOTE = "Delivery costs 5 euros now"


async def cut_off(talk: Chat, *texts: str, pressed: tuple[str, ...] = ()) -> None:
    """A turn that a newer message supersedes while the note is being read: it ends nothing."""
    talk.desk.patience.clear()
    turn = asyncio.create_task(talk.send(*texts, pressed=pressed))
    await talk.desk.asked_for.wait()
    turn.cancel()
    await asyncio.wait({turn})
    talk.desk.patience.set()


def button(reply: Reply, title: str) -> str:
    return next(each.id for each in reply.buttons if each.title == title)


async def test_a_yes_that_was_begun_is_finished() -> None:
    """Cancel pressed while the note is being stored takes nothing back, and does not say that it did."""
    talk = chat()
    asked = await talk.send(NOTE)
    save, cancel = button(asked, "Save"), button(asked, "Cancel")
    await cut_off(talk, "Save", pressed=(save,))
    done = await talk.send("Save", "Cancel", pressed=(save, cancel))
    assert len(talk.desk.texts) == 1
    assert done.text == f"{WORDS.say('settled', 'en')}\n\n{WORDS.say('stored', 'en')}"
    assert [state for _, state in done.effects.settled] == [ProposalState.DONE]


async def test_of_two_buttons_in_one_burst_the_later_counts() -> None:
    """Whoever presses Cancel right after Save, before anything was done, gets nothing stored."""
    talk = chat()
    asked = await talk.send(NOTE)
    done = await talk.send("Save", "Cancel", pressed=(button(asked, "Save"), button(asked, "Cancel")))
    assert done.text == WORDS.say("dropped", "en")
    assert talk.desk.texts == {}


@pytest.mark.parametrize("later", ["thanks!", "When do you open?", "but only on Sundays"])
async def test_what_follows_a_begun_yes_does_not_leave_it_open(later: str) -> None:
    """A typed yes whose turn was superseded is finished by the next turn, whatever came in between."""
    talk = chat()
    await talk.send(NOTE)
    talk.desk.patience.clear()
    turn = asyncio.create_task(talk.responder.respond(talk.burst("yes")))
    await talk.desk.asked_for.wait()
    turn.cancel()
    await asyncio.wait({turn})
    talk.desk.patience.set()
    done = await talk.send("yes", later)
    assert WORDS.say("stored", "en") in str(done.text)
    assert [state for _, state in done.effects.settled] == [ProposalState.DONE]
    assert "Delivery costs 5 euros now." in talk.desk.texts.values()


async def test_thanks_and_questions_beside_a_yes_leave_it_a_yes() -> None:
    """What may take it back or change it does not."""
    for texts, stored in ((("yes", "thanks!"), 1), (("yes", "When do you open?"), 1), (("yes", "no"), 0)):
        talk = chat()
        await talk.send(NOTE)
        await talk.send(*texts)
        assert len(talk.desk.texts) == stored
    talk = chat()
    await talk.send(NOTE)
    await talk.send("yes", "but it costs 6 euros on Sundays")
    assert talk.desk.texts == {}


@pytest.mark.parametrize("ends", [DocumentStatus.FAILED, DocumentStatus.PARSING])
async def test_nothing_is_forgotten_for_a_note_that_is_not_read(ends: DocumentStatus) -> None:
    """Replace takes the old sentence out only once the new one can be found."""
    talk = chat(PARKING)
    asked = await talk.send("Parking costs 2 euros")
    talk.desk.ends = ends
    done = await talk.press(asked, "Replace")
    assert talk.desk.corrections == []
    assert [state for _, state in done.effects.settled] == [
        ProposalState.DONE if ends is DocumentStatus.FAILED else ProposalState.READING
    ]
    if ends is DocumentStatus.PARSING:
        talk.desk.ends = DocumentStatus.READY
        [(_, proposal, _)] = talk.desk.proposals.values()
        await talk.desk.add_note("b", proposal.id, "Note.md", "Parking costs 2 euros.")
        told = await talk.agent.concluded("b", proposal, list(talk.desk.documents.values()))
        assert WORDS.say("replaced", "en") in told
        assert [each.quotes for each in talk.desk.corrections] == [("Parking is free.",)]


async def test_questions_wait_beside_each_other() -> None:
    """A second question leaves the first one open; buttons of both in one burst are both heard."""
    talk = chat()
    one, two = await talk.send(NOTE), await talk.send("The garden opens at 9")
    done = await talk.send("Save", "Save", pressed=(button(one, "Save"), button(two, "Save")))
    assert sorted(talk.desk.texts.values()) == ["Delivery costs 5 euros now.", "The garden opens at 9."]
    assert [state for _, state in done.effects.settled] == [ProposalState.DONE] * 2
    one = await talk.send("Parking costs 7 euros")
    await talk.send("The tower opens at 8")
    await talk.send("yes")
    assert "The tower opens at 8." in talk.desk.texts.values()
    await talk.press(one, "Save")
    assert "Parking costs 7 euros." in talk.desk.texts.values()


async def test_what_has_changed_since_it_was_shown_is_said() -> None:
    """Nothing is called forgotten or replaced that was not there any more."""
    talk = chat(PARKING)
    talk.desk.changed = {PARKING.chunk_id}
    changed = WORDS.say("changed", "en").format(done=0, all=1)
    done = await talk.press(await talk.send("Parking costs 2 euros"), "Replace")
    assert done.text == f"{WORDS.say('stored', 'en')} {changed}"
    talk = chat(PARKING)
    talk.desk.changed = {PARKING.chunk_id}
    done = await talk.press(await talk.send("Forget what you know about parking"), "Forget")
    assert done.text == changed


async def test_every_message_of_a_burst_is_heard() -> None:
    """A statement beside a wish, a wish beside a wish, and a word for a person or to stop beside either."""
    talk = chat(PARKING)
    both = await talk.send("What do you know about parking?", "We are closed on 24 December.")
    assert str(both.text).startswith(WORDS.say("knows", "en"))
    assert "“We are closed on 24 December.”" in str(both.text)
    two = await talk.send("We are closed on 25 December.", "Forget what you know about parking")
    assert titles(two) == ["Forget", "Cancel"]
    assert [[each.title for each in message.buttons] for message in two.then] == [["Save", "Cancel"]]
    await talk.send("Forget", "Save", pressed=(button(two, "Forget"), two.then[0].buttons[0].id))
    assert len(talk.desk.corrections) == 1
    assert "We are closed on 25 December." in talk.desk.texts.values()
    person = await talk.send("We are closed on Monday.", "Please let me talk to a human")
    assert str(person.text).startswith("Heard: Please let me talk to a human\n\n")
    assert titles(person) == ["Save", "Cancel"]


async def test_stop_beside_a_document_stops() -> None:
    """Who wants no more messages is asked nothing; who wants a person is handed over, document or not."""
    talk = chat()
    talk.desk.files = {"1": 5}
    sent = Attachment("m", "document", "1", "application/pdf", "menu.pdf")
    assert (await talk.send("stop", attachments=(sent,))).text == "Heard: stop"
    assert (await talk.send("Our new menu", "person", attachments=(sent,))).text == (
        "Heard: person\n\nShall I learn *menu.pdf* (1 kB)?"
    )
    assert (await talk.send("stop", mode=Mode.PERSON)).text == "Heard: stop"


async def test_the_model_may_hear_a_wish_beside_a_statement() -> None:
    """A wish in free words costs neither the statement nor the question beside it."""
    wish = {"statements": [1], "text": "The garden is closed.", "forget": "parking", "language": "en"}
    nothing: dict[str, list[object]] = {"same": [], "contradicts": []}
    talk = chat(passage("Parking is free.", "faq.md"), model=ScriptedModel(wish, nothing))
    said = await talk.send("The garden is closed", "Could you drop that parking thing?", "Do you deliver to Porto?")
    assert str(said.text).startswith("Heard: Do you deliver to Porto?")
    assert titles(said) == ["Save", "Cancel"]
    assert len(said.then) == 1
