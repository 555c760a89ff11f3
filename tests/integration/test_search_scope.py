"""Searches within documents, tags and previews, and what they leave out, on real databases and a real Chroma."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from database.records import new_id
from database.transaction import Transaction, Unit
from tests.fakes.knowledge_base import KnowledgeBase, WordHashEmbedder, knowledge_base
from vectorstore import candidate_search
from vectorstore.knowledge_index import SearchScope

SHOP = "shop"
MENU = ["The soup of the day costs five euros.", "We serve breakfast until eleven."]
RULES = ["Dogs may come in on a lead.", "Breakfast may not be taken to the rooms."]


@pytest.fixture
async def base(tmp_path: Path) -> AsyncIterator[KnowledgeBase]:
    async with knowledge_base(tmp_path) as opened:
        await opened.index.wait_healthy()
        yield opened


def _said(sql: str, **parameters: object) -> Unit[int]:
    async def unit(transaction: Transaction) -> int:
        return await transaction.run(sql, parameters)

    return unit


async def _tag(base: KnowledgeBase, document_id: str, tag: str) -> None:
    sql = "INSERT INTO document_tags (document_id, tag) VALUES (:id, :tag)"
    await base.database.write(_said(sql, id=document_id, tag=tag))


async def _texts(base: KnowledgeBase, query: str, scope: SearchScope, limit: int = 5) -> list[str]:
    return [passage.text for passage in await base.index.search(SHOP, query, limit=limit, scope=scope)]


@pytest.fixture(params=["one by one", "through the indexes"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small scopes are compared chunk by chunk, large ones asked from the indexes: both must find the same."""
    if request.param == "through the indexes":
        monkeypatch.setattr(candidate_search, "SMALL_SCOPE", 0)


@pytest.mark.usefixtures("way")
async def test_only_what_is_in_the_scope(base: KnowledgeBase) -> None:
    """A search within documents or tags finds the best of them and nothing else; what there is not, finds nothing."""
    menu = (await base.learn(SHOP, MENU, filename="menu.txt"))[0].document_id
    rules = (await base.learn(SHOP, RULES, filename="rules.txt"))[0].document_id
    await base.learn(SHOP, [f"Breakfast is praised by guest {n}." for n in range(120)], filename="praise.txt")
    await _tag(base, rules, "house")
    found = await _texts(base, "breakfast rooms", SearchScope(document_ids=frozenset({rules})))
    assert found[0] == RULES[1]
    assert set(found) <= set(RULES)
    assert (await _texts(base, "breakfast", SearchScope(document_ids=frozenset({menu}))))[0] == MENU[1]
    assert set(await _texts(base, "breakfast", SearchScope(tags=frozenset({"house", "other"})))) <= set(RULES)
    both = SearchScope(document_ids=frozenset({menu}), tags=frozenset({"house"}))
    assert await _texts(base, "breakfast", both) == []
    assert await _texts(base, "breakfast", SearchScope(document_ids=frozenset({new_id()}))) == []
    assert await _texts(base, "breakfast", SearchScope(tags=frozenset())) == []


@pytest.mark.usefixtures("way")
async def test_an_empty_scope_is_no_loss(base: KnowledgeBase) -> None:
    """A search where there is nothing to find leaves the indexes as they are: nothing is compared for it."""
    await base.learn(SHOP, MENU)
    await base.index.wait_healthy()
    assert await _texts(base, "breakfast", SearchScope(tags=frozenset({"nowhere"}))) == []
    assert base.index.state().degraded is None


@pytest.mark.usefixtures("way")
async def test_a_scope_opens_no_other_business(base: KnowledgeBase) -> None:
    """Naming another business's document does not show it, and a deleted one is gone from every scope."""
    other = (await base.learn("other", MENU))[0].document_id
    mine = (await base.learn(SHOP, RULES))[0].document_id
    assert await _texts(base, "breakfast", SearchScope(document_ids=frozenset({other}))) == []
    await base.delete(mine)
    assert await _texts(base, "breakfast", SearchScope(document_ids=frozenset({mine}))) == []


