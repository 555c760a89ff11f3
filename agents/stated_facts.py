"""What customers say of themselves, in their own words: found by patterns, or quoted by a model and checked."""

# ruff: noqa: E501, RUF001 - patterns a line; letters of other scripts are meant

import re
from collections.abc import Iterable, Sequence

LONGEST_FACT = 200
_MOST_A_TURN = 5
_SENTENCE = re.compile(r"[^.!?…。！？।؟\n;]+(?:\.(?=\w)[^.!?…。！？।؟\n;]+)*")
# Statements in the first person that stay true after the conversation, by language: Spanish "soy vegetariano" is in
# English a sausage. Only the clearest: a fact that is missed is asked again, one that is wrong is remembered.
_PATTERNS = {
    "en": r"""
\bmy (?:\w+ )?name(?: is|'s|’s) \w | \bi(?:'|’)?m called \w
\bi(?: am|'m|’m|m) (?:a |an )?(?:strictly )?(?:vegetarian|vegan|pescatarian|coeliac|celiac|diabetic|pregnant)\b
\bi(?: am|'m|’m|m) (?:severely |very )?(?:allergic|intolerant) to\b | \bi have an? [\w ]{0,20}allergyEND
\bi (?:do not|don't|don’t|dont) eat \w | \bi only eat \w
\bi live (?:in|at|near|on)\b | \bi(?: am|'m|’m|m) from (?!time\b)\w | \bmy address is\b
\bmy PAPERS (?:number|no\.?|id|code)(?: is| was|:) ?#?[\w-]*\d[\w-]*END
\bmy PAPERS(?: is| was|:) ?#?[\w-]*\d{3}[\w-]*END
\bmy e-?mail(?: address)? is \S+@\w | \bmy (?:tele|mobile )?phone(?: number)? is [+(]{0,2}\d
\bmy birthday is (?:on )?(?:the )?(?:\w+ )?\d | \bmy room(?: number)? is \w?\d | \bmy (?:\w+ )?size is (?:\d|(?:x{0,3}[sml]|small|medium|large)\b)
""",
    "es": r"""
\bme llamo \w | \bmi nombre es \w | \bsoy (?:vegetarian|vegan|alérgic|celíac) | (?<!\ben )\bvivo en \w
\bmi (?:número de )?pedido es (?:el )?#?[\w-]*\d{3}[\w-]*END
""",
    "pt": r"""
\bmeu nome é \w | \bme chamo \w | \bchamo-me \w | \bsou (?:vegetarian|vegan|alérgic|celíac) | \bmoro em \w | (?<!\bao )\bvivo em \w
""",
    "fr": r"""
\bje m(?:'|’)appelle \w | \bmon nom est \w | \bje suis (?:végétarien|végan|vegan|allergique|cœliaque) | \bj(?:'|’)habite\b
""",
    "de": r"""
\bich hei(?:ß|ss)e \w | \bmein name ist \w | \bich bin (?:vegetarier|veganer|vegan|allergisch|vegetarisch) | \bich wohne\b
\bmeine (?:bestell|auftrags|kunden)nummer (?:ist|lautet) \S*\d
""",
    "it": r"""
\bmi chiamo \w | \bil mio nome è \w | \bsono (?:vegetarian|vegan|allergic)[oa]\b | \bsono celiac[oa]\b | \babito (?:a|in)\b | (?<!\bdal )\bvivo (?:a|in) \w
""",
    "id": r"""
\bnama saya \w | \bsaya (?:vegetarian|vegan)\b | \bsaya alergi\b | \bsaya tinggal di\b
""",
    "zh": r"""
我叫(?![了的过个不车]|外卖) | 我的名字是 | 我姓 | 我是素食 | 我吃素 | 我对.{1,10}过敏 | 我住在 | 我的订单号\D{0,3}\d
""",
    "ar": r"""
اسمي | أنا نباتي | أعيش في | أسكن في | رقم طلبي\D{0,5}\d
""",
    "hi": r"""
मेरा नाम | मैं शाकाहारी | मैं .{1,30} में रहता | मैं .{1,30} में रहती | मेरा ऑर्डर नंबर\D{0,5}\d
""",
}
_END = r"(?=\W*$|\s*[,;:(-]|\s+(?:and|but|so|to|please|y|pero|por)\b)"
_PAPERS = r"(?:order|booking|reservation|customer|account|invoice|ticket|policy|membership|reference)"
# What stands before such words in their clause when they are only supposed, or another's.
_SUPPOSED = {
    "en": "if when whenever unless whether suppose supposing assuming imagine case say says said thinks thought true",
    "es": "si cuando supongamos imagina dice dicen dijo caso",
    "pt": "se quando caso imagine diz dizem disse",
    "fr": "si quand lorsque supposons imaginons dit disent cas",
    "de": "wenn falls ob sagt sagte meint denkt angenommen",
    "it": "se quando supponiamo dice dicono detto caso",
    "id": "jika kalau bila apabila seandainya misalnya kata",
    "ar": "إذا اذا لو عندما إن يقول تقول قال قالت",
    "hi": "अगर यदि जब कहता कहती कहते कहा",
}
_SUPPOSED_UNSPACED = re.compile("如果|假如|假设|要是|若|当|说")
_SUPPOSITIONS = {
    language: re.compile(rf"(?<!\w)(?:{'|'.join(words.split())})(?!\w)", re.IGNORECASE)
    for language, words in _SUPPOSED.items()
} | {"zh": _SUPPOSED_UNSPACED}
_STATED = {
    language: re.compile(
        "|".join(re.split(r"\s*\n| \| ", patterns.replace("END", _END).replace("PAPERS", _PAPERS).strip())),
        re.IGNORECASE,
    )
    for language, patterns in _PATTERNS.items()
}
_ASKS = re.compile(r"[?？؟]\s*$")


def stated_facts(texts: Sequence[str], language: str) -> tuple[str, ...]:
    """The customer's sentences that say something of themselves, at most five of at most 200 characters.

    `language` is theirs; in one that we have no patterns for nothing is heard.
    """
    if language not in _STATED:
        return ()
    found: list[str] = []
    for text in texts:
        for match in _SENTENCE.finditer(text[:4096]):
            sentence = match[0]
            stated = _stated(sentence, language)
            if stated and not _ASKS.search(text[match.start() : match.end() + 1]):
                found.append(_short(sentence[stated.start() :]))
            elif stated:
                found.append(_clause(sentence, stated))
    return _distinct(found)


def _stated(sentence: str, language: str) -> re.Match[str] | None:
    """The first statement of a sentence that is not only supposed."""
    for found in _STATED[language].finditer(sentence):
        clause = re.split(r"[,،，、:：]", sentence[: found.start()])[-1]
        if not _SUPPOSITIONS[language].search(clause):
            return found
    return None


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
