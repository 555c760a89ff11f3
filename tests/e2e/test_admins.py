"""What admins send by WhatsApp becomes knowledge: through the front door, with buttons, over a kill."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bot.simulator.customers import SentMessage
from tests.e2e.stage import Stage, running_stage, until
from tests.fakes.small_documents import pdf

pytestmark = [
    pytest.mark.blocking_allowed,  # looks into files and starts processes
    pytest.mark.asyncio(loop_scope="module"),
]

OWNER = "4915100000001"
STRANGER = "4915100000002"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A server with one admin; the tests share it, each with a subject of its own."""
    folder = tmp_path_factory.mktemp("admins")
    async with running_stage(folder, CONCIERGE_ADMIN_CONTACTS="+49 151 0000-0001, DE.Unknown1") as shown:
        yield shown


def buttons(message: SentMessage) -> dict[str, str]:
    """Title → id."""
    listed = message.body["interactive"]["action"]["buttons"]
    return {button["reply"]["title"]: button["reply"]["id"] for button in listed}


async def press(stage: Stage, message: SentMessage, title: str) -> str:
    """Press a button; what comes back."""
    await stage.simulator.customer_presses(OWNER, buttons(message)[title], quoted=message.wamid)
    return (await stage.reply(OWNER)).text


async def stored(stage: Stage, reply: str) -> str:
    """What is said once it is stored and read: at once, or in a message of its own where reading takes long."""
    if "will tell you" in reply:
        told = (await stage.reply(OWNER)).text
        assert "read. Customers get answers" in told
        return told
    assert reply.startswith("Stored")
    return reply


async def says(stage: Stage, text: str) -> SentMessage:
    await stage.simulator.customer_says(OWNER, text)
    return await stage.reply(OWNER)


async def test_a_statement_becomes_an_answer_and_is_forgotten(stage: Stage):
    """A yes by button stores it for customers; "forget what you know about …" takes it back."""
    asked = await says(stage, "Hi, the lighthouse tour starts at 11:30")
    assert "“The lighthouse tour starts at 11:30.”" in asked.text
    assert list(buttons(asked)) == ["Save", "Cancel"]
    assert "don't have an answer" in await stage.ask("4915100000010", "When does the lighthouse tour start?")
    await stored(stage, await press(stage, asked, "Save"))
    answer = await stage.ask("4915100000011", "When does the lighthouse tour start?")
    assert "The lighthouse tour starts at 11:30." in answer
    assert "Note " in answer
    assert "settled already" in await press(stage, asked, "Save")
    known = await says(stage, "What do you know about the lighthouse tour?")
    assert "11:30" in known.text
    asked = await says(stage, "Forget what you know about the lighthouse tour")
    assert "11:30" in asked.text
    assert "Forgotten" in await press(stage, asked, "Forget")
    assert "don't have an answer" in await stage.ask("4915100000012", "When does the lighthouse tour start?")
    _, page = await stage.call("GET", "/api/v1/businesses/default/documents")
    assert not [each for each in page["documents"] if "lighthouse" in each["filename"]]


async def test_a_contradicted_sentence_is_shown_and_replaced(stage: Stage):
    """What stands in an uploaded file against it is shown first; "Replace" takes that sentence out, and no other."""
    await stage.upload([("delivery.md", b"# Delivery\n\nDelivery costs 4 euros. Parcels arrive within two days.\n")])
    asked = await says(stage, "Delivery costs 6 euros.")
    assert "Delivery costs 4 euros." in asked.text
    assert list(buttons(asked)) == ["Replace", "Keep both", "Cancel"]
    await stored(stage, await press(stage, asked, "Replace"))
    answer = await stage.ask("4915100000020", "What does delivery cost?")
    assert "6 euros" in answer
    assert "4 euros" not in answer
    assert "two days" in await stage.ask("4915100000021", "When do parcels arrive?")
    asked = await says(stage, "Delivery costs 6 euros!")
    assert "I know this already" in asked.text
    assert "changed nothing" in (await says(stage, "no")).text


async def test_a_document_is_learned_after_a_yes(stage: Stage):
    """A forwarded file is named with its size, fetched after the yes, and its failure is told in a sentence."""
    stage.simulator.phone.sends_file(
        OWNER, pdf("The sauna opens at a quarter past seven."), "application/pdf", filename="sauna.pdf"
    )
    asked = await stage.reply(OWNER)
    assert "sauna.pdf" in asked.text
    assert "kB" in asked.text
    reply = await press(stage, asked, "Save")
    if "will tell you" in reply:
        reply = (await stage.reply(OWNER)).text
    assert "sauna.pdf_: read" in reply
    assert "quarter past seven" in await stage.ask("4915100000030", "When does the sauna open?")
    stage.simulator.phone.sends_file(OWNER, b"\x00\x01\x02" * 99, "application/pdf", filename="broken.pdf")
    reply = await press(stage, await stage.reply(OWNER), "Save")
    assert "broken.pdf" in reply
    assert "could not be read" in reply


async def test_a_voice_note_asks_to_be_typed(stage: Stage):
    """Without a model that hears, the admin is told so; the message is answered, not closed."""
    stage.simulator.phone.sends_file(OWNER, b"OggS", "audio/ogg; codecs=opus", voice=True)
    assert "Please type it" in (await stage.reply(OWNER)).text


async def test_nobody_else_changes_knowledge(stage: Stage):
    """Who is not named in the settings is a customer: statements, files and forged buttons change nothing."""
    assert "store" not in await stage.ask(STRANGER, "We are closed on 24 December")
    asked = await says(stage, "The cellar is closed on Mondays")
    pressed = {"id": buttons(asked)["Save"], "title": "Save"}
    content = {"type": "interactive", "interactive": {"type": "button_reply", "button_reply": pressed}}
    await stage.simulator.customer_sends(STRANGER, content)
    await stage.reply(STRANGER)
    stage.simulator.phone.sends_file(STRANGER, b"The cellar is pink.", "text/plain", filename="cellar.txt")
    await stage.reply(STRANGER)
    _, page = await stage.call("GET", "/api/v1/businesses/default/documents")
    assert not [each for each in page["documents"] if "cellar" in each["filename"]]
    assert stage.server.rows("SELECT count(*) AS n FROM proposals WHERE state = 'open'") == [{"n": 1}]


async def test_a_kill_between_question_and_yes_loses_nothing(stage: Stage):
    """The question survives the server's death; the yes that is pressed meanwhile stores the note once."""
    asked = await says(stage, "The boathouse opens on 3 May")
    await stage.server.kill()
    await stage.simulator.customer_presses(OWNER, buttons(asked)["Save"], quoted=asked.wamid)
    await stage.server.start()
    await stored(stage, (await stage.reply(OWNER)).text)
    _, page = await stage.call("GET", "/api/v1/businesses/default/documents")
    assert len([each for each in page["documents"] if "boathouse" in each["filename"]]) == 1
    assert "3 May" in await stage.ask("4915100000040", "When does the boathouse open?")
    await until(stage._nothing_open, "everything to end")
