"""Web pages through the API: read, looked at again, gone, forgotten."""

import asyncio

import pytest
from aiohttp import web

from database.web_sources import due_web_sources
from services.web_sources import WebSources
from tests.fakes.cut_off_documents import CutOffDocuments
from tests.fakes.web_desk import DAY, PAGE, add, check, slow_pages, sources, web_desk


@pytest.fixture
async def desk(chat, knowledge, clock, metrics, tmp_path, site):
    async with web_desk(chat, knowledge, clock, metrics, tmp_path / "files", site.port) as desk:
        yield desk


def texts(desk, document):
    return [chunk.text for chunk in desk.index.chunks.values() if chunk.document_id == document["id"]]


async def test_a_page_becomes_a_document(desk, site):
    """Named by its title, with its headings, and looked at again every day."""
    site.pages["/hours"] = PAGE.format("nine", "")
    added = await add(desk, site.url("/hours"))
    (document,) = await desk.ended(*added["documents"])
    assert (document["filename"], document["status"], document["source"]) == ("Opening hours", "ready", "web")
    assert (added["web_source"]["kind"], added["web_source"]["every_hours"]) == ("page", 24.0)
    assert added["web_source"]["document_id"] == document["id"]
    assert [each["id"] for each in await sources(desk)] == [added["web_source"]["id"]]


async def test_a_changed_page_makes_a_new_version_and_an_unchanged_one_nothing(desk, site, clock):
    """Scripts and tags do not count; the sweep comes when the page is due, not before."""
    site.pages["/"] = PAGE.format("nine", "<script>let token = 1</script>")
    added = await add(desk, site.url())
    await desk.ended(*added["documents"])
    for text, version in ((PAGE.format("nine", "<script>let token = 2</script>"), 1), (PAGE.format("ten", ""), 2)):
        site.pages["/"] = text
        await clock.advance(2 * DAY)
        await desk.sources.sweep()
        (document,) = await desk.ended(*added["documents"])
        assert (document["live_version"], document["version"]) == (version, version)
    asked = site.asked("/")
    await desk.sources.sweep()
    assert site.asked("/") == asked
    assert (await sources(desk))[0]["changed_at"] is not None


async def test_a_page_that_the_site_calls_unchanged_is_not_sent_again(desk, site):
    """A conditional request costs the site nothing."""
    site.etags = True
    site.pages["/"] = PAGE.format("nine", "")
    added = await add(desk, site.url())
    (document,) = await desk.ended(*added["documents"])
    await check(desk, added["web_source"])
    assert "If-None-Match" in site.requests[-1].headers
    assert (await desk.ended(document))[0]["version"] == 1


async def test_a_page_that_is_gone_goes_on_answering_and_is_told_of(desk, site):
    """Its owner decides; the site may be broken for an hour only."""
    site.pages["/"] = PAGE.format("nine", "")
    added = await add(desk, site.url())
    (before,) = await desk.ended(*added["documents"])
    site.pages["/"] = 404
    for failures in (1, 2, 3):
        source = await check(desk, added["web_source"])
        assert (source["failures"], source["error_message"]) == (
            failures,
            "The site says that there is no such page (404).",
        )
    assert await desk.ended(before) == [before]
    site.pages["/"] = PAGE.format("nine", "")
    assert (await check(desk, source))["failures"] == 0


async def test_a_page_that_cannot_be_read_at_first_is_a_failed_document_until_it_can(desk, site, clock):
    """The sentence is where its owner looks; the pauses between the tries grow."""
    site.pages["/"] = 503
    added = await add(desk, site.url())
    assert added["documents"][0]["status"] == "failed"
    assert "503" in added["documents"][0]["error_message"]
    pauses = []
    for _ in range(3):
        due = (await sources(desk))[0]
        pauses.append(due["next_check_at"])
        await check(desk, due)
    assert len(set(pauses)) == 3
    site.pages["/"] = PAGE.format("nine", "")
    await clock.advance(DAY)
    await desk.sources.sweep()
    (document,) = await desk.ended(*added["documents"])
    assert (document["status"], document["filename"]) == ("ready", "Opening hours")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1/", "private network"),
        ("http://169.254.169.254/latest/meta-data/", "private network"),
        ("ftp://shop.example/", "must begin"),
        ("https://user:pass@shop.example/", "no user"),
        ("https://shop.example:22/", "port 22"),
    ],
)
async def test_an_address_that_we_may_not_ask_is_refused(desk, url, why):
    """422 with the reason, and nothing is kept."""
    problem = await add(desk, url, 422)
    assert problem["errors"][0]["where"] == "/url"
    assert why in problem["errors"][0]["detail"]
    assert await sources(desk) == []


