from dataclasses import replace

from agents.language_packs import load_language_packs
from agents.passage_search import PassageSearch, fused, leans_on_before
from agents.ports import Utterance
from tests.fakes.small_knowledge import SmallKnowledge, passage

PACKS = load_language_packs()
LAMP = passage("The blue lamp costs 40 dollars.", "lamps.md")
SHOE = passage("The red shoe costs 90 dollars.", "shoes.md")


def said(*lines: str) -> list[Utterance]:
    """The customer begins."""
    return [Utterance(place % 2 == 0, text) for place, text in enumerate(lines)]


def search(knowledge: SmallKnowledge) -> PassageSearch:
    return PassageSearch(knowledge, PACKS)


async def test_a_first_question_is_searched_as_it_is() -> None:
    """Without anything before it, one search."""
    knowledge = SmallKnowledge([LAMP, SHOE])
    assert await search(knowledge).find("b", "what does the shoe cost?", "", limit=5) == [SHOE, LAMP]
    assert len(knowledge.queries) == 1


async def test_a_question_that_leans_finds_what_was_spoken_of() -> None:
    """After a talk about shoes, "which size?" is about shoes."""
    searching = search(SmallKnowledge([LAMP, SHOE]))
    before = searching.last_exchange(said("do you have a red shoe", "Yes, a red shoe."))
    found = await searching.find("b", "which size?", before, limit=5)
    assert found[0].text == SHOE.text


def test_what_the_bot_says_by_itself_tells_nothing() -> None:
    """An apology or an "I do not know" is no subject."""
    searching = search(SmallKnowledge([]))
    sentence = PACKS["en"].sentences["do_not_know"].replace("**", "*")
    assert searching.last_exchange(said("lamps?", sentence)) == "lamps?"
    assert searching.last_exchange(said("lamps?", "Blue ones.")) == "lamps?\nBlue ones."
    assert searching.last_exchange([]) == ""


def test_two_findings_become_one() -> None:
    """What both found comes first, the best keeps its score, and the question's own cosine stays."""
    asked = [replace(LAMP, score=1.0, cosine=0.1), replace(SHOE, score=0.9, cosine=0.2)]
    leaning = [replace(SHOE, score=0.8, cosine=0.7)]
    found = fused(asked, leaning)
    assert [(each.chunk_id, each.cosine) for each in found] == [(SHOE.chunk_id, 0.2), (LAMP.chunk_id, 0.1)]
    assert found[0].score == 1.0
    assert fused([], []) == []


def test_behind_twenty_there_are_more() -> None:
    """The best of one search is not overtaken by what is last in both: the other may have it as number twenty-one."""
    others = [replace(LAMP, chunk_id=f"{n:02}", score=0.9) for n in range(18)]
    last = replace(LAMP, chunk_id="last", score=0.8)
    asked = [replace(SHOE, score=1.0), *others, last]
    leaning = [replace(LAMP, chunk_id="other", score=0.85), *(replace(each, score=0.82) for each in others), last]
    assert (len(asked), len(leaning)) == (20, 20)
    found = [each.chunk_id for each in fused(asked, leaning)]
    assert found[0] == SHOE.chunk_id
    assert found[-1] == "last"


def test_a_long_question_stands_alone() -> None:
    """Only a short one is rewritten: that costs a call."""
    stop_words = PACKS["en"].stop_words
    assert leans_on_before("and how much is the other one?", stop_words)
    assert not leans_on_before("red green blue white black brown yellow orange purple lamps", stop_words)
