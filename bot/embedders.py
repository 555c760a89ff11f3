"""Opens embedders: that of the settings, and the one whose vectors still answer after the settings were changed."""

import random
from contextlib import AsyncExitStack

from bot.settings import Settings
from database.clock import Clock
from database.metrics import Metrics
from vectorstore.embedders import Embedder
from vectorstore.minilm_embedder import MiniLMEmbedder
from vectorstore.minilm_files import MiniLMFiles
from vectorstore.openai_embedder import OpenAIEmbedder, OpenAIEmbedderOptions
from vectorstore.wordllama_embedder import WordLlamaEmbedder

OPENAI = "openai-"


class Embedders:
    """What it opens is closed by `stack`; each kind once."""

    def __init__(
        self, stack: AsyncExitStack, settings: Settings, clock: Clock, dice: random.Random, metrics: Metrics
    ) -> None:
        self._stack = stack
        self._settings = settings
        self._clock = clock
        self._dice = dice
        self._metrics = metrics

    def chosen(self) -> Embedder:
        """As the settings say."""
        kind = self._settings.concierge_embedder
        if kind == "wordllama":
            return self._wordllama()
        if kind == "minilm":
            return self._minilm()
        return self._openai(self._settings.concierge_embedding_model)

    def named(self, name: str) -> Embedder | None:
        """The embedder of this name; None when it cannot be asked any more."""
        if name == WordLlamaEmbedder.name:
            return self._wordllama()
        if name == MiniLMEmbedder.name:
            minilm = self._minilm()
            return minilm if minilm.available else None
        if name.startswith(OPENAI) and self._settings.has_model:
            return self._openai(name.removeprefix(OPENAI))
        return None

    def _wordllama(self) -> WordLlamaEmbedder:
        embedder = WordLlamaEmbedder()
        self._stack.callback(embedder.close)
        return embedder

    def _minilm(self) -> MiniLMEmbedder:
        files = MiniLMFiles(self._settings.concierge_minilm_dir, self._settings.concierge_minilm_download)
        embedder = MiniLMEmbedder(files, self._clock)
        self._stack.callback(embedder.close)
        return embedder

    def _openai(self, model: str) -> OpenAIEmbedder:
        settings = self._settings
        options = OpenAIEmbedderOptions(
            api_key=settings.openai_api_key.get_secret_value(),
            model=model,
            base_url=settings.openai_base_url or None,
            timeout_seconds=settings.concierge_model_timeout_seconds,
            retries=settings.concierge_model_retries,
            price_usd=settings.concierge_model_prices.get(model, (0.0, 0.0))[0],
        )
        embedder = OpenAIEmbedder(options, self._metrics, clock=self._clock, dice=self._dice)
        self._stack.push_async_callback(embedder.close)
        return embedder
