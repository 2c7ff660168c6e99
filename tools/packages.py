"""Packages that the project asks for, that the lock names, and that are installed."""

import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCKS = ROOT / "requirements"
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
DEVELOPMENT = ("all", "dev", "docs")
"""Extras that `make` installs."""


def wanted(extras: Iterable[str]) -> Iterator[Requirement]:
    """Yield the requirements of the package with some extras, and those of extras they name."""
    project = PYPROJECT["project"]
    named = (line for extra in extras for line in project["optional-dependencies"][extra])
    for requirement in map(Requirement, [*project["dependencies"], *named]):
        if requirement.name == project["name"]:
            yield from wanted(requirement.extras)
        else:
            yield requirement


def build_requirements() -> list[Requirement]:
    """Return what makes a wheel."""
    return list(map(Requirement, PYPROJECT["build-system"]["requires"]))


def reached(requirements: Iterable[Requirement]) -> set[str]:
    """Return the packages that requirements lead to on this machine, as they are installed."""
    waiting = list(requirements)
    seen: dict[str, set[str]] = {}
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in seen and requirement.extras <= seen[name]:
            continue
        seen.setdefault(name, set()).update(requirement.extras)
        places = [{"extra": extra} for extra in ("", *seen[name])]
        for needed in map(Requirement, distribution(name).requires or []):
            if needed.marker is None or any(map(needed.marker.evaluate, places)):
                waiting.append(needed)
    return set(seen)


def locked(file: str) -> dict[str, Requirement]:
    """Return the pins of a lock file by package."""
    text = (LOCKS / f"{file}.txt").read_text("utf-8").replace("\\\n", "")
    lines = [line.partition("--hash")[0] for line in text.splitlines() if not line.startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in map(Requirement, lines)}


def entries(lock: str) -> dict[str, str]:
    """Split the text of a lock into its packages, each with its lines of hashes."""
    found = re.findall(r"^(?:[\w.-]+)==.*(?:\n    .*)*\n", lock, re.MULTILINE)
    return {entry.partition("==")[0]: entry for entry in found}


def version_of(pin: Requirement) -> str:
    """Return the version that a pin names."""
    (specifier,) = pin.specifier
    assert specifier.operator == "=="
    return specifier.version
