import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from agents.chat_model import ModelOptions, OpenAIChatModel
from agents.ports import ModelError
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


@pytest.mark.parametrize("fault", ["status_500", "status_429", "hang_up", "garbage", "empty", "half"])
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


def _sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)
