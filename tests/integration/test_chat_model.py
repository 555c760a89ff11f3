import asyncio
import random
from collections.abc import AsyncIterator
from email.utils import formatdate

import pytest

from agents.chat_model import ModelOptions, OpenAIChatModel
from agents.circuit_breaker import BreakerState
from agents.ports import Completion, ModelError
from database.metrics import Metrics
from tests.fakes.hasty_clock import HastyClock
from tests.fakes.scripted_openai import Fault, ScriptedOpenAI


@pytest.fixture
async def server() -> AsyncIterator[ScriptedOpenAI]:
    async with ScriptedOpenAI(otherwise="Hello!").running() as running:
        yield running


@pytest.fixture
def hasty() -> HastyClock:
    return HastyClock()


@pytest.fixture
async def model(server: ScriptedOpenAI, hasty: HastyClock, metrics: Metrics) -> AsyncIterator[OpenAIChatModel]:
    options = ModelOptions(
        model="test-model",
        api_key="key-of-the-test",
        base_url=server.base_url,
        timeout_seconds=30,
        retries=2,
        concurrency=2,
        prices={"test-model": (2.0, 8.0)},
    )
    opened = OpenAIChatModel(options, hasty, random.Random(1), metrics)
    yield opened
    await opened.close()


async def test_says_what_the_server_says_and_what_it_cost(
    model: OpenAIChatModel, server: ScriptedOpenAI, metrics: Metrics
) -> None:
    """A call carries both prompts and the key; its tokens and price are recorded."""
    completion = await model.complete("You are kind.", "Hi")
    assert completion.text == "Hello!"
    assert completion.usage.model == "test-model"
    assert (completion.usage.input_tokens, completion.usage.output_tokens) == (100, 20)
    assert completion.usage.cost_usd == pytest.approx((100 * 2 + 20 * 8) / 1e6)
    assert [line["content"] for line in server.chats[0]["messages"]] == ["You are kind.", "Hi"]
    assert not server.chats[0].get("stream")
    assert server.keys == ["key-of-the-test"]
    assert _sample(metrics, "concierge_model_calls_total", model="test-model", outcome="answered") == 1
    assert _sample(metrics, "concierge_model_tokens_total", model="test-model", direction="input") == 100
    assert _sample(metrics, "concierge_model_cost_usd_total", model="test-model") == pytest.approx(0.00036)


@pytest.mark.parametrize(
    "fault", ["status_500", "status_429", "hang_up", "garbage", "html", "empty", "half", "no_text"]
)
async def test_tries_again_after_a_fault_that_may_pass(
    model: OpenAIChatModel, server: ScriptedOpenAI, hasty: HastyClock, fault: Fault
) -> None:
    """A passing fault costs a pause on our own clock, and the customer nothing."""
    server.faults.append(fault)
    assert (await model.complete("s", "u")).text == "Hello!"
    assert server.calls == 2
    assert len(hasty.slept) == 1
    assert 0 < hasty.slept[0] <= 8


async def test_gives_up_after_its_retries(model: OpenAIChatModel, server: ScriptedOpenAI, metrics: Metrics) -> None:
    """A model that stays away is given up after the third attempt, each of them counted."""
    server.lasting_fault = "status_500"
    with pytest.raises(ModelError, match="status_500"):
        await model.complete("s", "u")
    assert server.calls == 3
    assert _sample(metrics, "concierge_model_calls_total", model="test-model", outcome="status_500") == 3


async def test_nobody_waits_for_a_model_that_is_away(
    model: OpenAIChatModel, server: ScriptedOpenAI, hasty: HastyClock
) -> None:
    """After three failed calls the model is left alone for a while, then tried again."""
    server.lasting_fault = "status_500"
    for _ in range(3):
        with pytest.raises(ModelError, match="status_500"):
            await model.complete("s", "u")
    with pytest.raises(ModelError, match="away"):
        await model.complete("s", "u")
    assert server.calls == 9
    server.lasting_fault = None
    await hasty.advance(15)
    assert (await model.complete("s", "u")).text == "Hello!"


