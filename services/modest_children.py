"""What processes that read strangers' files get: no secrets, bounded memory and files, the last of the processor."""

import contextlib
import os
import resource
import signal
from pathlib import Path

_ENVIRONMENT = ("PATH", "LANG", "LD_LIBRARY_PATH", "TESSDATA_PREFIX")
_SOURCE = Path(__file__).resolve().parent.parent
_NICENESS = 10
_MEGABYTE = 1024 * 1024
# Nothing that we know writes files; what a library may write, the disk must not feel.
_FILE_MB = 64


def child_environment(folder: str) -> dict[str, str]:
    """Only what Python needs, and a `folder` for its temporary files: such a process must not know our secrets."""
    kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    return {
        **kept,
        "TMPDIR": folder,
        "HOME": folder,
        "PYTHONPATH": str(_SOURCE),
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def be_modest(memory_mb: int) -> None:
    """In the child: bounded memory, after everybody else for the processor, first to go when memory runs out."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb * _MEGABYTE, memory_mb * _MEGABYTE))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_MB * _MEGABYTE, _FILE_MB * _MEGABYTE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(_NICENESS)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    # Ctrl-C reaches the whole group; the parent decides when we end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
