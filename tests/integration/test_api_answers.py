"""Questions with their answers through the API, and the chats that propose them."""

import asyncio

import pytest

from bot.knowledge_gaps import PairedAnswers
from database.answer_pairs import PairContent, put_pair
from services.answer_pairs import AnswerNotTakenError, AnswerPairs, question_key
from services.ingestion import IngestionOptions
from tests.fakes.cut_off_documents import CutOffDocuments
from tests.fakes.document_desk import document_desk
from tests.fakes.document_desk import form as files_form

CHAT = "\n".join(  # noqa: FLY002 - a chat is read line by line
    [
        "12/03/2024, 09:15 - Messages and calls are end-to-end encrypted.",
        "12/03/2024, 09:15 - Anna: Hi, when do you open on Mondays?",
        "12/03/2024, 09:16 - Corner Cafe: Hello Anna! We open at nine on Mondays.",
        "12/03/2024, 10:15 - Anna: Do you have cheese cake?",
        "12/03/2024, 10:16 - Corner Cafe: We have cheese cake every Friday.",
        "13/03/2024, 09:15 - Anna: Can I pay by card?",
        "13/03/2024, 09:16 - Corner Cafe: You can pay by card from ten euros.",
    ]
)


@pytest.fixture
async def desk(chat, knowledge, clock, metrics, tmp_path):
    async with document_desk(chat, knowledge, clock, metrics, tmp_path / "files") as desk:
        yield desk


async def call(desk, method, path, status=200, **arguments):
    async with desk.client.request(method, f"{desk.path}{path}", **arguments) as response:
        assert response.status == status, await response.text()
        return await response.json(content_type=None) if await response.read() else None


def chunks(desk, document):
    return [(each.heading, each.text) for each in desk.index.chunks.values() if each.document_id == document["id"]]


async def test_a_pair_becomes_knowledge(desk):
    """The question is the heading, the answer the text; 201 with the pair and its document."""
    wanted = {"question": "Do you deliver\non Sundays?", "answer": "Yes, from ten to four.", "tags": ["Delivery"]}
    pair = await call(desk, "POST", "/answers", 201, json=wanted)
    (document,) = await desk.ended(pair["document"])
    assert (document["source"], document["status"], document["tags"]) == ("answer", "ready", ["delivery"])
    assert document["filename"] == "Do you deliver on Sundays?.md"
    assert chunks(desk, document) == [("Do you deliver on Sundays?", "Yes, from ten to four.")]
    shown = await call(desk, "GET", f"/answers/{pair['id']}")
    assert (shown["question"], shown["document"]["status"]) == ("Do you deliver on Sundays?", "ready")


async def test_a_pairs_document_says_what_the_pair_says(desk):
    """Its versions and tags are changed by the pair alone; the same question without tags keeps them."""
    wanted = {"question": "What do boats cost?", "answer": "50 euros.", "tags": ["sea"]}
    pair = await call(desk, "POST", "/answers", 201, json=wanted)
    again = await call(desk, "POST", "/answers", 201, json={**wanted, "answer": "99 euros.", "tags": None})
    assert (again["id"], again["answer"], again["tags"]) == (pair["id"], "99 euros.", ["sea"])
    await desk.ended(again["document"])
    path = f"/documents/{pair['id']}"
    problem = await call(desk, "POST", f"{path}/rollback", 409, json={"version": 1})
    assert "change that instead" in problem["detail"]
    await call(desk, "PATCH", path, 409, json={"tags": ["land"]})
    assert [text for _, text in chunks(desk, pair["document"])][-1] == "99 euros."


async def test_control_characters_are_no_part_of_an_answer(desk):
    """What nobody sees keeps no answer from becoming knowledge."""
    wanted = {"question": "Bells\u0007?", "answer": "Line one.\u0000\u0008\nLine\ttwo."}
    pair = await call(desk, "POST", "/answers", 201, json=wanted)
    assert (pair["question"], pair["answer"]) == ("Bells ?", "Line one.  \nLine\ttwo.")
    (document,) = await desk.ended(pair["document"])
    assert document["status"] == "ready"
    problem = await call(desk, "POST", "/answers", 422, json=[wanted])
    assert problem["errors"][0]["detail"] == "must be an object with named values"


