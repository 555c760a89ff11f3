"""A process that makes backup after backup with few descriptors to spare: `… FOLDER CYCLES`, and settings.

Each closes the index and opens it again. The child in Chroma's place only holds the directory: Chroma's own start
would make hundreds of cycles take minutes. Prints how many descriptors were open, cycle after cycle.
"""

import asyncio
import json
import random
import resource
import sys
from pathlib import Path

import psutil

from bot.settings import Settings
from database.clock import SystemClock
from database.metrics import Metrics
from services.snapshots.backups import BackupOptions, Backups, BackupState
from tests.fakes.small_data import small_data
from vectorstore.chroma_manager import ChromaManager, ManagerOptions
from vectorstore.chroma_process import ChildOptions
from vectorstore.index_files import IndexFiles

DESCRIPTORS = 256
CHILD = """
import fcntl, os, socket, struct, sys
directory, number = sys.argv[1:3]
lock = os.open(directory + ".lock", os.O_CREAT | os.O_RDWR)
fcntl.flock(lock, fcntl.LOCK_EX)
with open(os.path.join(directory, "held"), "w") as held:
    held.write("held")
    connection = socket.socket(fileno=int(number))
    greeting = b'{"value":null}'
    connection.sendall(struct.pack("<II", len(greeting), 0) + greeting)
    while connection.recv(4096):
        pass
"""


async def main(folder: Path, cycles: int) -> None:
    """Print a JSON list of numbers, one a cycle."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    settings, clock, metrics = Settings(), SystemClock(), Metrics()
    child = ManagerOptions(child=ChildOptions(command=(sys.executable, "-I", "-S", "-c", CHILD)))
    chroma = folder / "data" / "chroma"
    await asyncio.to_thread(chroma.mkdir, parents=True, exist_ok=True)
    options = BackupOptions(settings.concierge_backup_to, keep=2, access=settings.store_access)
    process, open_files = psutil.Process(), []
    async with (
        small_data(folder / "data", clock) as data,
        ChromaManager.open(chroma, metrics, clock=clock, dice=random.Random(1), options=child) as manager,
        Backups.running(data.directory, IndexFiles(chroma, clock, manager), "1", options, clock, metrics) as backups,
    ):
        for n in range(cycles):
            await data.upload(b"%d" % n)
            await manager.wait_ready()
            backup = await backups.start(with_index=True)
            await backups.wait()
            assert backup.state is BackupState.DONE, backup.error
            await manager.wait_ready()
            open_files.append(process.num_fds())
    sys.stdout.write(json.dumps(open_files))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
