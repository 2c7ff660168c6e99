"""The programs of examples/ run on a small shop."""

import importlib
import shutil
from pathlib import Path

import pytest
from support.registering import restored
from support.shops import PRODUCTS, QUERIES, write_shop

from windowshop.registry import FUSIONS, READERS

EXAMPLES = Path(__file__).parent.parent / "examples"
pytestmark = pytest.mark.slow


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs an example's `main`, and returns the lines that it printed; leaves registries alone."""
    monkeypatch.syspath_prepend(EXAMPLES)

    def run(name, *args):
        importlib.import_module(name).main(*args)
        return capsys.readouterr().out.splitlines()

    with restored(FUSIONS, READERS):
        yield run


def test_every_example_is_short_and_tested():
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert names == {
        "search_index", "online_writes", "train_and_evaluate", "add_fusion", "add_reader"
    }  # fmt: skip
    for name in names:
        assert len((EXAMPLES / f"{name}.py").read_text().splitlines()) <= 40
        assert f"examples/{name}.py" in (EXAMPLES / f"{name}.py").read_text()


def test_search_index(run, indexed):
    lines = run("search_index", indexed, "red dress")
    assert len(lines) == 10
    assert lines[0].startswith("  1 ")


def test_online_writes(run, indexed, tmp_path):
    lines = run("online_writes", shutil.copytree(indexed, tmp_path / "index"))
    assert lines[0].endswith(" example-1")


def test_train_and_evaluate(run, shop):
    lines = run("train_and_evaluate", shop / "data", shop / "example-model")
    assert [line.split()[0] for line in lines] == ["fused", "image_only", "text_only", "bm25"]
    assert all(0 <= float(line.split()[1]) <= 1 for line in lines)


def test_add_fusion(run, shop):
    (line,) = run("add_fusion", shop / "data", shop / "example-sum")
    assert line.startswith("sum: nDCG@10 0.")


def test_add_reader(run, tmp_path):
    data = write_shop(tmp_path / "data", suffix=".csv")
    for file in data.glob("*.csv"):
        text = file.read_text().replace(",", "\t")
        file.with_suffix(".tsv").write_text(text)
        file.unlink()
    assert run("add_reader", data) == [f"{len(PRODUCTS)} products, {len(QUERIES)} queries"]
