"""An owner uploads real files, customers ask by signed webhooks, the answers arrive with their sources."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.ledger import check_log
from tests.e2e.processes import VERIFY_TOKEN
from tests.e2e.stage import BUSINESS, Stage, running_stage
from tests.fakes.small_documents import pdf
from tests.shared import shared

pytestmark = [
    pytest.mark.blocking_allowed,  # looks into files and starts processes
    pytest.mark.asyncio(loop_scope="module"),
]

MARKITDOWN, PYPDF = "evaldata/docs_markitdown/files", "evaldata/docs_pypdf_samples/files"
BENEFITS = "Benefits_Planner_Disability_How_You_Apply_Social_Security_Administration_1_0.html"
GOOD = (
    f"{MARKITDOWN}/RECEIPT-2024-TXN-98765_retail_purchase.pdf",
    f"{MARKITDOWN}/test.pdf",
    f"{MARKITDOWN}/ocr__docx_multipage.docx",
    f"evaldata/doc2dial_small/html/{BENEFITS}",
)
BAD = {
    f"{PYPDF}/005-libreoffice-writer-password__libreoffice-writer-password.pdf": "password",
    f"{MARKITDOWN}/random.bin": "neither text nor",
    f"{MARKITDOWN}/ocr__pdf_scanned_invoice.pdf": "holds no text",
    f"{MARKITDOWN}/test_llm.jpg": "JPEG picture",
}
DO_NOT_KNOW = "I don't have an answer to that"


def file_of(path: str, name: str | None = None) -> tuple[str, bytes]:
    found = shared(path)
    return name or found.name, found.read_bytes()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A server that knows the good files; the tests share it, each with customers of its own."""
    files = [file_of(path) for path in GOOD]
    environment = {"CONCIERGE_LOG_LEVEL": "debug", "CONCIERGE_OCR_LANGUAGES": "none"}
    async with running_stage(tmp_path_factory.mktemp("door"), **environment) as shown:
        documents = await shown.upload(files)
        assert [document["status"] for document in documents] == ["ready"] * len(GOOD)
        yield shown


@pytest.mark.parametrize(
    ("customer", "question", "answer", "source"),
    [
        ("4915111000001", "What is the return policy?", "Returns within 30 days", "TECHMART ELECTRONICS"),
        ("4915111000002", "What is AutoGen?", "multi-agent conversation", ", p. 1"),
        (
            "4915111000003",
            "Are starter kits available in Spanish?",
            "English or Spanish",
            "Benefits Planner",
        ),
        ("4915111000004", "Which text is building up to the image?", "Building up to", "cr docx multipage"),
    ],
)
async def test_a_question_gets_its_answer_with_the_source(
    stage: Stage, customer: str, question: str, answer: str, source: str
):
    """What stands in a PDF, a web page or a Word file reaches the customer, with the document's name."""
    said = await stage.ask(customer, question)
    assert answer in said
    assert source in said
    assert len(said) <= 400


async def test_a_conversation_is_shown_with_its_dispositions(stage: Stage):
    """The API tells each message, the turn that answered it, and that the reply was read."""
    customer = "4915112000000"
    written = await stage.simulator.customer_says_all(customer, ["Hello!", "What is the return policy?"])
    await stage.reply(customer)
    await stage.settled()
    *asked, reply = await stage.messages(customer)
    assert [message["wamid"] for message in asked] == written
    assert {message["status"] for message in asked} == {"answered"}
    assert {message["turn_id"] for message in asked} == {reply["turn_id"]} != {None}
    assert (reply["direction"], reply["status"]) == ("outbound", "read")
    on_the_phone = stage.simulator.conversation(customer)
    assert [bubble.wamid for bubble in on_the_phone] == [*written, reply["wamid"]]
    assert {bubble.status for bubble in on_the_phone} == {"read"}
    assert (await stage.conversation(customer))["mode"] == "bot"


async def test_bad_files_fail_alone_with_a_sentence(stage: Stage):
    """Locked, random, scanned, mislabelled, foreign and empty files each say what to do; their neighbour is read."""
    mislabelled = file_of(f"{MARKITDOWN}/ocr__docx_multipage.docx", "prices.pdf")
    files = [file_of(path) for path in BAD] + [mislabelled, ("empty.txt", b""), ("fine.txt", b"The lamp is green.")]
    *failed, fine = await stage.upload(files)
    assert fine["status"] == "ready"
    expected = [*BAD.values(), "The name ends in .pdf, but the content is a Word document", "The file is empty."]
    for document, words in zip(failed, expected, strict=True):
        assert document["status"] == "failed"
        assert words in document["error_message"]
        assert len(document["error_message"]) <= 300
        assert document["chunks_count"] == 0
    assert "green" in await stage.ask("4915113000000", "Which colour is the lamp?")


