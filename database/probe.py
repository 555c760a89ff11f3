"""Asks a SQLite file whether it can still be written."""

from database.transaction import Transaction, Unit


def writable() -> Unit[str]:
    """Writes the file's schema version as it is, which takes a lock, room and a commit; the library's version."""

    async def unit(transaction: Transaction) -> str:
        rows = await transaction.all("SELECT sqlite_version(), user_version FROM pragma_user_version")
        library, schema_version = rows[0]
        await transaction.run(f"PRAGMA user_version = {int(schema_version)}")
        return str(library)

    return unit
