"""Commands killed before a change of a file or of the database: what was there stays whole.

Run again, a command does what it would have done, and leaves nothing of the one that died.
"""

import shutil

import pytest
from index.test_folder import layout
from support.faults import some
from support.indexes import opened
from support.killing import run_and_kill_at

from windowshop.files import MODEL, check_folder
from windowshop.index.check import check_generations
from windowshop.model.query_encoder import open_query_encoder
from windowshop.model.retriever import load
from windowshop.search.settings import SETTINGS_FILE, load_search_settings

pytestmark = pytest.mark.slow
MOMENTS = some(5, 200)


def kills(args, prepare):
    """Run a command again and again on a new copy, killed at moments spread over its whole run.

    Yields after each kill.
    """
    prepare()
    killed, count = run_and_kill_at(args)
    assert not killed
    assert count > 1
    moments = sorted({1 + i * (count - 1) // (MOMENTS - 1) for i in range(MOMENTS)})
    for moment in moments:
        prepare()
        if run_and_kill_at(args, moment)[0]:
            yield moment


def is_whole(index):
    return [text for check in check_generations(index) for text in check.damage] == []


def ids_of(index):
    with opened(index) as shop:
        return set(shop.collection.ids())


def hidden(folder):
    """What a run that died has left below a folder."""
    return [p for p in folder.rglob(".*") if p.name not in (".partial",) or any(p.iterdir())]


@pytest.fixture
def fresh(colours_index, tmp_path):
    """Copies the index again, to the same place."""

    def prepare():
        shutil.rmtree(tmp_path / "index", ignore_errors=True)
        shutil.copytree(colours_index, tmp_path / "index")

    return prepare


def test_a_build_that_dies_leaves_the_index_as_it_was_or_whole(
    colours, build_colours, fresh, tmp_path
):
    index, before = tmp_path / "index", {f"p{i}" for i in range(12)}
    after = before - {"p0"} | {"p12", "p13"}
    args = ["index", colours / "model", colours / "later", "--out", index, "--engine", "exact"]
    args += ["--cache", colours / "cache"]
    num_killed = 0
    for _ in kills(args, fresh):
        num_killed += 1
        current, previous, _ = layout(index)
        assert (current, previous) in (("g1", None), ("g2", "g1"))
        assert is_whole(index)
        assert ids_of(index) == (before if current == "g1" else after)
        build_colours(index, "later")
        assert ids_of(index) == after
        assert len(layout(index)[2]) == 2
        assert is_whole(index)
        assert hidden(index) == []
    assert num_killed > MOMENTS / 2


def test_a_rollback_that_dies_was_done_or_not(build_colours, fresh, tmp_path):
    index = tmp_path / "index"

    def prepare():
        fresh()
        build_colours(index, "later")
        with opened(index) as shop:
            shop.delete(["p3"])

    kept = {f"p{i}" for i in range(1, 14)} - {"p3"}
    num_killed = 0
    for _ in kills(["revert-index", index], prepare):
        num_killed += 1
        assert layout(index)[:2] in (("g1", "g2"), ("g2", "g1"))
        assert is_whole(index)
        assert ids_of(index) == kept
    assert num_killed > MOMENTS / 2


def test_an_export_that_dies_leaves_one_that_fits(colours, tmp_path):
    model = tmp_path / "model"

    def prepare():
        shutil.rmtree(model, ignore_errors=True)
        shutil.copytree(colours / "model", model)

    args = ["export-onnx", model, "--data", colours / "data", "--cache", colours / "cache"]
    num_killed = 0
    for _ in kills(args, prepare):
        num_killed += 1
        assert check_folder(model, MODEL).damage == ()
        expected = load(model, "cpu").encode_queries(["red shoe"], [None])
        if (model / "export").exists():
            found = open_query_encoder(model / "export").encode(["red shoe"])
            assert abs(found - expected).max() < 0.05
    assert num_killed > MOMENTS / 2
    assert not run_and_kill_at(args)[0]
    assert [path.name for path in model.rglob("*.partial")] == []
    open_query_encoder(model / "export")


def test_a_tuning_that_dies_leaves_settings_that_can_be_read(colours, fresh, tmp_path):
    index = tmp_path / "index"
    num_killed = 0
    for _ in kills(["tune", index, colours / "data"], fresh):
        num_killed += 1
        load_search_settings(index / "generations" / "g1")
        for path in index.rglob(f"*{SETTINGS_FILE}*"):
            assert path.name == SETTINGS_FILE or path.name.startswith(".")
        assert is_whole(index)
    assert num_killed > MOMENTS / 2
