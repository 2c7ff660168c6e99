"""Threads that encode side by side, each on one core."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def torch_threads_as_workers() -> Iterator[ThreadPoolExecutor]:
    """A pool of as many workers as torch has threads, each of them running torch on one thread.

    The layers of a small network are too short to share out: threads within a layer wait for one
    another, and for any other process on their core, at every one of them.
    """
    import torch

    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(num_threads) as pool:
            yield pool
    finally:
        torch.set_num_threads(num_threads)


def workers() -> ThreadPoolExecutor:
    """Return a pool of a worker for each core, or of OMP_NUM_THREADS, as torch has threads."""
    chosen = os.environ.get("OMP_NUM_THREADS", "")
    if chosen.isdecimal() and int(chosen):
        return ThreadPoolExecutor(int(chosen))
    # Where the system can tell, the cores that this process may use.
    allowed = getattr(os, "sched_getaffinity", None)
    return ThreadPoolExecutor(len(allowed(0)) if allowed else os.cpu_count())
