"""Web pages and sitemaps through the API: read, looked at again, gone, forgotten."""

import asyncio
import gzip
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from bot.knowledge_settings import KnowledgeSettings
from database.web_sources import due_web_sources
from services.web_sources import WebSources
from tests.fakes.document_desk import document_desk
from tests.fakes.web_site import HOST, web_site

PAGE = "<html><head><title>Opening hours</title></head><body><h1>Hours</h1><p>We open at {}.</p>{}</body></html>"
DAY = 86_400


@pytest.fixture
async def site():
    async with web_site() as site:
        site.etags = False
        yield site


@pytest.fixture
async def desk(chat, knowledge, clock, metrics, tmp_path, site):
    settings = KnowledgeSettings(
        concierge_web_networks=f"{HOST}/32",
        concierge_web_ports=f"80,{site.port}",
        concierge_web_pages=5,
        concierge_max_web_sources=7,
    )
    async with document_desk(chat, knowledge, clock, metrics, tmp_path / "files", settings=settings) as desk:
        yield desk


async def add(desk, url, status=202, **more):
    async with desk.client.post(desk.documents, json={"url": url, **more}) as response:
        content = await response.json(content_type=None)
        assert response.status == status, content
        return content


async def sources(desk, **query):
    async with desk.client.get(f"{desk.path}/web-sources", params=query) as response:
        assert response.status == 200
        return (await response.json())["web_sources"]


async def check(desk, source):
    async with desk.client.post(f"{desk.path}/web-sources/{source['id']}/check") as response:
        return await response.json(content_type=None)


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


async def test_a_sitemap_brings_its_pages(desk, site, clock):
    """Those of its lists, too, packed or not; of its own site only; each a document that is looked at again."""
    site.pages["/sitemap.xml"] = (_list(site.url("/pages.xml"), site.url("/more.xml.gz")), "application/xml")
    site.pages["/pages.xml"] = (_pages(site.url("/a"), site.url("/b"), "https://elsewhere.example/"), "text/xml")
    site.pages["/more.xml.gz"] = (gzip.compress(_pages(site.url("/c"))), "application/gzip")
    for name in "abc":
        site.pages[f"/{name}"] = PAGE.format(name, "").replace("Opening hours", f"Page {name}")
    added = await add(desk, site.url("/sitemap.xml"))
    documents = await desk.ended(*added["documents"])
    assert sorted(each["filename"] for each in documents) == ["Page a", "Page b", "Page c"]
    assert (added["web_source"]["kind"], added["web_source"]["pages_count"]) == ("sitemap", 3)
    assert len(await sources(desk)) == 1
    site.pages["/more.xml.gz"] = (gzip.compress(_pages(site.url("/d"))), "application/gzip")
    site.pages["/d"] = PAGE.format("d", "").replace("Opening hours", "Page d")
    await clock.advance(2 * DAY)
    await desk.sources.sweep()
    await desk.sources.sweep()
    pages = {each["url"]: each["in_sitemap"] for each in await sources(desk, parent=added["web_source"]["id"])}
    assert pages == {site.url("/a"): True, site.url("/b"): True, site.url("/c"): False, site.url("/d"): True}


async def test_a_sitemap_of_too_many_pages_is_read_as_far_as_the_limit(desk, site):
    """And its owner is told."""
    site.pages["/sitemap.xml"] = (_pages(*(site.url(f"/{n}") for n in range(9))), "application/xml")
    added = await add(desk, site.url("/sitemap.xml"))
    assert added["web_source"]["pages_count"] == 5
    assert "more than 5 pages" in added["web_source"]["error_message"]


async def test_a_hostile_sitemap_is_refused(desk, site):
    """An entity bomb and a bomb of gzip end with a sentence."""
    bomb = b'<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><urlset><url><loc>&b;</loc></url></urlset>'
    site.pages["/entities.xml"] = (b'<?xml version="1.0"?>' + bomb, "application/xml")
    site.pages["/bomb.xml.gz"] = (gzip.compress(b"<urlset>" + b" " * 30_000_000), "application/gzip")
    for path, why in (("/entities.xml", "damaged"), ("/bomb.xml.gz", "larger than")):
        added = await add(desk, site.url(path))
        assert why in added["web_source"]["error_message"]


