"""Look at and change what a business set for its knowledge."""

from aiohttp import web

from bot.api.bodies import read_body
from bot.api.businesses import business_of
from bot.api.guard import CALLER
from bot.api.knowledge_schemas import KnowledgeSettingsOut, KnowledgeSettingsRequest
from bot.api.needs import API
from bot.api.schemas import answered
from database.audit import note
from database.knowledge_settings import change_knowledge_settings, knowledge_settings
from database.transaction import Transaction, Unit


async def get_knowledge_settings(request: web.Request) -> web.Response:
    """What the business set."""
    business = await business_of(request)
    return answered(
        KnowledgeSettingsOut.of(await request.app[API].knowledge_database.read(knowledge_settings(business.id)))
    )


async def patch_knowledge_settings(request: web.Request) -> web.Response:
    """Change what the body names, and nothing else."""
    business = await business_of(request)
    wanted = await read_body(request, KnowledgeSettingsRequest)
    needs, now = request.app[API], request.app[API].clock.now()
    changes = wanted.model_dump(include=wanted.model_fields_set)
    changed = await needs.knowledge_database.write(change_knowledge_settings(business.id, changes, now))
    # another file, so another transaction: a crash between the two loses the line, never the setting
    names = ", ".join(sorted(changes)) or "nothing"
    await needs.chat.write(_noted(business.id, f"api:{request[CALLER]}", names, now))
    return answered(KnowledgeSettingsOut.of(changed))


def _noted(business_id: str, actor: str, names: str, now: int) -> Unit[None]:
    async def unit(transaction: Transaction) -> None:
        await note(
            transaction, "knowledge_settings_changed", actor=actor, about=names, business_id=business_id, now=now
        )

    return unit