async def test_a_deleted_document_is_found_by_nothing(stage: Stage):
    """From the moment of the 204 neither search nor ask nor a customer finds it, and its address is gone."""
    [document] = await stage.upload([("parking.pdf", pdf("The parking garage opens at half past five."))])
    question = "When does the parking garage open?"
    assert "half past five" in await stage.ask("4915114000000", question)
    path = f"{BUSINESS}/documents/{document['id']}"
    assert await stage.call("DELETE", path) == (204, None)
    assert await found_by_search(stage, question, document["id"]) == []
    _, answer = await stage.call("POST", f"{BUSINESS}/ask", {"question": question})
    assert "half past five" not in json.dumps(answer)
    assert "half past five" not in await stage.ask("4915114000001", question)
    assert (await stage.call("GET", path))[0] == 404
    assert (await stage.call("DELETE", path))[0] == 404


async def found_by_search(stage: Stage, query: str, document_id: str) -> list[Any]:
    _, found = await stage.call("POST", f"{BUSINESS}/search", {"query": query, "limit": 50})
    return [passage for passage in found["passages"] if passage["document_id"] == document_id]


async def test_a_foreign_question_is_not_answered_from_thin_air(stage: Stage):
    """What no document speaks of gets an honest sentence, in the customer's language."""
    assert DO_NOT_KNOW in await stage.ask("4915115000000", "How do I bake sourdough bread?")
    assert "no tengo respuesta" in await stage.ask("4915115000001", "¿Cómo preparo una paella con mariscos?")


async def test_a_person_takes_over_and_gives_the_chat_back(stage: Stage):
    """A wish for a person hands over; then the bot is silent until the chat is given back to it."""
    customer = "4915116000000"
    assert "handing you over" in await stage.ask(customer, "person")
    silent = await stage.simulator.customer_says(customer, "What is the return policy?")
    await stage.settled()
    conversation = await stage.conversation(customer)
    assert conversation["mode"] == "person"
    last = (await stage.messages(customer))[-1]
    assert (last["wamid"], last["status"], last["reason"]) == (silent, "closed", "with_person")
    status, given_back = await stage.call("PATCH", f"/api/v1/conversations/{conversation['id']}", {"mode": "bot"})
    assert (status, given_back["mode"]) == (200, "bot")
    assert "30 days" in await stage.ask(customer, "What is the return policy?")


async def test_stop_is_obeyed_until_start(stage: Stage):
    """After "stop" and its confirmation nothing is sent, whatever is asked; "start" ends that."""
    customer = "4915117000000"
    assert "won't get any more messages" in await stage.ask(customer, "stop")
    await stage.simulator.customer_says(customer, "What is the return policy?")
    await stage.settled()
    last = (await stage.messages(customer))[-1]
    assert (last["status"], last["reason"]) == ("closed", "opted_out")
    assert "All set" in await stage.ask(customer, "START")
    assert "30 days" in await stage.ask(customer, "What is the return policy?")


async def test_the_log_tells_no_texts_and_no_secrets(stage: Stage):
    """Messages, answers, tokens, secrets and query strings are nowhere in a log at its most talkative."""
    question = "Which quokka ate my marzipan umbrella?"
    reply = await stage.ask("4915118000000", question)
    await stage.ask("4915118000000", "What is the return policy?")
    handshake = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "73911"}
    for token, status in ((VERIFY_TOKEN, 200), ("guessed-verify-token", 403)):
        query = handshake | {"hub.verify_token": token}
        async with stage.session.get("/webhooks/whatsapp", params=query) as answer:
            assert answer.status == status
    assert await stage.simulator.post_body(b'{"unsigned": "zebra"}', {"X-Hub-Signature-256": "sha256=00"}) == 401
    assert await stage.simulator.post_body(b'{"entry": "giraffe"}') == 200
    async with stage.session.get("/api/v1/x", headers={"Authorization": "Bearer guessed-admin-token"}) as answer:
        assert answer.status == 401
    await stage.settled()
    assert "/webhooks/whatsapp" in stage.server.log(), "the log was expected to be talkative"
    spoken = (question, "quokka", "return policy", reply[:30], "30 days", "zebra", "giraffe", "73911", "guessed-")
    check_log(stage.server, *spoken)
