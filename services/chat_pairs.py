"""Finds questions and the business's answers in an exported chat, without what tells who the customers are."""

import itertools
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from agents.intent_rules import IntentRules
from database.records import Intent
from services.answer_pairs import LONGEST_ANSWER, LONGEST_QUESTION, question_key
from services.chat_export import ChatMessage

MOST_PAIRS = 500
# The newest of a chat; cleaning one takes about a millisecond.
_MOST_EXCHANGES = 5_000
_BURST = timedelta(minutes=10)
_PATIENCE = timedelta(days=3)
_SHORTEST_QUESTION = 8
_SHORTEST_ANSWER = 12
_LEAST_ANSWERS = 2
_CLEARLY = 2
_MOST_NAMES = 20
_SAME_WORDS = 0.8
_SHORTEST_NAME = 3
_POLITE = frozenset({Intent.GREETING, Intent.THANKS})
# also "ok" and "yes": much of an answer, nothing of a question
_EMPTY_WORDS = _POLITE | {Intent.OTHER}
_PIECE_END = re.compile(r"(?<=[.!?？؟。…])\s+|\n+")  # noqa: RUF001 - other scripts' marks
_MARK = re.compile(r"[?？؟]")  # noqa: RUF001 - the same
_PHONE = re.compile(r"(?<![\w.])\+?\(?\d(?:[ ().\u00a0/-]{0,2}\d){6,14}(?!\w)")
_MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}")
# How questions begin that end without a mark, in the languages that space words.
_ASKING = re.compile(
    r"(?:what|when|where|who|which|how|why|do you|does|is there|are there|can i|can you|could|is it|are you|"
    r"was|wann|wo|wer|wie|warum|welche|gibt es|habt ihr|haben sie|kann ich|kann man|ist|"
    r"qué|que|cuándo|cuando|dónde|donde|cómo|como|cuánto|cuanto|tienen|puedo|hay|"
    r"quand|où|comment|combien|est-ce|avez-vous|puis-je|quel|quelle|"
    r"quando|onde|quanto|quais|vocês|posso|tem|dove|quanti|avete|c'è|kapan|berapa|apa|bagaimana|apakah)\b",
    re.IGNORECASE,
)


class UnclearBusinessError(Exception):
    """Nobody clearly answers the others; `names` are those who wrote, the most first."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__("It is not clear who answers in this chat.")
        self.names = tuple(names)


@dataclass(frozen=True, slots=True)
class ChatPair:
    """A question that customers asked `times` times, with the newest answer; `asked_at` is the phone's local time."""

    question: str
    key: str
    answer: str
    times: int
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class _Burst:
    """What one person wrote in one go."""

    sender: str
    texts: tuple[str, ...]
    begins: datetime
    ends: datetime


def chat_pairs(messages: Sequence[ChatMessage], business_name: str | None, rules: IntentRules) -> list[ChatPair]:
    """At most 500 pairs, what was asked most often first. Raises UnclearBusinessError.

    `business_name` is who answers, as the chat names them; None: the one who clearly answers the others.
    """
    bursts = list(_bursts(messages))
    business = _named(messages, business_name) if business_name else _guessed(messages, bursts)
    private = _Private.of(messages, business)
    exchanges = [pair for pair in itertools.pairwise(bursts) if _is_exchange(*pair, business)]
    found: dict[str, ChatPair] = {}
    for asked, answered in reversed(exchanges[-_MOST_EXCHANGES:]):
        question, answer = _question(asked, rules, private), _answer(answered, rules, private)
        if question and answer:
            key = question_key(question)
            newest = found.get(key) or ChatPair(question, key, answer, 0, asked.begins)
            found[key] = replace(newest, times=newest.times + 1)
    return sorted(_merged(list(found.values())), key=lambda pair: -pair.times)[:MOST_PAIRS]


def _is_exchange(asked: _Burst, answered: _Burst, business: str) -> bool:
    """Whether a customer asks and the business replies, before it is cleaned: most of a chat is something else."""
    if asked.sender == business or answered.sender != business or answered.begins - asked.ends > _PATIENCE:
        return False
    return any(_MARK.search(text) or _ASKING.search(text) for text in asked.texts)


def _bursts(messages: Sequence[ChatMessage]) -> Iterator[_Burst]:
    burst: _Burst | None = None
    for each in messages:
        if burst and burst.sender == each.sender and each.at - burst.ends <= _BURST:
            burst = _Burst(burst.sender, (*burst.texts, each.text), burst.begins, each.at)
            continue
        if burst:
            yield burst
        burst = _Burst(each.sender, (each.text,), each.at, each.at)
    if burst:
        yield burst


def _named(messages: Sequence[ChatMessage], business_name: str) -> str:
    wanted = " ".join(business_name.split()).casefold()
    senders = Counter(each.sender for each in messages)
    for sender in senders:
        if " ".join(sender.split()).casefold() == wanted:
            return sender
    raise UnclearBusinessError([name for name, _ in senders.most_common(_MOST_NAMES)])


