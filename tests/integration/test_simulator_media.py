"""Files at the simulated WhatsApp (WHATSAPP.md 4.5)."""

import hashlib

import aiohttp
import pytest

from tests.fakes.whatsapp_business import MARIA, TOKEN, Business, code, open_business

PNG = b"\x89PNG picture"


async def fetched(meta: Business, url: str, headers: dict[str, str] = TOKEN) -> tuple[int, bytes, str]:
    async with meta.session.get(url, headers=headers) as answer:
        return answer.status, await answer.read(), answer.headers["Content-Type"]


async def test_an_address_wants_the_token_and_lives_five_minutes():
    """A look-up gives hash, size and an address; the address opens by the token, until it expires."""
    async with open_business() as meta:
        _, uploaded = await meta.upload(PNG, "image/png", "bike.png")
        status, found = await meta.ask("GET", uploaded["id"])
        assert status == 200
        assert (found["file_size"], found["mime_type"]) == (str(len(PNG)), "image/png")
        assert found["sha256"] == hashlib.sha256(PNG).hexdigest()
        assert await fetched(meta, found["url"]) == (200, PNG, "image/png")
        assert (await fetched(meta, found["url"], {}))[0] == 401
        assert (await fetched(meta, found["url"].replace("hash=", "hash=0")))[0] == 404
        await meta.clock.advance(300)
        assert (await fetched(meta, found["url"]))[0] == 404
        _, again = await meta.ask("GET", uploaded["id"])
        assert (await fetched(meta, again["url"]))[0] == 200


async def test_uploads_stay_thirty_days_and_received_files_seven():
    """After that the id is unknown."""
    async with open_business() as meta:
        _, uploaded = await meta.upload(PNG, "image/png")
        meta.simulator.phone.sends_file(MARIA, PNG, "image/png")
        await meta.simulator.webhooks_settled()
        received = meta.door.items("messages")[0]["image"]["id"]
        await meta.clock.advance(7 * 24 * 3600 - 1)
        assert (await meta.ask("GET", received))[0] == 200
        await meta.clock.advance(1)
        assert code(await meta.ask("GET", received)) == 100
        assert (await meta.ask("GET", uploaded["id"]))[0] == 200
        await meta.clock.advance(23 * 24 * 3600)
        assert code(await meta.ask("GET", uploaded["id"])) == 100


async def test_a_file_is_deleted_once():
    """Deleted, it is gone for look-ups and sends."""
    async with open_business() as meta:
        await meta.simulator.customer_says(MARIA, "Hi")
        _, uploaded = await meta.upload(PNG, "image/png")
        assert code(await meta.ask("GET", f"{uploaded['id']}?phone_number_id=778")) == 100
        assert await meta.ask("DELETE", uploaded["id"]) == (200, {"success": True})
        assert code(await meta.ask("DELETE", uploaded["id"])) == 100
        assert code(await meta.send("image", {"id": uploaded["id"]})) == 131009


@pytest.mark.parametrize(
    ("size", "mime_type", "expected"),
    [
        (5 * 1024 * 1024, "image/jpeg", 0),
        (5 * 1024 * 1024 + 1, "image/jpeg", 131053),
        (16 * 1024 * 1024 + 1, "audio/mpeg", 131053),
        (500 * 1024 + 1, "image/webp", 131053),
        (17 * 1024 * 1024, "application/pdf", 0),
        (10, "image/gif", 100),
        (10, "application/zip", 100),
        (10, "audio/ogg; codecs=opus", 0),
        (0, "text/plain", 131053),
    ],
)
async def test_uploads_have_kinds_and_sizes(size, mime_type, expected):
    """A type that WhatsApp does not take, or a file that is too large for its type, is refused."""
    async with open_business() as meta:
        assert code(await meta.upload(b"x" * size, mime_type)) == expected


async def test_a_file_goes_only_where_its_kind_belongs():
    """A document is no picture, a plain sound no voice note, and a still sticker is small."""
    async with open_business() as meta:
        await meta.simulator.customer_says(MARIA, "Hi")
        ids = {}
        for mime_type in ("application/pdf", "audio/mpeg", "audio/ogg"):
            ids[mime_type] = (await meta.upload(b"file", mime_type))[1]["id"]
        still = (await meta.upload(b"x" * 101 * 1024, "image/webp"))[1]["id"]
        moving = b"RIFF\0\0\0\0WEBPVP8X\n\0\0\0\x02" + b"x" * 101 * 1024
        assert code(await meta.send("image", {"id": ids["application/pdf"]})) == 131053
        assert code(await meta.send("audio", {"id": ids["audio/mpeg"], "voice": True})) == 131053
        assert code(await meta.send("audio", {"id": ids["audio/ogg"], "voice": True})) == 0
        assert code(await meta.send("sticker", {"id": still})) == 131053
        assert code(await meta.send("sticker", {"id": (await meta.upload(moving, "image/webp"))[1]["id"]})) == 0


async def test_a_form_must_be_whole():
    """Without product, without file or without a form, the upload is code 100; for a foreign number, too."""
    async with open_business() as meta:
        assert code(await meta.ask("POST", "777/media", data={"messaging_product": "whatsapp"})) == 100
        assert code(await meta.ask("POST", "777/media", json={})) == 100
        assert code(await meta.ask("POST", "778/media", json={})) == 100


async def test_a_type_cannot_bring_a_header():
    """A type with a line break, which would come back as a header of the download, is code 100."""
    async with open_business() as meta:
        form = aiohttp.FormData({"messaging_product": "whatsapp", "type": "audio/ogg; codecs=opus\r\nX-Own: header"})
        form.add_field("file", b"OggS", filename="voice.ogg", content_type="audio/ogg")
        assert code(await meta.ask("POST", "777/media", data=form)) == 100


@pytest.mark.parametrize(
    ("mime_type", "shown"),
    [
        ("audio/ogg; codecs=opus", ("audio/ogg", "inline")),
        ("image/png;x=<script>", ("image/png", "inline")),
        ("text/html; charset=utf-8", ("application/octet-stream", "attachment")),
    ],
)
async def test_the_page_plays_what_it_knows(mime_type, shown):
    """By its bare type: a voice note with its codec is played, and what could run as a page is but a download."""
    async with open_business() as meta:
        meta.simulator.phone.sends_file(MARIA, b"OggS", mime_type)
        attached = meta.simulator.conversation(MARIA)[0].attachment
        assert attached is not None
        async with meta.session.get(f"{meta.simulator.url}/simulator/media/{attached.media_id}") as answer:
            disposition = answer.headers["Content-Disposition"].partition(";")[0]
            assert (answer.headers["Content-Type"], disposition) == shown
