"""The import rule: packages in one order, no cycles inside one, only faces from outside."""

import ast
import functools
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

import windowshop

SRC = Path(windowshop.__file__).parent
REPOSITORY = SRC.parents[1]

# A package imports packages of earlier lines only; those of one line do not know each other.
ORDER = """
errors _version
client files progress registry settings
config
data
encoders engines imports
model
evaluation index
training search
study service
demo
cli
__main__
"""
RANKS = {name: rank for rank, line in enumerate(ORDER.split("\n")) for name in line.split()}
SINGLE_FILES = {path.stem for path in SRC.glob("*.py")}


def module_of(path):
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {module_of(path): path for path in SRC.rglob("*.py")}


@functools.cache
def imported(path):
    """Dotted names below windowshop that a file imports, at the top or inside functions."""
    return tuple(_imported(path))


def _imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            source = node.module or ""
            if source.split(".")[0] == "windowshop":
                below = source.removeprefix("windowshop").removeprefix(".")
                for alias in node.names:
                    name = f"{below}.{alias.name}".removeprefix(".")
                    yield name if name in MODULES else below
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("windowshop."):
                    yield alias.name.removeprefix("windowshop.")


def breaches(module, path):
    """Imports of a file that the rule forbids."""
    package = module.split(".")[0]
    for name in imported(path):
        other = name.split(".")[0]
        if other == package or name == "":
            continue
        if RANKS[other] >= RANKS.get(package, len(RANKS)):
            yield f"{module} imports {name}, which does not come before it"
        if "." in name and other not in SINGLE_FILES:
            yield f"{module} imports {name}; import from windowshop.{other}"


def test_every_package_has_its_place():
    assert set(RANKS) == {module.split(".")[0] for module in MODULES} - {""}


def test_the_top_level_has_at_most_24_entries():
    assert len([path for path in SRC.iterdir() if path.name != "__pycache__"]) <= 24


@pytest.mark.parametrize("module", sorted(set(MODULES) - {""}))
def test_imports_follow_the_rule(module):
    assert list(breaches(module, MODULES[module])) == []


OUTSIDE = sorted([*REPOSITORY.glob("benchmarks/*.py"), *REPOSITORY.glob("examples/*.py")])


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: path.stem)
def test_programs_outside_import_faces_only(path):
    inner = [n for n in imported(path) if "." in n and n.split(".")[0] not in SINGLE_FILES]
    assert inner == []


def test_a_forbidden_import_is_found(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text("from windowshop.search.searcher import Searcher\n")
    assert len(list(breaches("data.bad", path))) == 2


@pytest.mark.parametrize("package", sorted({m.split(".")[0] for m in MODULES} - {""}))
def test_no_cycles_inside_a_package(package):
    inside = [m for m in MODULES if m.split(".")[0] == package and m != package]
    graph = {m: {n for n in imported(MODULES[m]) if n in inside} - {m} for m in inside}
    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("package", sorted({m.split(".")[0] for m in MODULES} - {""}))
def test_no_cycles_between_the_folders_of_a_package(package):
    inside = [m for m in MODULES if m.split(".")[0] == package and m != package]
    folders = {m: m.split(".")[1] for m in inside}
    graph = {folder: set() for folder in folders.values()}
    for module, folder in folders.items():
        others = {folders[n] for n in imported(MODULES[module]) if n in folders}
        graph[folder] |= others - {folder}
    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("stub", sorted(SRC.rglob("__init__.pyi")), ids=lambda p: p.parent.name)
def test_faces_name_what_exists(stub):
    face = ".".join(stub.parent.relative_to(SRC.parent).parts)
    found = __import__(face, fromlist=["*"])
    assert found.__all__
    for name in found.__all__:
        assert getattr(found, name) is not None


@pytest.mark.parametrize("stub", sorted(SRC.rglob("__init__.pyi")), ids=lambda p: p.parent.name)
def test_no_name_of_a_face_is_a_file_beside_it(stub):
    face = ".".join(stub.parent.relative_to(SRC.parent).parts)
    names = set(__import__(face, fromlist=["*"]).__all__)
    assert not names & {path.stem for path in stub.parent.iterdir()}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="train_everything"):
        _ = windowshop.train_everything


HEAVY = ("torch", "transformers", "sentence_transformers", "polars", "ir_measures", "PIL")


@pytest.mark.parametrize("module", ["windowshop", "windowshop.cli.entry", "windowshop.config"])
def test_importing_is_light_and_has_no_effects(module, tmp_path):
    code = (
        "import os, sys, threading, warnings\n"
        "before = dict(os.environ), list(warnings.filters)\n"
        f"import {module}\n"
        "assert (dict(os.environ), list(warnings.filters)) == before\n"
        "assert threading.active_count() == 1\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are listed on Linux")
def test_imports_start_no_threads_of_polars():
    # A process that is forked from one in which they run waits for them for ever.
    code = (
        "import os, support.killing as killing\n"
        "for name in killing.PRELOADED: __import__(name)\n"
        "folder = '/proc/self/task'\n"
        "tasks = [open(f'{folder}/{task}/comm').read() for task in os.listdir(folder)]\n"
        "assert not [name for name in tasks if name.startswith('polars-0')], tasks\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent)