async def test_scores_do_not_depend_on_the_way(base: KnowledgeBase, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunk by chunk and through the indexes, the same passages come in the same order."""
    chunks = await base.learn(SHOP, [f"Room {n} has {n % 7} windows and {n % 5} beds." for n in range(60)])
    await base.learn(SHOP, RULES, filename="rules.txt")
    scope = SearchScope(document_ids=frozenset({chunks[0].document_id}))
    every = await _texts(base, "Which room has 6 windows and 4 beds?", scope)
    monkeypatch.setattr(candidate_search, "SMALL_SCOPE", 0)
    assert await _texts(base, "Which room has 6 windows and 4 beds?", scope) == every


async def test_a_held_version_as_if_it_were_live(base: KnowledgeBase) -> None:
    """A preview finds the held version instead of the live one of its document, and other documents as they are."""
    old = (await base.learn(SHOP, ["Breakfast costs ten euros."], filename="prices.txt"))[0]
    await base.learn(SHOP, RULES, filename="rules.txt")
    held = (await base.store(SHOP, ["Breakfast costs twelve euros."], live=False))[0]
    await base.index.add([held], await base.embedder.embed([held.text]))
    for table, column in (("versions", "id"), ("chunks", "version_id")):
        sql = f"UPDATE {table} SET document_id = :document{', number = 2' if table == 'versions' else ''}"
        await base.database.write(_said(f"{sql} WHERE {column} = :id", document=old.document_id, id=held.version_id))
    preview = SearchScope(preview_version_id=held.version_id)
    assert await _texts(base, "What does breakfast cost?", preview, 1) == ["Breakfast costs twelve euros."]
    assert old.text not in await _texts(base, "What does breakfast cost?", preview)
    assert RULES[1] in await _texts(base, "Breakfast in the rooms?", preview)
    assert await _texts(base, "What does breakfast cost?", SearchScope(), 1) == [old.text]


async def test_copies_take_nobodys_place(base: KnowledgeBase) -> None:
    """Five copies of a document are one answer; the same sentence with another figure is another one."""
    for number in range(5):
        await base.learn(SHOP, ["The soup of the day costs five euros, with bread."], filename=f"menu{number}.txt")
    for price in (5, 6):
        await base.learn(SHOP, [f"A bowl of soup with bread of the day costs {price} euros at our bar."])
    await base.learn(SHOP, RULES)
    found = await _texts(base, "What does the soup cost?", SearchScope(), 4)
    assert len(found) == len(set(found)) == 4
    assert sum("5 euros" in text or "6 euros" in text for text in found) == 2


@pytest.mark.parametrize("scoped", [False, True])
async def test_many_copies_hide_nothing(base: KnowledgeBase, *, scoped: bool) -> None:
    """What differs is found behind more copies of one passage than are read at first, everywhere and in a scope."""
    copy = "Delivery takes three days to all places in the country and costs nothing."
    chunks = await base.learn(SHOP, [copy] * 120)
    others = ["Delivery to islands takes nine days.", "Express delivery costs ten euros.", "Ask for Sunday delivery."]
    rest = await base.learn(SHOP, others, filename="more.txt")
    both = SearchScope(document_ids=frozenset({chunks[0].document_id, rest[0].document_id}))
    found = await _texts(base, "delivery takes days in the country", both if scoped else SearchScope(), 4)
    assert len(found) == 4
    assert {*found[1:]} == {*others}


async def test_words_alone_within_a_scope(tmp_path: Path) -> None:
    """Without the vector store a scope is searched by its words."""

    class Mute(WordHashEmbedder):
        name = "mute"

    async with knowledge_base(tmp_path, embedder=Mute()) as base:
        await base.index.wait_healthy()
        document_id = (await base.learn(SHOP, RULES))[0].document_id
        base.index._healer._doubted = True
        assert (await _texts(base, "lead", SearchScope(document_ids=frozenset({document_id}))))[0] == RULES[0]
