"""`concierge migrate`: bring the databases up to date, while no server owns them."""

import asyncio

from bot.commands.failures import Exit
from bot.commands.printing import say, say_json
from bot.data_directory import DATABASE_FILES, owned_directory
from bot.settings import Settings
from database.clock import Clock
from database.migrations import migrate as migrate_file


async def migrate(settings: Settings, clock: Clock, *, as_json: bool) -> Exit:
    """Run what is pending in each file; a file that held something was copied beside itself before."""
    ran: dict[str, list[int]] = {}
    wait_seconds = settings.concierge_lock_wait_seconds
    async with owned_directory(settings.concierge_data_dir, clock=clock, wait_seconds=wait_seconds) as directory:
        for name, file in DATABASE_FILES.items():
            ran[file] = await asyncio.to_thread(migrate_file, directory.path / file, name)
    if as_json:
        say_json({"migrated": ran})
        return Exit.OK
    for file, steps in ran.items():
        done = f"ran {', '.join(f'{step:04d}' for step in steps)}" if steps else "is up to date"
        say(f"{file} {done}")
    return Exit.OK
