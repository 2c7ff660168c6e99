"""Command, code and machine that figures and weights come from, to be kept beside them."""

import os
import platform
import shlex
import subprocess
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path

import torch

from windowshop.model.layers import fast_dtype

PACKAGES = ("windowshop", "torch", "transformers", "sentence-transformers", "numpy", "polars")
CHECKOUT = Path(__file__).parents[3]
"""Top of the source tree, where the package runs from one."""


def environment() -> dict[str, str]:
    """Return what figures depend on beside data and settings, one short text each.

    `precision` is that of matrix products in training, `threads` those of torch in this process.
    `commit` is absent outside a git checkout, and ends in `-dirty` where files differ from it.
    """
    found = {"command": command(sys.argv), "commit": _commit()}
    return {
        **{name: text for name, text in found.items() if text},
        "machine": platform.machine(),
        "cpu": _cpu(),
        "cores": str(os.cpu_count()),
        "threads": str(torch.get_num_threads()),
        "precision": "fp32" if fast_dtype() == torch.float32 else "bf16",
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def command(arguments: list[str]) -> str:
    """Return a command line with the last part of absolute paths, which only one machine has."""
    return shlex.join(Path(a).name if Path(a).is_absolute() else a for a in arguments)


@cache
def _commit() -> str:
    """Return the commit that the program started from, as far as this process can know it."""
    if not (CHECKOUT / ".git").exists():
        return ""
    describe = ["git", "-C", str(CHECKOUT), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(
            [*describe, "--abbrev=12"], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def _cpu() -> str:
    """Return the name of the processor, from Linux where it says so."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"
