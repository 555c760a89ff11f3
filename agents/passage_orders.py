"""Leaves out of passages what speaks to a language model instead of a reader: orders hidden in documents."""

# ruff: noqa: E501, RUF001 - a pattern a line; letters of other scripts are meant

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from database.records import Passage

_UNNAMED = "document"
_DROP = (
    r"ignor\w+|disregard\w*|overrid\w+|bypass\w*|forget|vergiss|vergessen|missacht\w+|oubli\w+|olvid\w+|esque\w+"
    r"|dimentic\w+|abaikan|lupakan"
)
_RULES = (
    r"instructions?|prompts?|rules?|guidelines?|directives?|orders?|anweisung\w*|regeln?|vorgaben?|befehle?|consignes?"
    r"|règles?|instrucciones|reglas|indicaciones|instruções|regras|istruzioni|regole|instruksi|perintah|aturan"
)
# Guests who ignore the house rules are no order; whoever is to ignore all earlier ones is no guest.
_EARLIER = (
    r"all|any|every\w*|previous|prior|above|earlier|preceding|system|your|alle|vorherig\w*|bisherig\w*|obig\w*|deine"
    r"|tout\w*|précédent\w*|tes|vos|todas?|anterior\w*|previas|tus|suas|tutte|precedenti|tue|semua|sebelumnya"
)
_MODEL = r"ai|llms?|language models?|chatbots?"
_ROLE = rf"{_MODEL}|dan|jailbroken|unrestricted|free (?:of|from)|without (?:any )?(?:rules?|limits?)"
# "Do not forget all these rules" is no order to forget them.
_NOT = r"(?<!not )(?<!n't )(?<!never )(?<!\bno )(?<!não )(?<!non )(?<!jangan )(?<!n['’])"
# What an order to a model looks like, whatever it orders. No sentence for customers needs any of these; what such an
# order wants often stands in the sentences after it.
_ORDERS = (
    rf"{_NOT}(?<!\w)(?:{_DROP})(?!\w)(?=[^.!?;\n]{{0,80}}(?<!\w)(?:{_EARLIER})(?!\w))(?![^.!?;\n]{{0,20}}(?<!\w)nicht(?!\w))[^.!?;\n]{{0,60}}(?<!\w)(?:{_RULES})(?!\w)",
    r"(?:忽略|无视|忘记)[^。！？\n]{0,20}(?:指令|指示|规则|提示)",
    r"(?:تجاهل|انس)[^.!؟\n]{0,40}(?:التعليمات|القواعد|الأوامر)",
    r"(?:निर्देश|नियम|आदेश)[^।!?\n]{0,40}(?:अनदेखा|नज़रअंदाज़|नजरअंदाज|भूल)",
    r"(?<!\w)prompt (?:do sistema|del sistema|système)",
    rf"(?<!\w)(?:you are (?:now )?|act as |pretend to be )(?:an? |the )?(?:\w+ )?(?:{_MODEL})(?= (?:that|who|with|without|model|assistant|and|now)\b|[^\w ]|$)",
    rf"(?<!\w)(?:you are now|from now on,? you are|act as|pretend to be) (?:an? |the )?(?:\w+ )?(?:{_ROLE})(?!\w)",
    rf"(?<!\w)(?:note|message|instructions?|attention|important|hey|dear)[^.!?\n]{{0,20}}(?<!\w)(?:{_MODEL})(?: \w+)? ?[:,]",
    r"<\|?/?(?:im_start|im_end|system|assistant|endoftext|sys)\|?>|\[/?(?:INST|SYS)\]|<<SYS>>",
    r"^\s*(?:#+\s*)?(?:system|assistant|ai)\s*:[^\n]{0,60}(?<!\w)(?:you (?:are|must|will|should)|ignore|disregard|obey|reply|respond|answer|say|tell|reveal|from now on)(?!\w)",
)
# What may also stand in a text for readers ("press the volume key for developer mode"): only its own sentence goes.
_DOUBTFUL = (
    r"(?<!\w)(?:system|hidden|secret|initial)[ -]?prompts?(?!\w)",
    r"(?:^|[.!?:]\s+)(?:now )?(?:act as|pretend to be) (?:an?|the|if)(?!\w)",
    r"(?<!\w)(?:note|message|attention|hey|dear)[^.!?\n]{0,20}(?<!\w)(?:the bot|assistant)(?: \w+)? ?[:,]",
    r"(?<!\w)(?:new|updated|additional|real) system instructions?(?: \w+){0,3} ?:|(?:^|[.!?]\s+)(?:new|real) instructions ?:",
    r"(?<!\w)as an? (?:ai|llm)(?= (?:language )?model|,)|(?<!\w)(?:jailbreak|dan) mode(?!\w)|(?<!\w)you are (?:now )?in developer mode",
)
_ORDER = re.compile("|".join(f"(?:{each})" for each in _ORDERS), re.IGNORECASE | re.MULTILINE)
_DOUBT = re.compile("|".join(f"(?:{each})" for each in _DOUBTFUL), re.IGNORECASE | re.MULTILINE)
_SENTENCE_END = re.compile(r"[.!?。！？।]+|\n")
# Looking for orders takes a millisecond a passage, and the same passages come again with every question.
_REMEMBERED_PASSAGES, _REMEMBERED_NAMES = 512, 2048


def without_orders(passages: Sequence[Passage]) -> list[Passage]:
    """The passages without the paragraphs' ends from the first order on, without doubtful sentences and such names.

    A passage of which nothing is left is left out.
    """
    cleaned = (_cleaned(passage) for passage in passages)
    return [passage for passage in cleaned if passage.text]


@lru_cache(maxsize=_REMEMBERED_NAMES)
def is_order(text: str) -> bool:
    """Whether a text, a file's name for instance, holds an order to a model."""
    return any(pattern.search(form) for pattern in (_ORDER, _DOUBT) for form in (text, _spaced(text)))


def _cleaned(passage: Passage) -> Passage:
    text = _without(passage.text)
    if text == passage.text and not any(map(is_order, (passage.filename, passage.title or "", passage.heading or ""))):
        return passage
    return replace(
        passage,
        text=text,
        filename=_UNNAMED if is_order(passage.filename) else passage.filename,
        title=None if is_order(passage.title or "") else passage.title,
        heading=None if is_order(passage.heading or "") else passage.heading,
    )


@lru_cache(maxsize=_REMEMBERED_PASSAGES)
def _without(text: str) -> str:
    if not (_ORDER.search(text) or _DOUBT.search(text)):
        return text
    paragraphs = re.split(r"(\n\s*\n)", text)
    return "".join(_undoubted(_until_order(paragraph)) for paragraph in paragraphs).strip()


def _until_order(paragraph: str) -> str:
    order = _ORDER.search(paragraph)
    return paragraph if order is None else paragraph[: _sentence_start(paragraph, order.start())]


def _undoubted(paragraph: str) -> str:
    while doubtful := _DOUBT.search(paragraph):
        last = max(doubtful.start(), doubtful.end() - 1)
        end = _SENTENCE_END.search(paragraph, last)
        rest = paragraph[end.end() :] if end else ""
        paragraph = paragraph[: _sentence_start(paragraph, last)] + rest
    return paragraph


def _sentence_start(text: str, position: int) -> int:
    return max((text.rfind(mark, 0, position) for mark in ".!?\n。！？।"), default=-1) + 1


def _spaced(name: str) -> str:
    return re.sub(r"[_\-.+]+", " ", name)
