"""`concierge ask QUESTION`: what customers would hear, with its sources."""

from bot.commands.failures import Exit
from bot.commands.knowledge_door import knowledge_door
from bot.commands.printing import say, say_json
from bot.settings import Settings
from database.clock import Clock


async def ask(settings: Settings, clock: Clock, question: str, business: str, *, as_json: bool) -> Exit:
    """Print the answer. Not knowing is an answer, too."""
    async with knowledge_door(settings, business, clock) as door:
        answer = await door.ask(question)
    if as_json:
        say_json(answer)
        return Exit.OK
    say(answer["answer"])
    for source in answer["sources"]:
        page = f", page {source['page']}" if source.get("page") else ""
        say(f"  - {source['filename']}{page} ({source['score']:.2f})")
    return Exit.OK
