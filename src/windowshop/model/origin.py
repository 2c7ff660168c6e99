"""Command, code and machine that figures and weights come from, to be kept beside them."""

import os
import platform
import shlex
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("windowshop", "torch", "transformers", "sentence-transformers", "numpy", "polars")
CHECKOUT = Path(__file__).parents[3]
"""Top of the source tree, where the package runs from one."""
CODE = ("src", "requirements")
"""Paths below it that decide figures; results and documents are committed beside them."""


def environment() -> dict[str, str]:
    """Return what figures depend on beside data and settings, one short text each.

    `precision` is that of matrix products in training, `threads` those of torch in this process;
    both are absent without torch, as the version of a package is where it is not installed.
    `commit` is the last one that changed the code; absent outside a git checkout, and ending in
    `-dirty` where files differ from it.
    """
    found = {"command": command(sys.argv), "commit": _commit()}
    return {
        **{name: text for name, text in found.items() if text},
        "machine": platform.machine(),
        "cpu": _cpu(),
        "cores": str(os.cpu_count()),
        **_of_torch(),
        "python": platform.python_version(),
        **{name: number for name in PACKAGES if (number := _version(name))},
    }


def command(arguments: list[str]) -> str:
    """Return a command line with the last part of absolute paths, which only one machine has."""
    parts = [Path(a).name if Path(a).is_absolute() else a for a in arguments]
    return shlex.join(["windowshop" if part == "__main__.py" else part for part in parts])


def _of_torch() -> dict[str, str]:
    try:
        import torch
    except ModuleNotFoundError:
        return {}
    from windowshop.model.layers import fast_dtype

    precision = "fp32" if fast_dtype() == torch.float32 else "bf16"
    return {"threads": str(torch.get_num_threads()), "precision": precision}


def _version(package: str) -> str:
    """Return the version of a package; empty where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


@cache
def _commit() -> str:
    """Return the last commit that changed the code, looked up once as the program starts work."""
    if not (CHECKOUT / ".git").exists():
        return ""
    commit = _git("log", "-1", "--abbrev=12", "--format=%h", "--", *CODE)
    return f"{commit}-dirty" if commit and _git("status", "--porcelain", "--", *CODE) else commit


def _git(*arguments: str) -> str:
    """Return what git answers in the checkout; empty where it cannot."""
    line = ["git", "-C", str(CHECKOUT), *arguments]
    try:
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=30)
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
