import pytest

from agents.language_packs import load_language_packs
from agents.message_classifier import MessageClassifier
from agents.ports import Burst, ModelError, Utterance
from database.records import Intent
from tests.fakes.scripted_model import ScriptedModel

PACKS = load_language_packs()


def burst(*texts: str, language: str | None = None) -> Burst:
    return Burst("b", texts, language, (Utterance(by_customer=False, text="Earlier answer"),))


async def test_a_model_is_asked_with_the_whole_burst() -> None:
    """Every message of the burst and what was said before reach the model; its word counts."""
    model = ScriptedModel({"intents": ["person", "thanks"], "language": "nl"})
    said = await MessageClassifier(model, PACKS).classify(burst("dank u", "mag ik iemand spreken"))
    assert said.intents == (Intent.PERSON, Intent.THANKS)
    assert said.language == "nl"
    assert said.error is None
    assert said.usage.input_tokens == 10
    assert said.usage.prompt_hash
    assert all(text in model.users[0] for text in ("dank u", "mag ik iemand spreken", "Earlier answer"))


@pytest.mark.parametrize(
    "nonsense",
    [
        "greeting",
        '{"intents": ["greeting"]',
        '["greeting"]',
        {"intents": [], "language": "en"},
        {"intents": ["purchase"], "language": "en"},
        {"intents": ["knowledge"], "language": "en"},
        {"intents": ["greeting"], "language": "English"},
        {"intents": "greeting", "language": "en"},
    ],
)
async def test_nonsense_falls_back_to_the_rules(nonsense: str | dict[str, object]) -> None:
    """A model that answers anything else than what it was asked for is paid, noted and ignored."""
    said = await MessageClassifier(ScriptedModel(nonsense), PACKS).classify(burst("muchas gracias"))
    assert said.intents == (Intent.THANKS,)
    assert said.language == "es"
    assert said.error is not None
    assert said.usage.cost_usd == 0.25


async def test_a_code_fence_is_forgiven() -> None:
    """Models like to fence their JSON: that is no nonsense."""
    model = ScriptedModel('```json\n{"intents": ["question"], "language": "fr"}\n```')
    assert (await MessageClassifier(model, PACKS).classify(burst("merci"))).intents == (Intent.QUESTION,)


async def test_a_model_that_is_away_is_replaced_by_the_rules() -> None:
    """No model, no harm."""
    said = await MessageClassifier(ScriptedModel(ModelError("down")), PACKS).classify(burst("hola"))
    assert said.intents == (Intent.GREETING,)
    assert said.error == "classifier: down"


async def test_stop_needs_no_model() -> None:
    """Whoever writes "stop" is understood whatever a model says, and whether or not there is one."""
    model = ScriptedModel({"intents": ["greeting"], "language": "en"})
    said = await MessageClassifier(model, PACKS).classify(burst("hi", "STOP"))
    assert said.intents[0] is Intent.OPT_OUT
    assert model.asked == []
