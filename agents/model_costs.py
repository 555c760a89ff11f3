"""What calls of a model cost: tokens where nobody counted them, prices, and the record of both."""

import math

from agents.ports import Usage
from database.metrics import Metrics
from vectorstore.openai_embedder import BYTES_A_TOKEN

_TOKENS_A_PRICE_UNIT = 1_000_000


def estimated_tokens(text: str) -> int:
    """Tokens, roughly: about four bytes each, whatever the script."""
    return math.ceil(len(text.encode(errors="replace")) / BYTES_A_TOKEN)


def cost_usd(tokens_in: int, tokens_out: int, prices: tuple[float, float]) -> float:
    """`prices` are US dollars a million tokens, in and out."""
    return (tokens_in * prices[0] + tokens_out * prices[1]) / _TOKENS_A_PRICE_UNIT


def record(metrics: Metrics, usage: Usage) -> None:
    """Count what a call cost."""
    model = usage.model or ""
    metrics.model_tokens.labels(model, "input").inc(usage.input_tokens)
    metrics.model_tokens.labels(model, "output").inc(usage.output_tokens)
    metrics.model_cost.labels(model).inc(usage.cost_usd)
