"""Chunks that answer nothing, as many as wanted: snippets of everything that is asked about, mixed anew."""

import random
import re
from collections.abc import Iterator, Sequence

from tests.bench.question_sets import QuestionSet

_LONGEST_SNIPPET = 6
_UNSPACED = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]")


def foreign_texts(sets: Sequence[QuestionSet], count: int) -> list[str]:
    """Half of them in the words of all sets in English, half in equal parts in those of each other language.

    A snippet has up to six words in a row, so words are as common and as near to each other as where people write;
    a chunk is of 30 to 120 words out of many passages, so it is about nothing.
    """
    dice = random.Random(3)
    english = [text for each in sets if not _foreign(each) for text in each.passages.values()]
    others = [list(each.passages.values()) for each in sets if _foreign(each)]
    share = count // 2 // len(others) if others else 0
    pools = [(english, count - share * len(others)), *((pool, share) for pool in others)]
    texts = [
        _mixed(pool, dice)
        for pool, wanted in ((_pieces(texts), wanted) for texts, wanted in pools)
        for _ in range(wanted)
    ]
    dice.shuffle(texts)
    return texts


def _foreign(each: QuestionSet) -> bool:
    return each.name.startswith("XQuAD") and each.name != "XQuAD en"


def _pieces(texts: Sequence[str]) -> list[list[str]]:
    return [list(_words(text)) for text in texts]


def _words(text: str) -> Iterator[str]:
    """The words with the spaces behind them; two characters at a time where there are none."""
    for word in re.findall(r"\S+\s*", text):
        if _UNSPACED.search(word):
            yield from (word[at : at + 2] for at in range(0, len(word), 2))
        else:
            yield word


def _mixed(passages: Sequence[Sequence[str]], dice: random.Random) -> str:
    wanted = dice.randint(30, 120)
    words: list[str] = []
    while len(words) < wanted:
        passage = dice.choice(passages)
        start = dice.randrange(len(passage))
        words += passage[start : start + dice.randint(1, _LONGEST_SNIPPET)]
    return "".join(words).strip()
