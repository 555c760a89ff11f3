"""Sets up the Python interpreter for a process that serves: no long pauses, and none at its end."""

import contextlib
import gc
import logging
import os
import sys
import threading
import time
from typing import NoReturn

logger = logging.getLogger(__name__)

# for threads that are only about to end
PATIENCE_SECONDS = 1.0

# Objects made before the young are looked through, and how often the older are: a full collection stops chat for
# 25 to 35 ms (measured with everything loaded), a young one for 1 to 2.
GARBAGE_THRESHOLDS = (50_000, 20, 100)


def settle() -> None:
    """Once everything is loaded: what lives now lives until the end, and is never looked through again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)


def leave(code: int) -> NoReturn:
    """End the process, also when threads wait for somebody outside.

    The interpreter itself would wait for them: a silent object store would delay the next start by minutes.
    """
    deadline = time.perf_counter() + PATIENCE_SECONDS
    others = [each for each in threading.enumerate() if each is not threading.main_thread() and not each.daemon]
    for each in others:
        each.join(max(0.0, deadline - time.perf_counter()))
    if not any(each.is_alive() for each in others):
        sys.exit(code)
    logger.warning("threads that still wait for somebody outside are not waited for")
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # whoever read it has gone
            stream.flush()
    os._exit(code)
