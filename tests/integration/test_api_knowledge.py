"""Search and ask through the API: shapes, limits, and what is refused before anybody thinks."""

from dataclasses import replace

import pytest

from database.records import Passage, new_id
from tests.fakes.api_desk import api_desk

PASSAGE = Passage(new_id(), new_id(), "hours.pdf", "We open at nine. " * 100, 1.0000001, page=2, heading="Hours")
PLAIN = Passage(new_id(), new_id(), "notes.txt", "Closed on Sundays.", 0.25)


@pytest.fixture
async def desk(chat, clock, metrics):
    async with api_desk(chat, clock, metrics) as desk:
        desk.knowledge.passages = [PASSAGE, PLAIN]
        yield desk


async def test_passages_have_exactly_the_promised_fields(desk):
    """Text of at most 1,200 characters, a score up to 1, marks, a page and a heading only where there are some."""
    response = await desk.client.post(f"{desk.path}/search", json={"query": "When do you open?"})
    first, second = (await response.json())["passages"]
    assert set(first) == {"document_id", "filename", "text", "score", "page", "heading", "marks"}
    assert set(second) == {"document_id", "filename", "text", "score", "marks"}
    assert (len(first["text"]), first["score"], first["page"]) == (1200, 1.0, 2)
    assert desk.knowledge.asked == [(desk.business.id, "When do you open?")]


async def test_words_that_matched_are_marked(desk):
    """Other forms of the query's words are marked, by code points; small words are not."""
    text = "\U0001f552 Opening hours: the doors open at nine."
    desk.knowledge.passages = [replace(PLAIN, text=text, heading="Visit")]
    response = await desk.client.post(f"{desk.path}/search", json={"query": "When are the doors opened?"})
    (passage,) = (await response.json())["passages"]
    assert [text[start:end] for start, end in passage["marks"]] == ["Opening", "doors", "open"]
    assert passage["heading"] == "Visit"


@pytest.mark.parametrize("scope", [{"documents": ["a"]}, {"tags": ["B"]}, {"documents": [], "tags": ["b"]}])
async def test_a_search_within_documents_or_tags(desk, scope):
    """They reach the search as its scope; tags in lower case."""
    desk.knowledge.previewed = [PLAIN]
    response = await desk.client.post(f"{desk.path}/search", json={"query": "open", **scope})
    assert len((await response.json())["passages"]) == 1


async def test_the_limit_holds(desk):
    """No more passages than asked for."""
    response = await desk.client.post(f"{desk.path}/search", json={"query": "open", "limit": 1})
    assert len((await response.json())["passages"]) == 1


async def test_an_answer_names_its_sources(desk):
    """Answer, whether it is one, and where it is from."""
    response = await desk.client.post(f"{desk.path}/ask", json={"question": "When?"})
    answer = await response.json()
    assert (answer["answer"], answer["answered"]) == ("At nine.", True)
    assert [source["filename"] for source in answer["sources"]] == ["hours.pdf"]


async def test_not_knowing_is_an_answer(desk):
    """200 with answered false and no sources."""
    desk.knowledge.passages = []
    answer = await (await desk.client.post(f"{desk.path}/ask", json={"question": "When?"})).json()
    assert (answer["answered"], answer["sources"]) == (False, [])


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("search", b"", 400),
        ("search", b"{", 400),
        ("search", b"[" * 100_000, 400),
        ("search", b'{"query": ' + b"9" * 5000 + b"}", 400),
        ("search", b"[]", 422),
        ("search", b"{}", 422),
        ("search", b'{"query": 5}', 422),
        ("search", b'{"query": "  "}', 422),
        ("search", b'{"query": "\\ud83d"}', 422),
        ("search", b'{"query": "x", "limit": 0}', 422),
        ("search", b'{"query": "x", "limit": 51}', 422),
        ("search", b'{"query": "x", "limit": "5"}', 422),
        ("search", b'{"query": "x", "limit": true}', 422),
        ("search", b'{"query": "x", "limits": 5}', 422),
        ("search", b'{"query": "x", "tags": "a"}', 422),
        ("search", b'{"query": "x", "documents": [""]}', 422),
        ("search", b'{"query": "' + b"x" * 4097 + b'"}', 422),
        ("ask", b'{"question": ""}', 422),
        ("ask", b'{"question": "' + b"x" * 300_000 + b'"}', 413),
    ],
)
async def test_a_wrong_body_is_refused(desk, path, body, status):
    """400 for what is no JSON, 422 for values with their place, 413 for too much; no search was made."""
    response = await desk.client.post(f"{desk.path}/{path}", data=body)
    problem = await response.json(content_type="application/problem+json")
    assert response.status == problem["status"] == status
    assert bool(problem.get("errors")) == (status == 422)
    assert not desk.knowledge.asked