async def test_what_robots_txt_forbids_is_not_read(desk, site):
    """The site's owner asks, and we keep to it."""
    site.pages["/robots.txt"] = (b"User-agent: concierge\nDisallow: /private\n", "text/plain")
    site.pages["/private"] = site.pages["/public"] = PAGE.format("nine", "")
    problem = await add(desk, site.url("/private"), 422)
    assert "robots.txt" in problem["errors"][0]["detail"]
    assert site.asked("/private") == 0
    assert (await add(desk, site.url("/public")))["documents"]


async def test_a_file_is_read_as_a_file(desk, site):
    """What is no page keeps its name, by which its kind is known."""
    site.pages["/files/prices.csv"] = (b"item,price\ncake,3\n", "text/csv")
    added = await add(desk, site.url("/files/prices.csv"))
    (document,) = await desk.ended(*added["documents"])
    assert (document["filename"], document["status"]) == ("prices.csv", "ready")


async def test_a_page_in_an_old_encoding_is_read(desk, site):
    """The header says which, even where the page says something else."""
    page = "<html><meta charset='utf-8'><title>Часы</title><p>Мы открываемся в девять.</p></html>"

    async def old(request):
        return web.Response(body=page.encode("cp1251"), headers={"Content-Type": "text/html; charset=windows-1251"})

    site.pages["/"] = old
    added = await add(desk, site.url())
    (document,) = await desk.ended(*added["documents"])
    assert document["filename"] == "Часы"
    assert any("девять" in text for text in texts(desk, document))


async def test_the_same_address_is_one_source(desk, site):
    """Added again it is read now, and keeps its document; another interval holds from then on."""
    site.pages["/"] = PAGE.format("nine", "")
    first = await add(desk, site.url())
    second = await add(desk, site.url() + "#hours", every_hours=2)
    assert second["documents"][0]["id"] == first["documents"][0]["id"]
    assert second["web_source"]["every_hours"] == 2
    assert (await add(desk, site.url()))["web_source"]["every_hours"] == 2
    assert len(await sources(desk)) == 1


async def test_sources_of_another_business_are_not_there(desk, site):
    """404, as if they did not exist."""
    site.pages["/"] = PAGE.format("nine", "")
    theirs = await desk.sources.web.add("another-business", site.url())
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/check")):
        response = await desk.client.request(method, f"{desk.path}/web-sources/{theirs.source.id}{path}")
        assert response.status == 404
    assert await sources(desk) == []


async def test_businesses_are_looked_at_in_turn(knowledge, desk, site):
    """One with many addresses does not keep another's waiting."""
    for number in range(4):
        await desk.sources.web.add("busy", site.url(f"/{number}"))
    await desk.sources.web.add("quiet", site.url())
    due = await knowledge.read(due_web_sources(2**60, 2))
    assert {each.business_id for each in due} == {"busy", "quiet"}


async def test_deleting_that_is_cut_off_can_be_done_again(desk, site):
    """No document goes on answering for an address that nobody sees any more."""
    site.pages["/"] = PAGE.format("nine", "")
    added = await add(desk, site.url())
    (document,) = await desk.ended(*added["documents"])
    web = desk.sources.web
    broken = WebSources(web._database, CutOffDocuments(desk.ingestion), web._looks, web._clock, web._options)
    with pytest.raises(asyncio.CancelledError):
        await broken.remove(desk.business.id, document["id"])
    assert [each["id"] for each in await sources(desk)] == [document["id"]]
    assert await desk.sources.web.remove(desk.business.id, document["id"])
    assert (await desk.call("GET", ""))["documents"] == []


async def test_a_site_is_asked_for_one_page_at_a_time(desk, site):
    """Whoever asks: the second address waits for the first."""
    site.pages["/b"] = PAGE.format("ten", "")
    async with slow_pages(site, "/a") as asked:
        first = asyncio.create_task(add(desk, site.url("/a")))
        await asked.wait()
        second = asyncio.create_task(add(desk, site.url("/b")))
        while len(await sources(desk)) < 2:
            pass
        assert site.asked("/b") == 0
    await asyncio.gather(first, second)
    assert site.asked("/b") == 1


async def test_a_fault_of_ours_is_told_and_not_repeated_at_once(desk, site):
    """Whatever fails at a page: its owner reads it, and the pauses between the tries grow."""
    site.pages["/"] = PAGE.format("nine", "")
    added = await add(desk, site.url())
    site.pages["/"] = PAGE.format("ten", "")
    desk.sources.web._looks._documents = Faulty(desk.ingestion)
    pauses = {(await check(desk, added["web_source"]))["next_check_at"] for _ in range(3)}
    assert len(pauses) == 3
    assert "fault of ours" in (await sources(desk))[0]["error_message"]


class Faulty:
    """Documents that take no new version."""

    def __init__(self, documents):
        self.get = documents.get

    async def replace(self, *given, **named):
        raise LookupError("a fault")
