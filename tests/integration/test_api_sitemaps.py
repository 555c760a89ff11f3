"""Sitemaps through the API: their pages come, go, and are forgotten with them."""

import asyncio
import gzip

import pytest

from tests.fakes.web_desk import DAY, PAGE, add, check, list_of_sitemaps, sitemap, slow_pages, sources, web_desk


@pytest.fixture
async def desk(chat, knowledge, clock, metrics, tmp_path, site):
    async with web_desk(chat, knowledge, clock, metrics, tmp_path / "files", site.port) as desk:
        yield desk


async def test_a_sitemap_brings_its_pages(desk, site, clock):
    """Those of its lists, too, packed or not; of its own site only; each a document that is looked at again."""
    site.pages["/sitemap.xml"] = (list_of_sitemaps(site.url("/pages.xml"), site.url("/more.xml.gz")), "application/xml")
    site.pages["/pages.xml"] = (sitemap(site.url("/a"), site.url("/b"), "https://elsewhere.example/"), "text/xml")
    site.pages["/more.xml.gz"] = (gzip.compress(sitemap(site.url("/c"))), "application/gzip")
    for name in "abc":
        site.pages[f"/{name}"] = PAGE.format(name, "").replace("Opening hours", f"Page {name}")
    added = await add(desk, site.url("/sitemap.xml"))
    documents = await desk.ended(*added["documents"])
    assert sorted(each["filename"] for each in documents) == ["Page a", "Page b", "Page c"]
    assert (added["web_source"]["kind"], added["web_source"]["pages_count"]) == ("sitemap", 3)
    assert len(await sources(desk)) == 1
    site.pages["/more.xml.gz"] = (gzip.compress(sitemap(site.url("/d"))), "application/gzip")
    site.pages["/d"] = PAGE.format("d", "").replace("Opening hours", "Page d")
    await clock.advance(2 * DAY)
    await desk.sources.sweep()
    await desk.sources.sweep()
    pages = {each["url"]: each["in_sitemap"] for each in await sources(desk, parent=added["web_source"]["id"])}
    assert pages == {site.url("/a"): True, site.url("/b"): True, site.url("/c"): False, site.url("/d"): True}


async def test_a_sitemap_of_too_many_pages_is_read_as_far_as_the_limit(desk, site):
    """And its owner is told."""
    site.pages["/sitemap.xml"] = (sitemap(*(site.url(f"/{n}") for n in range(9))), "application/xml")
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
    site.pages["/sitemap.xml"] = (sitemap(site.url("/a")), "application/xml")
    site.pages["/a"] = PAGE.format("nine", "")
    added = await add(desk, site.url("/sitemap.xml"))
    address = f"{desk.path}/web-sources/{added['web_source']['id']}"
    assert (await desk.client.delete(address)).status == 204
    assert (await desk.client.delete(address)).status == 404
    assert (await desk.call("GET", ""))["documents"] == []


async def test_a_page_whose_document_its_owner_deleted_does_not_come_back(desk, site, clock):
    """Neither by itself nor by the sitemap that names it; only when it is added again."""
    site.pages["/sitemap.xml"] = (sitemap(site.url("/a"), site.url("/b")), "application/xml")
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


async def test_what_is_deleted_while_it_is_looked_at_does_not_come_back(desk, site, clock):
    """Neither the page whose answer is waited for nor those that are next in the sweep."""
    paths = ("/a", "/b", "/c")
    site.pages["/sitemap.xml"] = (sitemap(*map(site.url, paths)), "application/xml")
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


async def test_what_a_sitemap_has_no_room_for_is_told(desk, site):
    """And read as soon as there is: what was deleted does not count."""
    site.pages["/sitemap.xml"] = (sitemap(*(site.url(f"/{n}") for n in range(5))), "application/xml")
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