def _guessed(messages: Sequence[ChatMessage], bursts: Sequence[_Burst]) -> str:
    """Who replies to questions of others at least twice, and twice as often as anybody else."""
    replies: Counter[str] = Counter()
    for asked, answered in itertools.pairwise(bursts):
        if asked.sender != answered.sender and any(_MARK.search(text) for text in asked.texts):
            replies[answered.sender] += 1
    best = replies.most_common(2)
    second = best[1][1] if len(best) > 1 else 0
    if best and best[0][1] >= _LEAST_ANSWERS and best[0][1] >= _CLEARLY * second:
        return best[0][0]
    senders = Counter(each.sender for each in messages)
    raise UnclearBusinessError([name for name, _ in senders.most_common(_MOST_NAMES)])


def _question(burst: _Burst, rules: IntentRules, private: "_Private") -> str:
    """The question of a burst in one line; "" when it asks nothing that others may ask."""
    text = " ".join(_pieces(burst.texts, rules, private.without_contacts, private, _EMPTY_WORDS))
    text = text[:1].upper() + text[1:]
    asks = _MARK.search(text) or _ASKING.match(text)
    fits = _SHORTEST_QUESTION <= len(text) <= LONGEST_QUESTION
    return text if asks and fits and _says_something(text) else ""


def _answer(burst: _Burst, rules: IntentRules, private: "_Private") -> str:
    """What the business said to it; "" when that is a question back, or only polite."""
    text = "\n".join(_pieces(burst.texts, rules, private.without_theirs, private, _POLITE))
    fits = _SHORTEST_ANSWER <= len(text) <= LONGEST_ANSWER
    return text if fits and not _MARK.search(text[-1]) and _says_something(text) else ""


def _pieces(
    texts: Sequence[str],
    rules: IntentRules,
    clean: Callable[[str], str],
    private: "_Private",
    empty: frozenset[Intent],
) -> Iterator[str]:
    """The messages without sentences that want nothing but `empty`, and without what is private."""
    for text in texts:
        pieces = _PIECE_END.split(private.without_names(clean(text)))
        said = [_ungreeted(piece.strip(), rules) for piece in pieces if piece.strip()]
        kept = [piece for piece in said if not set(rules.intents([piece])) <= empty]
        if kept:
            yield " ".join(kept)


def _ungreeted(piece: str, rules: IntentRules) -> str:
    """A sentence without the greeting before its first comma."""
    greeting, comma, rest = piece.partition(",")
    return rest.strip() if comma and rest.strip() and set(rules.intents([greeting])) <= _POLITE else piece


def _says_something(text: str) -> bool:
    return sum(letter.isalpha() for letter in text) >= _SHORTEST_QUESTION // 2


def _merged(pairs: Sequence[ChatPair]) -> list[ChatPair]:
    """One of those that ask in nearly the same words: the newest, with the sum of how often."""
    kept: list[tuple[frozenset[str], ChatPair]] = []
    for pair in sorted(pairs, key=lambda each: each.asked_at, reverse=True)[: 2 * MOST_PAIRS]:
        words = frozenset(pair.key.split())
        for at, (others, other) in enumerate(kept):
            if len(words & others) >= _SAME_WORDS * len(words | others):
                kept[at] = (others, replace(other, times=other.times + pair.times))
                break
        else:
            kept.append((words, pair))
    return [pair for _, pair in kept]


class _Private:
    """What tells who the customers are: their names, and the numbers and addresses that they wrote."""

    def __init__(self, names: Collection[str], contacts: Collection[str]) -> None:
        longest_first = sorted(names, key=len, reverse=True)
        either = "|".join(re.escape(name) for name in longest_first)
        self._names = re.compile(rf"(?<!\w)(?:{either})(?!\w)") if names else None
        self._contacts = frozenset(contacts)

    @classmethod
    def of(cls, messages: Sequence[ChatMessage], business: str) -> "_Private":
        ours = {word.casefold() for word in business.split()}
        names: set[str] = set()
        contacts: set[str] = set()
        for sender in {each.sender for each in messages} - {business}:
            contacts.add(_bare(sender))
            parts = [part for part in re.split(r"[\s,]+", sender) if part.casefold() not in ours]
            names.update(part for part in [sender, *parts] if len(part) >= _SHORTEST_NAME and part[:1].isalpha())
        for each in messages:
            if each.sender != business:
                contacts.update(_bare(found) for found in _PHONE.findall(each.text) + _MAIL.findall(each.text))
        return cls(names | {name.lower() for name in names}, contacts)

    def without_contacts(self, text: str) -> str:
        """Without any number or address that reaches somebody."""
        return _PHONE.sub("…", _MAIL.sub("…", text))

    def without_theirs(self, text: str) -> str:
        """Without those that a customer wrote: the business's own are what others ask for."""
        for pattern in (_MAIL, _PHONE):
            text = pattern.sub(lambda found: "…" if _bare(found.group()) in self._contacts else found.group(), text)
        return text

    def without_names(self, text: str) -> str:
        """Without the customers' names, and the commas around them."""
        if self._names is None:
            return text
        # one blank for a run of them: below, none is looked at twice
        left = self._names.sub("\0", re.sub(r"[ \t]+", " ", text))
        left = re.sub(r" ?,? ?\0(?= ?[,.!?])|\0", "", left)
        return re.sub(r"[ \t]{2,}", " ", left).strip(" ,")


def _bare(contact: str) -> str:
    """A number or an address as two ways of writing it agree on; of a number, the last nine digits."""
    digits = re.sub(r"\D", "", contact)
    return contact.casefold() if "@" in contact or not digits else digits[-9:]
