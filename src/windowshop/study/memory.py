"""Memory: what is free, and the peak of this process, afresh for each training if possible."""

import ctypes
import gc
import sys
from contextlib import suppress
from pathlib import Path

import psutil

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
CGROUP = Path("/sys/fs/cgroup")
RESET_PEAK = "5"
"""What Linux takes to set the peak back to the present size (man 5 proc)."""


def reset_peak() -> bool:
    """Give free memory back and forget the peak so far; False where the system cannot forget."""
    gc.collect()
    with suppress(OSError, AttributeError, TypeError):  # glibc's own; others lack it
        ctypes.CDLL(None).malloc_trim(0)
    with suppress(OSError):
        CLEAR.write_text(RESET_PEAK)
        return True
    return False


def peak_memory_mb() -> float | None:
    """Largest resident size since `reset_peak`, in 10^6 bytes; None where it is not known.

    Where `reset_peak` returned False it is that of the process so far.
    """
    if not sys.platform.startswith("linux"):
        return None
    for line in STATUS.read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return None


def free_memory() -> int:
    """Bytes that may still be taken, in a container with a limit of its own (cgroup v2) too."""
    free: int = psutil.virtual_memory().available
    with suppress(OSError, ValueError):  # no such limit
        limit, taken = (int((CGROUP / f"memory.{n}").read_text()) for n in ("max", "current"))
        free = min(free, max(0, limit - taken))
    return free
