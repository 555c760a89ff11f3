"""`concierge ingest https://…`: web addresses from the command line, with a server and without."""

import json

import pytest

from bot.knowledge_settings import KnowledgeSettings
from tests.fakes.command_process import concierge, served_directory
from tests.fakes.web_site import HOST, web_site

pytestmark = pytest.mark.blocking_allowed  # the tests wait for processes

PAGE = "<html><head><title>Opening hours</title></head><body><p>We open at nine.</p></body></html>"


@pytest.fixture
async def site():
    async with web_site() as site:
        site.pages["/"] = PAGE
        yield site


async def test_an_address_is_read_without_a_server(tmp_path, site):
    """The command owns the data directory meanwhile; what it may not ask is said, and fails alone."""
    code, out, err = await concierge(
        *(tmp_path, "ingest", "--json", site.url(), "http://127.0.0.1/"),
        CONCIERGE_WEB_NETWORKS=f"{HOST}/32",
        CONCIERGE_WEB_PORTS=f"80,{site.port}",
    )
    assert "Traceback" not in err
    documents = json.loads(out)["documents"]
    assert [(each["filename"], each["status"]) for each in documents] == [
        ("Opening hours", "ready"),
        ("http://127.0.0.1/", "failed"),
    ]
    assert "private network" in documents[1]["error_message"]
    assert code == 1


async def test_an_address_is_read_by_the_running_server(tmp_path, chat, knowledge, metrics, site):
    """Which goes on to look at it."""
    settings = KnowledgeSettings.model_validate(
        {"concierge_web_networks": f"{HOST}/32", "concierge_web_ports": str(site.port)}
    )
    async with served_directory(tmp_path, chat, knowledge, metrics, settings=settings) as desk:
        code, out, err = await concierge(tmp_path, "ingest", "--json", site.url())
        assert (code, err) == (0, "")
        assert [each["filename"] for each in json.loads(out)["documents"]] == ["Opening hours"]
        assert len(await desk.sources.web.page(desk.business.id, 10)) == 1
