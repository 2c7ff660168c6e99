"""Free memory, and the peak memory of this process."""

import ctypes
import gc
import sys
from contextlib import suppress
from pathlib import Path

import psutil

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
CGROUP = Path("/sys/fs/cgroup")
RESET_PEAK = "5"
"""Value that makes Linux set the peak to the present size (man 5 proc)."""


def reset_peak() -> bool:
    """Return free memory to the system and reset the peak; False where it cannot be reset."""
    gc.collect()
    with suppress(OSError, AttributeError, TypeError):  # glibc's own; others lack it
        ctypes.CDLL(None).malloc_trim(0)
    with suppress(OSError):
        CLEAR.write_text(RESET_PEAK)
        return True
    return False


def peak_memory_mb() -> float | None:
    """Return the largest resident size since `reset_peak` in 10^6 bytes; None outside Linux.

    Where `reset_peak` returned False it is the peak of the whole process.
    """
    if not sys.platform.startswith("linux"):
        return None
    for line in STATUS.read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return None


def free_memory() -> int:
    """Return the free bytes, within the limit of a container (cgroup v2) if there is one."""
    free: int = psutil.virtual_memory().available
    with suppress(OSError, ValueError):  # no such limit
        limit, taken = (int((CGROUP / f"memory.{n}").read_text()) for n in ("max", "current"))
        free = min(free, max(0, limit - taken))
    return free
