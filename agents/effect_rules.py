"""Which intents with an effect a model may name: those of which the customer's own words say at least something.

An opt-out and a hand-over change a conversation for good. A model may be talked into them by what it reads beside the
burst (an earlier reply that quotes a document, for instance), so the burst itself must hold a word of the matter.
For bursts in other languages than ours nobody can tell: there the model's word counts.
"""

# ruff: noqa: RUF001 - letters of other scripts are meant

from collections.abc import Sequence

from agents.words import folded
from database.records import Intent

# Beginnings of words, in the bot's ten languages. Rather too many: a real wish that is missed costs more than a word
# that means something else, and whoever writes it speaks of their own conversation.
_HINTS: dict[Intent, str] = {
    Intent.OPT_OUT: (
        "stop unsubscri opt-out opt_out optout remove quit cease leave_me alone spam contact writ text messag notif"
        " mailing anymore no_more bother block"
        " aufhor schreib nachricht abmeld abbestell ruhe kontakt losch austrag"
        " escrib mensaje baja parar basta molest borra suscri"
        " escrev mensage pare_de sair chega remov descadastr"
        " ecri arret desabon desinscri cesse tranquille suppri retire"
        " scriv messagg smett disiscri lascia"
        " berhenti pesan jangan kirim hubung hapus"
        " توقف رسال ايقاف إيقاف الغاء إلغاء تراسل اشتراك كفى"
        " बंद सदेश संदेश मैसेज मेसेज रोक मत_भेज हटा"
        " 停 退订 别再 不要 骚扰 别发 拉黑"
    ),
    Intent.PERSON: (
        "person people human agent operator represent colleague staff employee someone somebody boss manager owner"
        " talk speak call_me connect_me transfer complain advis robot"
        " mensch mitarbeit kolleg jemand chef berat sprech reden anruf beschwer"
        " humano agente operador asesor alguien jefe encargad hablar llamar queja"
        " pessoa atendente alguem falar ligar gerente responsav reclama"
        " humain conseiller quelqu'un quelqu’un responsable parler appeler reclam"
        " umano operatore qualcuno parlare chiamare reclamo"
        " orang manusia petugas bicara hubungkan atasan staf"
        " شخص انسان إنسان موظف احد أحد مدير تحدث التحدث اتصل"
        " इंसान व्यक्ति किसी एजेंट मैनेजर कर्मचारी"
        " 真人 人工 客服 经理 老板 投诉 转接"
    ),
}
_FOLDED = {intent: tuple(folded(hint.replace("_", " ")) for hint in hints.split()) for intent, hints in _HINTS.items()}


def allowed_intents(intents: Sequence[Intent], texts: Sequence[str]) -> tuple[Intent, ...]:
    """The intents without those that the burst's own words do not hint at; a question where none is left."""
    said = folded("\n".join(texts))
    kept = tuple(each for each in intents if each not in _FOLDED or any(hint in said for hint in _FOLDED[each]))
    return kept or (Intent.QUESTION,)