async def test_a_probe_goes_first(model: OpenAIChatModel, server: ScriptedOpenAI, hasty: HastyClock) -> None:
    """A model that was away is asked by one caller; the others do not wait for what becomes of it."""
    server.lasting_fault = "status_404"
    for _ in range(3):
        with pytest.raises(ModelError, match="status_404"):
            await model.complete("s", "u")
    assert _is(model, BreakerState.OPEN)
    server.lasting_fault, server.latency_seconds = None, 0.05
    await hasty.advance(15)
    probe, *others = await asyncio.gather(*(model.complete("s", "u") for _ in range(4)), return_exceptions=True)
    assert isinstance(probe, Completion)
    assert all(isinstance(other, ModelError) for other in others)
    assert _is(model, BreakerState.CLOSED)


async def test_requests_that_are_wrong_in_themselves_leave_the_model_open_to_others(
    model: OpenAIChatModel, server: ScriptedOpenAI
) -> None:
    """A customer whose text the model refuses takes it away from nobody else."""
    server.lasting_fault = "status_400"
    for _ in range(5):
        with pytest.raises(ModelError, match="status_400"):
            await model.complete("s", "u")
    server.lasting_fault = None
    assert (await model.complete("s", "u")).text == "Hello!"


async def test_a_server_says_how_long_to_wait(
    model: OpenAIChatModel, server: ScriptedOpenAI, hasty: HastyClock
) -> None:
    """Retry-After in seconds is kept to, within the customer's patience."""
    server.retry_after = "12"
    server.faults.append("status_429")
    assert (await model.complete("s", "u")).text == "Hello!"
    assert hasty.slept == [12]


async def test_a_server_names_a_date_to_wait_for(
    model: OpenAIChatModel, server: ScriptedOpenAI, hasty: HastyClock
) -> None:
    """Retry-After as a date is understood, too."""
    server.retry_after = formatdate(hasty.now() / 1000 + 20, usegmt=True)
    server.faults.append("status_429")
    assert (await model.complete("s", "u")).text == "Hello!"
    assert hasty.slept == [pytest.approx(20, abs=1)]


@pytest.mark.parametrize(("fault", "retry_after"), [("status_429", "3600"), ("out_of_quota", None)])
async def test_nobody_waits_for_what_patience_cannot_mend(
    model: OpenAIChatModel, server: ScriptedOpenAI, hasty: HastyClock, fault: Fault, retry_after: str | None
) -> None:
    """A pause longer than the time-out, or an account without money: no second try."""
    server.retry_after, server.lasting_fault = retry_after, fault
    with pytest.raises(ModelError, match="status_429"):
        await model.complete("s", "u")
    assert server.calls == 1
    assert hasty.slept == []


async def test_usage_that_the_server_does_not_tell_is_estimated(model: OpenAIChatModel, server: ScriptedOpenAI) -> None:
    """A budget holds also with a server that counts no tokens: about four bytes each."""
    server.faults.append("no_usage")
    usage = (await model.complete("s" * 40, "u" * 400)).usage
    assert (usage.input_tokens, usage.output_tokens) == (110, 2)
    assert usage.cost_usd > 0


async def test_a_text_in_parts_is_put_together(model: OpenAIChatModel, server: ScriptedOpenAI) -> None:
    """Some servers answer with a list of parts."""
    server.otherwise = "Hello there!"
    server.faults.append("parts")
    assert (await model.complete("s", "u")).text == "Hello there!"


async def test_models_of_every_kind_understand_the_request(model: OpenAIChatModel, server: ScriptedOpenAI) -> None:
    """Nothing is sent that some models refuse: reasoning models know neither max_tokens nor a temperature."""
    server.refused_fields = frozenset({"max_tokens", "max_completion_tokens", "temperature", "top_p", "n", "stop"})
    assert (await model.complete("s", "u")).text == "Hello!"


async def test_a_server_that_wants_no_key(server: ScriptedOpenAI, hasty: HastyClock, metrics: Metrics) -> None:
    """Ollama and vLLM need no key: an address is enough."""
    local = OpenAIChatModel(ModelOptions("m", "", server.base_url), hasty, random.Random(1), metrics)
    assert (await local.complete("s", "u")).text == "Hello!"
    await local.close()


