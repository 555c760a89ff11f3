"""A server on loopback that speaks as much of OpenAI's API as we use, answers by rule, and fails on demand."""

import asyncio
import base64
import json
import zlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from aiohttp import web

Fault = Literal[
    "status_500",
    "status_429",
    "status_404",
    "status_401",
    "status_400",
    "hang",
    "hang_up",
    "garbage",
    "html",
    "empty",
    "half",
    "no_text",
    "out_of_quota",
]
Oddity = Literal["no_usage", "parts"]
"""What some servers do, and clients must bear."""
Rule = Callable[[str, str], str | None]
_GARBAGE = "<html>not what you asked for</html>"
_SPOILED: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "no_text": lambda answer: _with_content(answer, ""),
    "no_usage": lambda answer: {key: value for key, value in answer.items() if key != "usage"},
    "parts": lambda answer: _with_content(
        answer, [{"type": "text", "text": part} for part in answer["choices"][0]["message"]["content"].partition(" ")]
    ),
}


@dataclass
class ScriptedOpenAI:
    """Chat completions and embeddings.

    `rules` see (system prompt, user message); the first that returns a text answers, else `otherwise` does.
    `faults` are used up, one a request; `lasting_fault` stays. `latency_seconds` passes before each answer.
    `retry_after` goes with 429; `refused_fields` are those of a request that this model knows nothing of (400).
    """

    rules: list[Rule] = field(default_factory=list)
    otherwise: str = "I am a language model."
    faults: deque[Fault | Oddity] = field(default_factory=deque)
    lasting_fault: Fault | None = None
    latency_seconds: float = 0.0
    retry_after: str | None = None
    refused_fields: frozenset[str] = frozenset()
    dimension: int = 64
    input_tokens: int = 100
    output_tokens: int = 20
    chats: list[dict[str, Any]] = field(default_factory=list)
    embeddings: list[list[str]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    most_at_once: int = 0
    base_url: str = ""
    _at_once: int = 0
    _ending: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def calls(self) -> int:
        """Requests that came, failed ones included."""
        return len(self.chats) + len(self.embeddings)

    def when(self, *, system: str = "", user: str = "", say: str | dict[str, Any]) -> None:
        """Answer `say` (JSON for a dict) when both texts contain these words."""
        text = say if isinstance(say, str) else json.dumps(say, ensure_ascii=False)
        self.rules.append(lambda spoken, asked: text if system in spoken and user in asked else None)

    @asynccontextmanager
    async def running(self) -> "AsyncIterator[ScriptedOpenAI]":
        """Listening on a free port; `base_url` ends with /v1."""
        app = web.Application(client_max_size=50 * 1024 * 1024)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/embeddings", self._embed)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            self.base_url = f"http://{host}:{port}/v1"
            yield self
        finally:
            self._ending.set()
            await runner.cleanup()

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        self.chats.append(asked)
        if refused := self.refused_fields & set(asked):
            error = {"message": f"Unsupported parameter: {sorted(refused)}", "code": "unsupported_parameter"}
            return web.json_response({"error": error}, status=400)
        return await self._served(request, self._completion(asked))

    async def _embed(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        texts = [asked["input"]] if isinstance(asked["input"], str) else list(asked["input"])
        self.embeddings.append(texts)
        return await self._served(request, self._vectors(asked, texts))

    async def _served(self, request: web.Request, answer: dict[str, Any]) -> web.StreamResponse:
        self.keys.append(request.headers.get("Authorization", "").removeprefix("Bearer "))
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            if self.latency_seconds:
                await asyncio.sleep(self.latency_seconds)
            fault = self.faults.popleft() if self.faults else self.lasting_fault
            return web.json_response(answer) if fault is None else await self._failed(request, fault, answer)
        finally:
            self._at_once -= 1

    async def _failed(self, request: web.Request, fault: Fault | Oddity, answer: dict[str, Any]) -> web.StreamResponse:
        if fault.startswith("status_") or fault == "out_of_quota":
            code = "insufficient_quota" if fault == "out_of_quota" else None
            error = {"error": {"message": "scripted fault", "type": "scripted", "code": code}}
            status = 429 if code else int(fault.removeprefix("status_"))
            headers = {"Retry-After": self.retry_after} if self.retry_after and status == 429 else None
            return web.json_response(error, status=status, headers=headers)
        if fault in _SPOILED:
            return web.json_response(_SPOILED[fault](answer))
        if fault == "html":
            return web.Response(text=_GARBAGE, content_type="text/html")
        if fault == "hang":
            await self._ending.wait()
        if fault == "garbage":
            return web.Response(text=_GARBAGE, content_type="application/json")
        if fault == "empty":
            return web.json_response({"id": "x", "object": "chat.completion", "choices": [], "data": []})
        if fault == "half":
            body = json.dumps(answer).encode()
            response = web.StreamResponse(
                headers={"Content-Length": str(len(body)), "Content-Type": "application/json"}
            )
            await response.prepare(request)
            await response.write(body[: len(body) // 2])
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)

    def _completion(self, asked: dict[str, Any]) -> dict[str, Any]:
        system = "\n".join(line["content"] for line in asked["messages"] if line["role"] == "system")
        user = "\n".join(line["content"] for line in asked["messages"] if line["role"] == "user")
        text = next((said for rule in self.rules if (said := rule(system, user)) is not None), self.otherwise)
        return {
            "id": "chatcmpl-scripted",
            "object": "chat.completion",
            "created": 1_760_000_000,
            "model": asked["model"],
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"},
            ],
            "usage": {
                "prompt_tokens": self.input_tokens,
                "completion_tokens": self.output_tokens,
                "total_tokens": self.input_tokens + self.output_tokens,
            },
        }

    def _vectors(self, asked: dict[str, Any], texts: Sequence[str]) -> dict[str, Any]:
        dimension = int(asked.get("dimensions") or self.dimension)
        rows = [_bag_of_words(text, dimension) for text in texts]
        in_base64 = asked.get("encoding_format") == "base64"
        return {
            "object": "list",
            "model": asked["model"],
            "data": [
                {
                    "object": "embedding",
                    "index": index,
                    "embedding": base64.b64encode(row.tobytes()).decode() if in_base64 else row.tolist(),
                }
                for index, row in enumerate(rows)
            ],
            "usage": {"prompt_tokens": sum(map(len, texts)), "total_tokens": sum(map(len, texts))},
        }


def _with_content(answer: dict[str, Any], content: Any) -> dict[str, Any]:
    """The same completion with another text in it."""
    choice = {**answer["choices"][0], "message": {"role": "assistant", "content": content}}
    return {**answer, "choices": [choice]}


def _bag_of_words(text: str, dimension: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A vector in which texts that share words are near: enough for a search to find something."""
    row = np.full(dimension, 1e-3, dtype=np.float32)
    for word in text.casefold().split():
        row[zlib.crc32(word.strip(".,;:!?").encode()) % dimension] += 1
    return np.asarray(row / np.linalg.norm(row), dtype=np.float32)
