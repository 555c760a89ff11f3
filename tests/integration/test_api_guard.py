"""Nobody gets into the API without a token, nobody too often, and every error is a problem document."""

import asyncio
import json

import aiohttp
import pytest
from yarl import URL

from tests.fakes.api_desk import ADMIN, api_desk

UNKNOWN = {"Authorization": "Bearer somebody-else"}
ADDRESSES = [
    ("GET", "/api/v1/openapi.json"),
    ("GET", "/api/v1/businesses/default/documents"),
    ("POST", "/api/v1/businesses/default/documents"),
    ("GET", "/api/v1/businesses/nobody/documents"),
    ("DELETE", "/api/v1/businesses/default/documents/1"),
    ("POST", "/api/v1/businesses/default/search"),
    ("POST", "/api/v1/businesses/default/ask"),
    ("PATCH", "/api/v1/conversations/1"),
    ("GET", "/api/v1/dead-letters"),
    ("GET", "/api"),
    ("GET", "/api/"),
    ("GET", "/api/v9/nothing"),
    ("TRACE", "/api/v1/openapi.json"),
    ("GET", "/%61pi/v1/openapi.json"),
]


@pytest.fixture
async def desk(chat, clock, metrics):
    async with api_desk(chat, clock, metrics) as desk:
        yield desk


HEADERS = [None, "", "Bearer", "Bearer ", "Basic YTpi", f"Basic {ADMIN}", "Bearer wrong", ADMIN]


@pytest.mark.parametrize("header", HEADERS)
async def test_every_address_wants_a_token_first(desk, header):
    """Known or not, with a body or not: without a valid token the answer is 401."""
    headers = {} if header is None else {"Authorization": header}
    root = str(desk.client.make_url("/")).rstrip("/")
    async with aiohttp.ClientSession(headers=headers) as stranger:
        answers = [
            await stranger.request(method, URL(root + path, encoded=True), data=b"{not json")
            for method, path in ADDRESSES
        ]
    assert {answer.status for answer in answers} == {401}
    assert {answer.content_type for answer in answers} == {"application/problem+json"}
    assert all(answer.headers["WWW-Authenticate"].startswith("Bearer") for answer in answers)


async def test_two_authorization_headers_are_none(desk):
    """Which of two would be meant is not for us to guess."""
    request = (
        "GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Authorization: Bearer wrong\r\nAuthorization: Bearer {ADMIN}\r\n\r\n"
    )
    assert (await _raw(desk, request.encode())).startswith(b"HTTP/1.1 401")


async def test_a_token_that_is_not_text_is_refused(desk):
    """Odd bytes in the header are a wrong token, not a fault."""
    request = (
        b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer \xff\xfe\r\n\r\n"
    )
    assert (await _raw(desk, request)).startswith(b"HTTP/1.1 401")


async def test_a_body_is_not_asked_for_before_the_token(desk):
    """`Expect: 100-continue` from a stranger is answered with 401 at once: no byte of the file is sent."""
    head = "POST /api/v1/businesses/default/documents HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n"
    refused = await _raw(desk, f"{head}Expect: 100-continue\r\n\r\n".encode())
    assert refused.startswith(b"HTTP/1.1 401")
    known = f"{head}Expect: 100-continue\r\nAuthorization: Bearer {ADMIN}\r\n\r\nhello"
    welcome = await _raw(desk, known.encode(), count=2)
    assert welcome.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 415")


async def test_the_scheme_is_case_insensitive(desk):
    """RFC 9110: `bearer` is `Bearer`."""
    response = await desk.client.get("/api/v1/openapi.json", headers={"Authorization": f"bearer {ADMIN}"})
    assert response.status == 200


async def test_a_key_is_limited_to_its_rate(chat, clock, metrics):
    """Beyond the rate: 429 with Retry-After; another key is not held up; after the pause it goes on."""
    other = {"Authorization": "Bearer command-token-of-the-tests"}
    async with api_desk(chat, clock, metrics, requests_per_second=2) as desk:
        statuses = [(await desk.client.get("/api/v1/dead-letters")).status for _ in range(3)]
        refused = await desk.client.get("/api/v1/dead-letters")
        assert statuses == [200, 200, 429]
        assert refused.headers["Retry-After"] == "1"
        assert (await desk.client.get("/api/v1/dead-letters", headers=other)).status == 200
        assert (await desk.client.get("/api/v1/dead-letters", headers=UNKNOWN)).status == 401
        await clock.advance(1)
        assert (await desk.client.get("/api/v1/dead-letters")).status == 200


REFUSED = {
    "GET /api/v1/nothing": 404,
    "GET /api": 404,
    "PUT /api/v1/businesses/default/search": 405,
    "GET /api/v1/businesses/nobody/documents": 404,
    "GET /api/v1/businesses/%00/documents": 404,
    "GET /api/v1/businesses/default/topics?limit=0": 422,
    "GET /api/v1/businesses/default/topics?limit=101": 422,
    "GET /api/v1/businesses/default/topics?limit=many": 422,
    "GET /api/v1/businesses/default/conversations?cursor=mine": 422,
    "GET /api/v1/businesses/default/conversations?cursor=WyJhIiwxXQ": 422,
    "GET /api/v1/dead-letters?cursor=WzFlOTld": 422,
}


async def test_every_refusal_is_a_problem_document(desk):
    """RFC 9457: a type, a title, the status, a sentence."""
    for request, status in REFUSED.items():
        response = await desk.client.request(*request.split(" "))
        problem = json.loads(await response.read())
        assert (request, response.status, problem["status"]) == (request, status, status)
        assert response.content_type == "application/problem+json"
        assert problem["title"]
        assert problem["detail"].endswith(".")


async def test_405_says_what_is_allowed(desk):
    """RFC 9110: Allow comes with 405."""
    response = await desk.client.put("/api/v1/businesses/default/search")
    assert response.headers["Allow"] == "POST"


async def test_a_fault_of_ours_shows_nothing_of_our_insides(desk, caplog):
    """500 is a problem with a number, under which the log has the traceback."""
    desk.knowledge.fault = RuntimeError("secret inside")
    response = await desk.client.post(f"{desk.path}/ask", json={"question": "When?"})
    text = await response.text()
    assert response.status == 500
    assert "secret inside" not in text
    assert json.loads(text)["instance"].removeprefix("urn:uuid:") in caplog.text


async def _raw(desk, request: bytes, count: int = 1) -> bytes:
    """The heads of the first `count` answers."""
    reader, writer = await asyncio.open_connection(desk.client.host, desk.client.port)
    writer.write(request)
    try:
        heads = [await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20) for _ in range(count)]
        return b"".join(heads)
    finally:
        writer.close()
        await writer.wait_closed()