async def test_a_prompt_is_known_by_its_hash(model: OpenAIChatModel) -> None:
    """The hash covers the whole system text, as it was sent."""
    one, same, other = [
        (await model.complete(text, "u")).usage.prompt_hash for text in ("be kind", "be kind", "be rude")
    ]
    assert one == same
    assert one != other


async def test_too_many_before_us_is_not_the_model_s_fault(
    server: ScriptedOpenAI, hasty: HastyClock, metrics: Metrics
) -> None:
    """Whoever finds no free place in time gives up; the model is not blamed for it."""
    server.lasting_fault = "hang"
    options = ModelOptions("test-model", "key", server.base_url, timeout_seconds=30, retries=0, concurrency=1)
    busy = OpenAIChatModel(options, hasty, random.Random(1), metrics)
    await busy.load()
    first = asyncio.create_task(busy.complete("s", "u"))
    while not server.calls:
        await asyncio.sleep(0.01)
    for _ in range(4):
        with pytest.raises(ModelError, match="timeout"):
            await busy.ask("s", "u", seconds=0.01)
    assert busy.breaker == BreakerState.CLOSED
    assert _sample(metrics, "concierge_model_calls_total", model="test-model", outcome="busy") == 4
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await busy.close()


async def test_a_refused_request_is_not_repeated(model: OpenAIChatModel, server: ScriptedOpenAI) -> None:
    """What is wrong with the request itself is wrong the second time too."""
    server.lasting_fault = "status_400"
    with pytest.raises(ModelError, match="status_400"):
        await model.complete("s", "u")
    assert server.calls == 1


async def test_a_model_that_never_answers_is_left(server: ScriptedOpenAI, hasty: HastyClock, metrics: Metrics) -> None:
    """The time-out holds for the whole call, whatever its attempts do: no customer waits for ever."""
    server.lasting_fault = "hang"
    options = ModelOptions("test-model", "key", server.base_url, timeout_seconds=0.2, retries=1)
    slow = OpenAIChatModel(options, hasty, random.Random(1), metrics)
    with pytest.raises(ModelError, match="timeout"):
        await slow.complete("s", "u")
    assert _sample(metrics, "concierge_model_calls_total", model="test-model", outcome="timeout") == 1
    await slow.close()


async def test_no_server_at_all_is_a_model_error(hasty: HastyClock, metrics: Metrics, unused_tcp_port: int) -> None:
    """A wrong address or a dead network ends like every other fault."""
    options = ModelOptions("test-model", "key", f"http://127.0.0.1:{unused_tcp_port}/v1", retries=1)
    nowhere = OpenAIChatModel(options, hasty, random.Random(1), metrics)
    with pytest.raises(ModelError, match="connection"):
        await nowhere.complete("s", "u")
    await nowhere.close()


async def test_no_more_calls_at_once_than_allowed(model: OpenAIChatModel, server: ScriptedOpenAI) -> None:
    """A rush of customers does not become a rush on the model."""
    server.latency_seconds = 0.02
    await asyncio.gather(*(model.complete("s", str(number)) for number in range(6)))
    assert server.calls == 6
    assert server.most_at_once == 2


async def test_tracing_stays_off_whatever_the_environment_says(
    model: OpenAIChatModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tracing variable left over in a shell sends no customer's text to LangSmith."""
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.setenv("LANGCHAIN_TRACING_V2", "true")
    async with ScriptedOpenAI().running() as spy:
        monkeypatch.setenv("LANGSMITH_ENDPOINT", spy.base_url)
        monkeypatch.setenv("LANGSMITH_API_KEY", "key")
        assert (await model.complete("s", "u")).text == "Hello!"
        assert spy.calls == 0


def test_a_key_is_never_printed() -> None:
    """Options may be logged; the key in them may not."""
    assert "secret" not in repr(ModelOptions("m", "secret"))


def _is(model: OpenAIChatModel, state: BreakerState) -> bool:
    return model.breaker is state


def _sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)