async def test_a_list_of_pairs_is_taken_in_its_order(desk):
    """And listed in pages, the oldest first."""
    wanted = [{"question": f"What is number {n}?", "answer": f"It is {n}."} for n in range(5)]
    made = await call(desk, "POST", "/answers", 201, json={"answers": wanted})
    assert [each["question"] for each in made["answers"]] == [each["question"] for each in wanted]
    seen, cursor = [], ""
    while cursor is not None:
        page = await call(desk, "GET", "/answers", params={"limit": "2", "cursor": cursor})
        seen += [each["id"] for each in page["answers"]]
        cursor = page["next_cursor"]
    assert seen == [each["id"] for each in made["answers"]]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"question": "When?"},
        {"question": " ", "answer": "At nine."},
        {"question": "When?", "answer": "At nine.", "answers": [{"question": "a", "answer": "b"}]},
        {"answers": []},
        {"answers": [{"question": "a", "answer": "b"}] * 101},
        {"question": "q" * 501, "answer": "a"},
        {"question": "When?", "answer": "At nine.", "tags": ["a,b"]},
    ],
)
async def test_what_is_no_pair_is_refused(desk, body):
    """422, and nothing is stored."""
    await call(desk, "POST", "/answers", 422, json=body)
    assert (await call(desk, "GET", "/answers"))["answers"] == []


async def test_the_same_question_gets_the_new_answer(desk):
    """Whatever its case and marks; the old one answers until the new one is ready."""
    first = await call(desk, "POST", "/answers", 201, json={"question": "When do you open?", "answer": "At nine."})
    await desk.ended(first["document"])
    second = await call(desk, "POST", "/answers", 201, json={"question": "when do you OPEN", "answer": "At ten."})
    (document,) = await desk.ended(second["document"])
    assert second["id"] == first["id"]
    assert document["live_version"] == 2
    assert ("when do you OPEN", "At ten.") in chunks(desk, document)


async def test_a_pair_is_changed_and_forgotten(desk):
    """PUT makes a new version; DELETE takes it from every search at once."""
    pair = await call(desk, "POST", "/answers", 201, json={"question": "When do you open?", "answer": "At nine."})
    other = await call(desk, "POST", "/answers", 201, json={"question": "When do you close?", "answer": "At five."})
    await desk.ended(pair["document"])
    wanted = {"question": "When do you open?", "answer": "At ten.", "tags": ["hours"]}
    changed = await call(desk, "PUT", f"/answers/{pair['id']}", json=wanted)
    (document,) = await desk.ended(changed["document"])
    assert (document["version"], document["tags"]) == (2, ["hours"])
    taken = {"question": "when do you close", "answer": "At six."}
    await call(desk, "PUT", f"/answers/{pair['id']}", 409, json=taken)
    await call(desk, "DELETE", f"/answers/{pair['id']}", 204)
    for method in ("GET", "DELETE"):
        await call(desk, method, f"/answers/{pair['id']}", 404)
    await call(desk, "PUT", f"/answers/{pair['id']}", 404, json=wanted)
    await desk.call("GET", f"/{pair['id']}", 404)
    assert [each["id"] for each in (await call(desk, "GET", "/answers"))["answers"]] == [other["id"]]


async def test_a_pair_whose_document_was_deleted_is_gone(desk):
    """And the question is free again, before anything is swept up."""
    wanted = {"question": "When do you open?", "answer": "At nine."}
    pair = await call(desk, "POST", "/answers", 201, json=wanted)
    await desk.call("DELETE", f"/{pair['id']}", 204)
    await call(desk, "GET", f"/answers/{pair['id']}", 404)
    again = await call(desk, "POST", "/answers", 201, json=wanted)
    assert again["id"] != pair["id"]


async def test_an_answer_with_headings_stays_under_its_question(desk):
    """Lines that Markdown would take for headings are text; lists stay lists."""
    wanted = {"question": "What is #1?", "answer": "# First\nThis one\n---\n- a\n- b"}
    pair = await call(desk, "POST", "/answers", 201, json=wanted)
    (document,) = await desk.ended(pair["document"])
    assert {heading for heading, _ in chunks(desk, document)} == {"What is #1?"}
    assert "First" in chunks(desk, document)[0][1]


async def test_a_long_answer_is_cut_as_usual(desk):
    """Each piece under the question."""
    answer = "\n\n".join(f"Paragraph {n} says a little more about it. " * 8 for n in range(12))
    pair = await call(desk, "POST", "/answers", 201, json={"question": "How does it work?", "answer": answer})
    (document,) = await desk.ended(pair["document"])
    assert len(chunks(desk, document)) > 1
    assert {heading for heading, _ in chunks(desk, document)} == {"How does it work?"}


