"""Commands that make a file or a folder, killed: what they make is whole, or as it was before."""

import re
import shutil

import pytest
from support.faults import contents, some
from support.killing import kills, run_command
from support.shops import write_shop

pytestmark = pytest.mark.slow
AGAIN = some(2, 4)
"""Kills from one after which the command is run again to the next such."""
COMMANDS = {
    "queries": lambda at: ["queries", at / "data", "--out", at / "out", "--count", 12],
    "demo-data": lambda at: ["demo-data", at / "out", "--products", 100],
    "judgements": lambda at: ["judgements", at / "index", "--out", at / "out"],
    "mine-negatives": lambda at: ["mine-negatives", at / "model", at / "data",
                                  "--out", at / "out" / "mined.parquet", "--cache", at / "cache"],
    "export --to parquet": lambda at: ["export", at / "index", "--to", "parquet",
                                       "--out", at / "out" / "products.parquet"],
    "export --to qdrant": lambda at: ["export", at / "index", "--to", "qdrant",
                                      "--out", at / "out" / "points.jsonl"],
    "export --to sentence-transformers": lambda at: [
        "export", at / "model", "--to", "sentence-transformers", "--out", at / "out"],
    "evaluate --json": lambda at: ["evaluate", at / "model", at / "data", "--split", "dev",
                                   "--json", at / "out" / "figures.json", "--cache", at / "cache"],
    "check --write-columns": lambda at: ["check", at / "sound", "--write-columns"],
}  # fmt: skip


@pytest.fixture
def place(colours, colours_index, tmp_path):
    """A folder with data, a model, its cache, and an index of it."""
    for name in ("data", "model", "cache"):
        shutil.copytree(colours / name, tmp_path / "place" / name)
    write_shop(tmp_path / "place" / "sound")
    shutil.copytree(colours_index, tmp_path / "place" / "index")
    return tmp_path / "place"


@pytest.mark.parametrize("name", COMMANDS)
def test_what_a_command_that_dies_makes_is_whole_or_not_there(name, place, cli, tmp_path):
    args = [str(arg) for arg in COMMANDS[name](place)]
    shutil.copytree(place, tmp_path / "before")
    before = contents(place)

    def prepare():
        shutil.rmtree(place)
        shutil.copytree(tmp_path / "before", place)
        if f"{place / 'out'}/" in " ".join(args):
            (place / "out").mkdir()

    prepare()
    told = cli(*args)
    assert told.code == 0, told.err
    after = contents(place)
    made = {path: content for path, content in after.items() if before.get(path) != content}
    assert made
    for number, moment in enumerate(kills(name, place, prepare, run_command, args)):
        found = contents(place)
        for path, content in made.items():
            assert found.get(path) in (before.get(path), content), (moment, path)
        assert {path: found.get(path) for path in before if path not in made} == {
            path: content for path, content in before.items() if path not in made
        }
        if number % AGAIN:
            continue
        told = cli(*args)
        is_there = found == after and re.search(
            "is not empty|already exists|is there already", told.err
        )
        assert told.code == 0 or is_there, (moment, told.err)
        assert contents(place) == after, moment
