"""Agents that answer what a test says: an echo, a wait, or a fault."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from agents.ports import Burst, Effects, Reply
from database.records import Intent


@dataclass
class ScriptedResponder:
    """Answers `You said: …`; the next bursts may meet a fault, a gate to wait at, or effects."""

    heard: list[Burst] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)
    gates: list[asyncio.Event] = field(default_factory=list)
    effects: list[Effects] = field(default_factory=list)

    async def respond(self, burst: Burst) -> Reply:
        self.heard.append(burst)
        if self.faults:
            raise self.faults.pop(0)
        if self.gates:
            await self.gates.pop(0).wait()
        effects = self.effects.pop(0) if self.effects else Effects()
        text = "You said: " + " / ".join(burst.texts)
        return Reply((Intent.QUESTION,), "en", text=text, answered=True, effects=effects, knowledge_version=7)

    def apology(self, language: str | None) -> str:
        return "Sorry"

    def subscription(self, texts: Sequence[str], language: str | None) -> Reply | None:
        stop = "STOP" in texts
        return Reply((Intent.OPT_OUT,), "en", text="Stopped", effects=Effects(opted_out=True)) if stop else None

    def unsupported(self, language: str | None) -> str:
        return "Text only"
