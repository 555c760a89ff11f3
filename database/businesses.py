"""Businesses, their Meta apps and their WhatsApp numbers."""

from dataclasses import dataclass

from database.records import Business, new_id
from database.transaction import Transaction, Unit

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Number:
    """A WhatsApp number of ours. `id` is Meta's phone_number_id."""

    id: str
    business_id: str


def ensure_default(number_id: str, now: int) -> Unit[Business]:
    """The first business, its app and its number, made when they are missing (first start). "" is no number yet."""

    async def unit(transaction: Transaction) -> Business:
        await transaction.run(
            "INSERT INTO businesses (id, slug, name, created_at) VALUES (:id, :slug, :name, :now)"
            " ON CONFLICT (slug) DO NOTHING",
            {"id": new_id(), "slug": DEFAULT, "name": "Default", "now": now},
        )
        business = await _by_slug(transaction, DEFAULT)
        if business is None:
            raise LookupError("the default business could not be made")
        await transaction.run(
            "INSERT INTO apps (id, business_id, name, created_at) VALUES (:id, :business, :name, :now)"
            " ON CONFLICT (name) DO NOTHING",
            {"id": new_id(), "business": business.id, "name": DEFAULT, "now": now},
        )
        if not number_id:
            return business  # a command that serves nobody may run before the number is known
        await transaction.run(
            "INSERT INTO numbers (id, business_id, app_id, created_at)"
            " SELECT :number, :business, id, :now FROM apps WHERE name = :name ON CONFLICT (id) DO NOTHING",
            {"number": number_id, "business": business.id, "name": DEFAULT, "now": now},
        )
        return business

    return unit


async def _by_slug(transaction: Transaction, slug: str) -> Business | None:
    row = await transaction.one("SELECT id, slug, name FROM businesses WHERE slug = :slug", {"slug": slug})
    return Business(*row) if row else None


def business_by_slug(slug: str) -> Unit[Business | None]:
    """A business by its name in addresses."""

    async def unit(transaction: Transaction) -> Business | None:
        return await _by_slug(transaction, slug)

    return unit


def all_numbers() -> Unit[list[Number]]:
    """Every number that is ours."""

    async def unit(transaction: Transaction) -> list[Number]:
        return [Number(*row) for row in await transaction.all("SELECT id, business_id FROM numbers")]

    return unit