async def test_a_pair_that_a_crash_cut_off_gets_its_document(desk, knowledge, clock):
    """The row is written first; the sweep does the rest."""
    content = PairContent("When do you open?", question_key("When do you open?"), "At nine.")
    stored = await knowledge.write(put_pair(desk.business.id, content, clock.now()))
    assert (await call(desk, "GET", f"/answers/{stored.document_id}"))["document"] is None
    await clock.advance(120)
    await desk.sources.sweep()
    (document,) = await desk.ended({"id": stored.document_id})
    assert document["status"] == "ready"
    assert await desk.sources.answers.sweep() == 0


async def export(desk, status=202, text=CHAT, **fields):
    data = files_form(("WhatsApp Chat with Anna.txt", text.encode()))
    for name, value in fields.items():
        data.add_field(name, value)
    return await call(desk, "POST", "/chat-exports", status, data=data)


async def test_a_chat_becomes_proposals_and_no_knowledge(desk):
    """Nothing is knowledge without a yes."""
    assert await export(desk) == {"found": 3, "proposed": 3}
    proposed = (await call(desk, "GET", "/proposed-answers"))["proposed_answers"]
    assert [(each["question"], each["answer"], each["state"]) for each in proposed] == [
        ("Can I pay by card?", "You can pay by card from ten euros.", "open"),
        ("Do you have cheese cake?", "We have cheese cake every Friday.", "open"),
        ("When do you open on Mondays?", "We open at nine on Mondays.", "open"),
    ]
    assert (await desk.call("GET", ""))["documents"] == []
    assert "Anna" not in str([(each["question"], each["answer"]) for each in proposed])


async def test_a_proposal_becomes_a_pair_by_a_yes(desk):
    """In its own words or in others; once."""
    await export(desk)
    first, second, _ = (await call(desk, "GET", "/proposed-answers"))["proposed_answers"]
    pair = await call(desk, "POST", f"/proposed-answers/{first['id']}/accept", 201)
    assert pair["answer"] == first["answer"]
    other = {"question": "Is there cheese cake?", "answer": "Every Friday."}
    edited = await call(desk, "POST", f"/proposed-answers/{second['id']}/accept", 201, json=other)
    assert (edited["question"], edited["answer"]) == ("Is there cheese cake?", "Every Friday.")
    await desk.ended(pair["document"], edited["document"])
    await call(desk, "POST", f"/proposed-answers/{first['id']}/accept", 409)
    await call(desk, "DELETE", f"/proposed-answers/{first['id']}", 404)
    taken = (await call(desk, "GET", "/proposed-answers", params={"state": "taken"}))["proposed_answers"]
    assert {each["answer_id"] for each in taken} == {pair["id"], edited["id"]}


async def test_what_was_refused_or_is_known_is_not_proposed_again(desk):
    """The same chat a month later brings only what is new."""
    known = {"question": "Can I pay by card?", "answer": "Yes."}
    await call(desk, "POST", "/answers", 201, json=known)
    assert await export(desk) == {"found": 3, "proposed": 2}
    refused = (await call(desk, "GET", "/proposed-answers"))["proposed_answers"][0]
    await call(desk, "DELETE", f"/proposed-answers/{refused['id']}", 204)
    assert await export(desk) == {"found": 3, "proposed": 0}
    still = (await call(desk, "GET", "/proposed-answers", params={"state": "open"}))["proposed_answers"]
    assert refused["id"] not in {each["id"] for each in still}


async def test_who_answers_is_asked_for_when_it_is_unclear(desk):
    """422 names those who wrote; a field of the form says which."""
    text = "12/03/2024, 09:15 - Anna: Do you deliver?\n12/03/2024, 09:16 - Ben: Yes, we deliver every day."
    problem = await export(desk, 422, text)
    assert problem["errors"][0]["where"] == "business_name"
    assert "Anna" in problem["errors"][0]["detail"]
    assert "Ben" in problem["errors"][0]["detail"]
    assert (await export(desk, 202, text, business_name="Ben"))["proposed"] == 1


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ({"json": {}}, 415),
        ({"data": b"--x", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, 400),
        ({"data": files_form(("notes.txt", b"just notes"))}, 422),
        ({"data": files_form(("one.txt", CHAT.encode()), ("two.txt", CHAT.encode()))}, 422),
    ],
)
async def test_what_is_no_chat_is_refused(desk, arguments, status):
    """With a sentence about what to send."""
    problem = await call(desk, "POST", "/chat-exports", status, **arguments)
    assert problem["status"] == status