async def test_deleting_the_address_deletes_its_documents(desk, site):
    """A sitemap's pages go with it, at once for every search."""
    site.pages["/sitemap.xml"] = (_pages(site.url("/a")), "application/xml")
    site.pages["/a"] = PAGE.format("nine", "")
    added = await add(desk, site.url("/sitemap.xml"))
    address = f"{desk.path}/web-sources/{added['web_source']['id']}"
    assert (await desk.client.delete(address)).status == 204
    assert (await desk.client.delete(address)).status == 404
    assert (await desk.call("GET", ""))["documents"] == []


async def test_a_page_whose_document_its_owner_deleted_does_not_come_back(desk, site, clock):
    """Neither by itself nor by the sitemap that names it; only when it is added again."""
    site.pages["/sitemap.xml"] = (_pages(site.url("/a"), site.url("/b")), "application/xml")
    site.pages["/a"] = site.pages["/b"] = PAGE.format("nine", "")
    added = await add(desk, site.url("/sitemap.xml"))
    await desk.ended(*added["documents"])
    await desk.call("DELETE", f"/{added['documents'][0]['id']}", 204)
    for _ in range(2):
        await clock.advance(2 * DAY)
        await desk.sources.sweep()
    assert len((await desk.call("GET", ""))["documents"]) == 1
    assert len(await sources(desk, parent=added["web_source"]["id"])) == 1
    again = await add(desk, site.url("/a"))
    assert again["documents"][0]["id"] != added["documents"][0]["id"]


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


async def test_what_is_deleted_while_it_is_looked_at_does_not_come_back(desk, site, clock):
    """Neither the page whose answer is waited for nor those that are next in the sweep."""
    paths = ("/a", "/b", "/c")
    site.pages["/sitemap.xml"] = (_pages(*map(site.url, paths)), "application/xml")
    site.pages.update(dict.fromkeys(paths, 503))
    added = await add(desk, site.url("/sitemap.xml"))
    async with slow_pages(site, *paths) as asked:
        await clock.advance(2 * DAY)
        sweeping = asyncio.create_task(desk.sources.sweep())
        await asked.wait()
        address = f"{desk.path}/web-sources/{added['web_source']['id']}"
        assert (await desk.client.delete(address)).status == 204
    await sweeping
    assert (await desk.call("GET", ""))["documents"] == []
    assert await sources(desk) == []


async def test_deleting_that_is_cut_off_can_be_done_again(desk, site):
    """No document goes on answering for an address that nobody sees any more."""
    site.pages["/"] = PAGE.format("nine", "")
    added = await add(desk, site.url())
    (document,) = await desk.ended(*added["documents"])
    web = desk.sources.web
    broken = WebSources(web._database, CutOff(desk.ingestion), web._looks, web._clock, None)
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


async def test_what_a_sitemap_has_no_room_for_is_told(desk, site):
    """And read as soon as there is: what was deleted does not count."""
    site.pages["/sitemap.xml"] = (_pages(*(site.url(f"/{n}") for n in range(5))), "application/xml")
    site.pages["/other"] = PAGE.format("nine", "")
    site.etags = True
    await desk.sources.web.add(desk.business.id, site.url("/other"))
    for number in range(4):
        await desk.sources.web.add(desk.business.id, site.url(f"/before/{number}"))
    added = await add(desk, site.url("/sitemap.xml"))
    assert added["web_source"]["pages_count"] == 1
    assert "4 pages of the sitemap are left out" in added["web_source"]["error_message"]
    for each in await sources(desk):
        if "before" in each["url"]:
            await desk.client.delete(f"{desk.path}/web-sources/{each['id']}")
    again = await check(desk, added["web_source"])
    assert (again["pages_count"], again["error_message"]) == (5, None)


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


class CutOff:
    """Documents of a process that ends when one is to be deleted."""

    def __init__(self, documents):
        self.get = documents.get

    async def delete(self, business_id, document_id):
        raise asyncio.CancelledError


@asynccontextmanager
async def slow_pages(site, *paths):
    """The pages are sent when the block ends; an event tells that one was asked for."""
    asked, over = asyncio.Event(), asyncio.Event()

    async def slow(request):
        asked.set()
        await over.wait()
        return web.Response(text=PAGE.format("nine", ""), content_type="text/html")

    site.pages.update(dict.fromkeys(paths, slow))
    try:
        yield asked
    finally:
        over.set()


def _pages(*urls):
    entries = "".join(f"<url><loc>{url}</loc></url>" for url in urls)
    return f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</urlset>'.encode()


def _list(*urls):
    entries = "".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in urls)
    return f'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</sitemapindex>'.encode()
