"""Starts the real `concierge serve` as a process of its own, with a simulated WhatsApp in ours."""

import asyncio
import sqlite3
import sys
from dataclasses import dataclass
from typing import Any

from bot.chaos.server_process import ServerProcess, ServerSecrets, running_server

__all__ = ["Server", "concierge", "running_server"]

NUMBER = "106540352242922"
APP_SECRET = "crash-app-secret"
ACCESS_TOKEN = "crash-access-token"
ADMIN_TOKEN = "crash-admin-token"
VERIFY_TOKEN = "crash-verify-token"
SECRETS = ServerSecrets(NUMBER, APP_SECRET, ACCESS_TOKEN, ADMIN_TOKEN, VERIFY_TOKEN)


@dataclass
class Server(ServerProcess):
    """A server with known secrets, into whose databases a test may look."""

    secrets: ServerSecrets = SECRETS

    def rows(self, sql: str, file: str = "concierge.db") -> list[dict[str, Any]]:
        """Look into a database while or after the server runs."""
        connection = sqlite3.connect(self.directory / file, timeout=30)
        connection.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in connection.execute(sql)]
        finally:
            connection.close()


async def concierge(server: Server, *arguments: str, **settings: str) -> tuple[int, str, str]:
    """Another command on the same data directory: exit code, stdout, stderr."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", *arguments),
        env={**server.environment(), "CONCIERGE_LOCK_WAIT_SECONDS": "1", **settings},
        cwd=server.directory.parent,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 120)
    return process.returncode or 0, out.decode(), err.decode()
