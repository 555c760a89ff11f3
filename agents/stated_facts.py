"""What customers say of themselves, in their own words: found by patterns, or quoted by a model and checked."""

# ruff: noqa: E501, RUF001 - patterns a line; letters of other scripts are meant

import re
from collections.abc import Iterable, Sequence

LONGEST_FACT = 200
_MOST_A_TURN = 5
_SENTENCE = re.compile(r"[^.!?…。！？।؟\n;]+(?:\.(?=\w)[^.!?…。！？।؟\n;]+)*")
# Statements in the first person that stay true after the conversation. Only the clearest: a fact that is missed is
# asked again, one that is wrong is remembered.
_PATTERNS = r"""
\bmy (?:\w+ )?name(?: is|'s|’s) \w | \bi(?:'|’)?m called \w
\bi(?: am|'m|’m|m) (?:a |an )?(?:strictly )?(?:vegetarian|vegan|pescatarian|coeliac|celiac|diabetic|pregnant)\b
\bi(?: am|'m|’m|m) (?:severely |very )?(?:allergic|intolerant) to\b | \bi have an? [\w ]{0,20}allergy\b
\bi (?:do not|don't|don’t|dont) eat \w | \bi only eat \w
\bi live (?:in|at|near|on)\b | \bi(?: am|'m|’m|m) from \w | \bmy address is\b
\bmy (?:order|booking|reservation|customer|account|invoice|ticket|policy|membership|reference)(?: (?:number|no\.?|id|code))?(?: is| was|:) ?#?\w*\d
\bmy (?:e-?mail|phone|birthday|room number|shoe size|size)(?: address| number)? is\b
\bme llamo \w | \bmi nombre es \w | \bsoy (?:vegetarian|vegan|alérgic|celíac) | \bvivo en \w | \bmi (?:número de )?pedido es\b
\bmeu nome é \w | \bme chamo \w | \bchamo-me \w | \bsou (?:vegetarian|vegan|alérgic|celíac) | \bmoro em \w | \bvivo em \w
\bje m(?:'|’)appelle \w | \bmon nom est \w | \bje suis (?:végétarien|végan|vegan|allergique|cœliaque) | \bj(?:'|’)habite\b
\bich hei(?:ß|ss)e \w | \bmein name ist \w | \bich bin (?:vegetarier|veganer|vegan|allergisch|vegetarisch) | \bich wohne\b
\bmeine (?:bestell|auftrags|kunden)nummer (?:ist|lautet)\b
\bmi chiamo \w | \bil mio nome è \w | \bsono (?:vegetarian|vegan|allergic|celiac) | \babito (?:a|in)\b | \bvivo (?:a|in) \w
\bnama saya \w | \bsaya (?:vegetarian|vegan)\b | \bsaya alergi\b | \bsaya tinggal di\b
我叫 | 我的名字是 | 我姓 | 我是素食 | 我吃素 | 我对.{1,10}过敏 | 我住在 | 我的订单号
اسمي | أنا نباتي | أعيش في | أسكن في | رقم طلبي
मेरा नाम | मैं शाकाहारी | मैं .{1,30} में रहता | मैं .{1,30} में रहती | मेरा ऑर्डर नंबर
"""
_STATED = re.compile("|".join(re.split(r"\s*\n| \| ", _PATTERNS.strip())), re.IGNORECASE)
_ASKS = re.compile(r"[?？؟]\s*$")


def stated_facts(texts: Sequence[str]) -> tuple[str, ...]:
    """The customer's sentences that say something of themselves, at most five of at most 200 characters."""
    found: list[str] = []
    for text in texts:
        for match in _SENTENCE.finditer(text[:4096]):
            sentence = match[0]
            stated = _STATED.search(sentence)
            if stated and not _ASKS.search(text[match.start() : match.end() + 1]):
                found.append(_short(sentence[stated.start() :]))
            elif stated:
                found.append(_clause(sentence, stated))
    return _distinct(found)


def quoted_facts(quotes: Iterable[str], said: str) -> tuple[str, ...]:
    """Those of a model's quotes that the customer wrote word for word; of the others nothing is remembered."""
    own = _plain(said)
    return _distinct(_short(quote) for quote in quotes if len(quote) <= LONGEST_FACT and _quoted(_plain(quote), own))


def new_facts(heard: Iterable[str], known: Sequence[str]) -> tuple[str, ...]:
    """What is heard for the first time: nothing that a known or another heard fact says already."""
    kept: list[str] = []
    for fact in sorted(dict.fromkeys(heard), key=len, reverse=True):
        if not any(_plain(fact) in _plain(other) for other in (*known, *kept)):
            kept.append(fact)
    return tuple(kept[:_MOST_A_TURN])


def _quoted(quote: str, own: str) -> bool:
    return bool(quote.strip()) and f" {quote} " in f" {own} "


def _clause(sentence: str, stated: re.Match[str]) -> str:
    """Of a sentence that also asks ("I am vegan, what can I eat?") only the statement, up to its comma."""
    return _short(re.split(r"[,،，、]| and | but | so ", sentence[stated.start() :], maxsplit=1)[0])


def _short(text: str) -> str:
    return " ".join(text.split())[:LONGEST_FACT].strip(" ,;:-")


def _distinct(facts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(fact for fact in facts if fact))[:_MOST_A_TURN]


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
