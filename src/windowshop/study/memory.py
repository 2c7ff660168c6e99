"""Peak memory of this process, measured afresh for each training where the system can do it."""

import sys
from contextlib import suppress
from pathlib import Path

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"
"""What Linux takes to set the peak back to the present size (man 5 proc)."""


def reset_peak() -> None:
    """Forget the peak so far; does nothing where the system cannot."""
    with suppress(OSError):
        CLEAR.write_text(RESET_PEAK)


def peak_memory_mb() -> float | None:
    """Largest resident size since `reset_peak`, in 10^6 bytes; None where it is not known."""
    if not sys.platform.startswith("linux"):
        return None
    for line in STATUS.read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return None
