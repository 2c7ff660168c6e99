"""The names of `import windowshop`: these, typed, imported at their first use."""

import ast
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

import windowshop
from windowshop import StudyConfig, TrainConfig

NAMES = """
Answer Dataset SearchRequest StudyConfig TrainConfig WindowshopError __version__ build_index
check_dataset compare evaluate load open_index open_searcher read_dataset train
"""


def test_these_are_the_public_names():
    assert dir(windowshop) == sorted(NAMES.split()) == windowshop.__all__
    for name in NAMES.split():
        assert getattr(windowshop, name) is not None


def test_a_type_checker_sees_the_same_names_at_the_same_places():
    tree = ast.parse(Path(windowshop.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {alias.name: node.module for node in block.body for alias in node.names}
    lazy = {name: f"windowshop.{place}" for name, place in windowshop._PACKAGES.items()}
    assert typed == lazy


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("load", ["model"]),
        ("read_dataset", ["shop"]),
        ("check_dataset", ["shop"]),
        ("train", ["dataset", "model", TrainConfig()]),
        ("train", ["dataset", "model"]),
        ("evaluate", ["model", "dataset"]),
        ("compare", ["dataset", StudyConfig(), "report"]),
        ("build_index", ["model", "dataset", "index"]),
        ("open_searcher", ["index"]),
        ("open_index", ["index"]),
    ],
)
def test_a_call_needs_no_more_than_this(name, args):
    inspect.signature(getattr(windowshop, name)).bind(*args)


@pytest.mark.slow
def test_nothing_but_the_names_used_is_imported():
    code = (
        "import sys, windowshop\n"
        "dir(windowshop), windowshop.WindowshopError, windowshop.TrainConfig()\n"
        "print({'torch', 'polars', 'numpy', 'rich', 'typer'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.slow
def test_the_whole_way_with_defaults(colours, quick_config, tmp_path):
    code = f"""
from pathlib import Path
import windowshop
from windowshop.config import load_config
dataset = windowshop.read_dataset({str(colours / "data")!r})
manifest = windowshop.train(dataset, "model", load_config(Path({str(quick_config)!r})))
model = windowshop.load("model")
print(windowshop.evaluate(model, dataset, "dev").num_products)
windowshop.build_index(model, dataset, "index")
searcher = windowshop.open_searcher("index")
answer = searcher.answer(windowshop.SearchRequest(text="red shoe", limit=3))
assert isinstance(answer, windowshop.Answer)
print(len(answer.results))
searcher.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "WINDOWSHOP_CACHE": str(tmp_path / "cache")},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["12", "3"]
    assert list((tmp_path / "cache").iterdir())