async def test_proposals_of_another_business_are_not_there(desk):
    """404, as if they did not exist."""
    await export(desk)
    proposal = (await call(desk, "GET", "/proposed-answers"))["proposed_answers"][0]
    assert await desk.sources.chats.accept("another-business", proposal["id"]) is None
    assert not await desk.sources.chats.refuse("another-business", proposal["id"])
    assert await desk.sources.answers.page("another-business", 10) == []


async def test_deleting_that_is_cut_off_leaves_a_pair_that_can_be_deleted(desk):
    """No answer goes on answering that nobody sees any more."""
    pair = await call(desk, "POST", "/answers", 201, json={"question": "When do you open?", "answer": "At nine."})
    await desk.ended(pair["document"])
    answers = desk.sources.answers
    broken = AnswerPairs(answers._database, CutOffDocuments(desk.ingestion), answers._clock)
    with pytest.raises(asyncio.CancelledError):
        await broken.remove(desk.business.id, pair["id"])
    assert (await call(desk, "GET", f"/answers/{pair['id']}"))["document"]["status"] == "ready"
    await call(desk, "DELETE", f"/answers/{pair['id']}", 204)
    await desk.call("GET", f"/{pair['id']}", 404)


async def test_a_change_and_a_deletion_at_once_end_one_way_or_the_other(desk):
    """The pair is gone with its document, whoever was first."""
    answers, business = desk.sources.answers, desk.business.id
    for number in range(8):
        pair = await answers.add(business, f"What is number {number}?", "It is so.")
        changing = asyncio.create_task(answers.change(business, pair.id, pair.question, "It is otherwise."))
        for _ in range(number * 3):
            await asyncio.sleep(0)
        await asyncio.gather(changing, answers.remove(business, pair.id))
        assert await answers.get(business, pair.id) is None
        assert await desk.ingestion.get(business, pair.id) is None


async def test_an_answer_that_there_is_no_room_for_is_kept_and_told(chat, knowledge, clock, metrics, tmp_path):
    """409 with the reason, also to who answers a gap; it becomes knowledge when there is room."""
    options = IngestionOptions(max_documents=1)
    async with document_desk(chat, knowledge, clock, metrics, tmp_path / "files", options=options) as desk:
        first = await call(desk, "POST", "/answers", 201, json={"question": "When?", "answer": "At nine."})
        second = {"question": "Where?", "answer": "Behind the church."}
        assert "The answer is kept" in (await call(desk, "POST", "/answers", 409, json=second))["detail"]
        with pytest.raises(AnswerNotTakenError):
            await PairedAnswers(desk.sources.answers).add(desk.business.id, "Who?", "All of us.")
        await call(desk, "DELETE", f"/answers/{first['id']}", 204)
        await clock.advance(61)
        assert await desk.sources.answers.sweep() == 2
        shown = (await call(desk, "GET", "/answers"))["answers"]
        assert [each["document"] is not None for each in shown] == [True, False]
        assert shown[0]["question"] == "Where?"


async def test_a_proposal_does_not_overwrite_what_its_owner_wrote(desk):
    """409 with the pair that answers the question already; the proposal stays open."""
    await export(desk)
    proposal = (await call(desk, "GET", "/proposed-answers"))["proposed_answers"][0]
    own = await call(
        *(desk, "POST", "/answers", 201), json={"question": proposal["question"], "answer": "From eight, since May."}
    )
    problem = await call(desk, "POST", f"/proposed-answers/{proposal['id']}/accept", 409)
    assert own["id"] in problem["detail"]
    assert (await call(desk, "GET", f"/answers/{own['id']}"))["answer"] == "From eight, since May."
    assert (await call(desk, "GET", "/proposed-answers?state=open"))["proposed_answers"][0] == proposal


async def test_the_answer_of_a_gap_keeps_the_tags_of_its_question(desk):
    """Who asked it again did not ask for others."""
    wanted = {"question": "When do you open?", "answer": "At nine.", "tags": ["hours"]}
    pair = await call(desk, "POST", "/answers", 201, json=wanted)
    await PairedAnswers(desk.sources.answers).add(desk.business.id, "when do you open", "At ten.")
    (shown,) = (await call(desk, "GET", "/answers"))["answers"]
    assert (shown["id"], shown["answer"], shown["tags"]) == (pair["id"], "At ten.", ["hours"])
    assert shown["document"]["tags"] == ["hours"]
