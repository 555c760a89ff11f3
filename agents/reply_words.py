"""Words of replies that state nothing about a business: yes, no, courtesy, and not knowing, in the bot's languages."""

# ruff: noqa: RUF001 - letters of many scripts are meant

import re

from agents.language_packs import plain
from agents.word_numbers import NUMBER_WORDS
from agents.words import folded, stem, words

# fmt: off
_YES_NO = frozenset(words(
    "yes yeah no nope sure ja jawohl doch nein sí si oui non sì sim não ya iya tidak bukan نعم أجل لا हाँ हां जी नहीं"
))
_YES_NO_HAN = "是不可有没对好能"
_COURTESY = frozenset(stem(word) for word in words(
    "possible certainly course sorry unfortunately afraid information details know answer question contact write call "
    "ask colleague colleagues team staff reach happy gladly day days week weeks month months hour hours minute minutes "
    "möglich gerne natürlich leider information informationen angaben auskunft weiß wissen schreiben schreib fragen "
    "frag wenden melden kontakt anrufen kollege kollegin team tag tagen woche wochen monat stunde stunden "
    "posible claro lamentablemente siento información datos sé saber contactar contacte escriba escríbanos escribir "
    "llame pregunte colega compañero equipo día días semana semanas mes hora horas "
    "possible bien malheureusement désolé informations information sais contactez écrivez appelez demandez collègue "
    "équipe jour jours semaine semaines mois heure heures "
    "possibile certo purtroppo spiace informazioni so sapere contatti contattare scriva chiami chieda collega "
    "giorno giorni settimana settimane mese ora ore "
    "possível claro infelizmente lamento informações sei saber contato contacte escreva ligue pergunte colega equipe "
    "dia dias semana semanas mês hora horas "
    "bisa tentu maaf sayangnya informasi tahu hubungi tulis telepon tanyakan rekan tim hari minggu bulan jam "
    "ممكن بالتأكيد للأسف آسف معلومات أعرف تواصل اكتب اتصل اسأل زميل فريق يوم أيام أسبوع ساعة "
    "संभव ज़रूर क्षमा माफ़ जानकारी पता मालूम संपर्क लिखें कॉल पूछें सहकर्मी टीम दिन सप्ताह घंटे "
    "可以 当然 抱歉 很抱 信息 知道 清楚 联系 联系我 询问 同事 我们 系我 请联 请咨 咨询 天 周 小时"
)) | frozenset(stem(part) for word in NUMBER_WORDS for part in words(word))
_NOT_KNOWING = (
    "not know", "don t know", "dont know", "no information", "no details", "not sure", "cannot say", "can t say",
    "cannot tell", "can t tell", "nothing about",
    "weiß ich", "weiß nicht", "keine information", "keine angabe", "keine auskunft", "nicht bekannt", "leider nichts",
    "no lo sé", "no sé", "no tengo información", "no tengo datos", "no dispongo", "no sabemos",
    "ne sais pas", "ne savons pas", "pas d information", "aucune information",
    "non so", "non ho informazion", "nessuna informazione", "non sappiamo",
    "não sei", "não tenho informaç", "nenhuma informação", "não sabemos",
    "tidak tahu", "tidak memiliki informasi", "tidak ada informasi", "belum tahu",
    "لا أعرف", "لا نعرف", "ليس لدي معلومات", "لا توجد معلومات",
    "पता नहीं", "नहीं पता", "जानकारी नहीं", "मालूम नहीं",
    "不知道", "不清楚", "没有相关", "没有关于", "无法确认",
)
# fmt: on
_PHRASES = re.compile("|".join(re.escape(plain(phrase)) for phrase in _NOT_KNOWING))
# "Repeat after me: yes, …": what somebody dictates is no question, whose words an answer would repeat.
_DICTATED = re.compile(
    r"(?<!\w)(?:say|repeat|confirm|reply|respond|write|print|pretend|insult|sag\w*|wiederhol\w*|bestatig\w*|antwort\w*"
    r"|schreib\w*|di|repite|confirma\w*|responde|escribe|dis|dites|repete[zr]?|confirme[zr]?|repond\w*|ecri\w*|ripeti"
    r"|conferma\w*|rispondi|scrivi|diga|repita|responda|escreva|katakan|ulangi|jawab|tulis|قل|كرر|اكتب|कहो|बोलो|लिखो)(?!\w)"
    r"|说|重复|回答|写"
)
_SENTENCE = re.compile(r"[^.!?…。！？؟।\n]+[.!?…。！？؟।\n]*")


def answers_yes_or_no(text: str) -> bool:
    """Whether a reply begins with yes or no."""
    found = words(text[:40])
    return bool(found) and (found[0] in _YES_NO or found[0][0] in _YES_NO_HAN)


def says_not_knowing(text: str) -> bool:
    """Whether a sentence says that something is not known."""
    return bool(_PHRASES.search(plain(text)))


def courtesy(stems: frozenset[str]) -> frozenset[str]:
    """Those of the stems that state nothing by themselves: "possible", "please contact our team", "weeks"."""
    return stems & _COURTESY


def asked_words(question: str) -> str:
    """The sentences in which a customer asks: those with a question mark, else all; none that dictate what to say."""
    sentences = _SENTENCE.findall(question)
    asking = [each for each in sentences if each.rstrip().endswith(("?", "？", "؟"))] or sentences
    return "\n".join(each for each in asking if not _DICTATED.search(folded(each)))
