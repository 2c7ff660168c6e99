"""Write the lock files: every package that is installed, with its version and hashes.

    requirements/packages.txt   all that `make` installs but torch
    requirements/serve.txt      the part of it that serving needs
    requirements/train.txt      the part of it that serving and training need
    requirements/build.txt      the part of it that makes a wheel
    requirements/torch-cpu.txt  the CPU build of torch, which PyPI does not have
    requirements/torch-pypi.txt torch as PyPI has it, with what its CUDA build on Linux needs

`uv pip compile` resolves for CPython 3.11 on Linux (x86_64, aarch64) and macOS. Versions stay as
they are locked where pyproject.toml allows it; `--upgrade` looks for newer ones.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.packages import DEVELOPMENT, LOCKS, ROOT, entries

TORCH = re.compile(r"torch$|cuda-|nvidia-|triton$")
TORCH_PIN = "torch==2.13.0"
CPU_BUILD = "6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b"
"""SHA-256 of the CPU build of that torch, for CPython 3.11 on Linux x86_64. PyPI does not have it.

It is that of the file which the tests ran with. PyTorch's own index lists it too: compare them
before a file of another origin is trusted. A later torch needs both changed.
"""
HEADER = "# {}\n# Written by `make lock`; not to be edited.\n"
TITLES = {
    "packages.txt": "All that `make` installs but torch, for CPython 3.11 on Linux and macOS.",
    "serve.txt": "The part of packages.txt that `windowshop[serve,qdrant]` needs.",
    "train.txt": "The part of packages.txt that `windowshop[train,serve,qdrant]` needs.",
    "build.txt": "The part of packages.txt that makes a wheel of windowshop.",
    "torch-cpu.txt": "The CPU build of torch for Linux x86_64, of PyTorch's own index.",
    "torch-pypi.txt": "torch as PyPI has it, with what its CUDA build on Linux needs.",
}
"""Lock files with their first lines."""
WHOLE = ("packages.txt", "torch-pypi.txt")
"""The files that are one lock together."""


def main() -> None:
    """Lock, keeping what is locked."""
    upgrade = ["--upgrade"] if "--upgrade" in sys.argv[1:] else []
    locked = "".join((LOCKS / n).read_text() for n in WHOLE if (LOCKS / n).exists())
    lock = compile_lock(
        locked, "pyproject.toml", *(f"--extra={extra}" for extra in DEVELOPMENT), *upgrade
    )
    found = entries(lock)
    parts = {name: "" for name in TITLES}
    for name, entry in found.items():
        parts["torch-pypi.txt" if TORCH.match(name) else "packages.txt"] += entry
    parts["torch-cpu.txt"] = f"{TORCH_PIN}+cpu \\\n    --hash=sha256:{CPU_BUILD}\n"
    for name, sources in (
        ("serve.txt", ["pyproject.toml", "--extra=serve", "--extra=qdrant"]),
        (
            "train.txt",
            ["pyproject.toml", *(f"--extra={extra}" for extra in ("train", "serve", "qdrant"))],
        ),
        ("build.txt", ["requirements/build.in"]),
    ):
        for package, entry in entries(compile_lock(lock, *sources)).items():
            if (pin := entry.split()[0]) != found[package].split()[0]:
                raise SystemExit(f"{name}: {pin}, but all together {found[package].split()[0]}")
            parts[name] += "" if TORCH.match(package) else entry
    for name, content in parts.items():
        (LOCKS / name).write_text(HEADER.format(TITLES[name]) + content)
        print(f"{LOCKS.name}/{name}: {len(entries(content))} packages")


def compile_lock(locked: str, *sources: str) -> str:
    """Return what uv resolves for the sources, preferring what is locked."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "lock.txt"
        out.write_text(locked)
        (constraints := Path(folder) / "constraints.txt").write_text(TORCH_PIN)
        settings = ["--universal", "--python-version=3.11", "--fork-strategy=fewest"]
        form = ["--generate-hashes", "--only-binary=:all:", "--no-header", "--no-annotate"]
        command = ["uv", "pip", "compile", *sources, *settings, *form, "--quiet"]
        command += ["--constraint", str(constraints), "--output-file", str(out)]
        subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=True)
        return out.read_text()


if __name__ == "__main__":
    main()
