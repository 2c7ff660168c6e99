"""Commands that die before a change of a file or of the database: what was there stays whole.

Run again, a command does what it would have done, and leaves nothing of the one that died.
"""

import shutil

import polars as pl
import pytest
from index.test_folder import layout
from support.faults import contents, some
from support.indexes import COLOURS, opened
from support.killing import kills, run_and_kill, run_command, run_to_its_end

from windowshop.files import MODEL, check_folder
from windowshop.index.check import check_generations
from windowshop.model.query_encoder import open_query_encoder
from windowshop.model.retriever import load
from windowshop.search.settings import SETTINGS_FILE, load_search_settings
from windowshop.service.generation_pool import GenerationPool

pytestmark = pytest.mark.slow
AGAIN = some(2, 4)
"""Kills from one after which the command is run again to the next such."""


def is_whole(index):
    return [text for check in check_generations(index) for text in check.damage] == []


def ids_of(index):
    with opened(index) as shop:
        return set(shop.collection.ids())


def titles_of(shop):
    rows = shop.collection.products(shop.collection.ids())
    found = dict(rows.select("product_id", "title").iter_rows())
    assert len(found) == len(rows)
    return found


def hidden(folder):
    """Files that a run that died has left below a folder."""
    return [p for p in folder.rglob(".*") if p.name not in (".partial",) or any(p.iterdir())]


@pytest.fixture
def fresh(colours_index, tmp_path):
    """Copies the index again, to the same place."""

    def prepare():
        shutil.rmtree(tmp_path / "index", ignore_errors=True)
        shutil.copytree(colours_index, tmp_path / "index")

    return prepare


def killed(args, place, prepare):
    """Leave a folder as kills of a command leave it, at moments spread over its whole run."""
    yield from kills(args[0], place, prepare, run_command, [str(arg) for arg in args])


def test_a_build_that_dies_leaves_the_index_as_it_was_or_whole(
    colours, build_colours, fresh, tmp_path
):
    """The third build, which also removes the first."""
    index, before = tmp_path / "index", {f"p{i}" for i in range(12)}
    after = before - {"p0"} | {"p12", "p13"}
    args = ["index", colours / "model", colours / "later", "--out", index, "--engine", "exact"]
    args += ["--cache", colours / "cache"]
    fresh()
    build_colours(index)
    second = shutil.copytree(index, tmp_path / "second")

    def prepare():
        shutil.rmtree(index)
        shutil.copytree(second, index)

    for number, moment in enumerate(killed(args, index, prepare)):
        current, previous, _ = layout(index)
        assert (current, previous) in (("g2", "g1"), ("g3", "g2")), moment
        assert is_whole(index), moment
        assert ids_of(index) == (before if current == "g2" else after), moment
        if number % AGAIN:
            continue
        build_colours(index, "later")
        assert ids_of(index) == after, moment
        assert len(layout(index)[2]) == 2, moment
        assert is_whole(index), moment
        assert hidden(index) == [], moment


def test_a_rollback_that_dies_was_done_or_not(build_colours, fresh, tmp_path):
    index = tmp_path / "index"
    fresh()
    build_colours(index, "later")
    with opened(index) as shop:
        shop.delete(["p3"])
    second = shutil.copytree(index, tmp_path / "second")

    def prepare():
        shutil.rmtree(index)
        shutil.copytree(second, index)

    kept = {f"p{i}" for i in range(1, 14)} - {"p3"}
    for moment in killed(["revert-index", index], index, prepare):
        assert layout(index)[:2] in (("g1", "g2"), ("g2", "g1")), moment
        assert is_whole(index), moment
        assert ids_of(index) == kept, moment


def test_an_export_that_dies_leaves_one_that_fits(colours, tmp_path):
    model = tmp_path / "model"

    def prepare():
        shutil.rmtree(model, ignore_errors=True)
        shutil.copytree(colours / "model", model)

    args = ["export-onnx", model, "--data", colours / "data", "--cache", colours / "cache"]
    expected = load(colours / "model", "cpu").encode_queries(["red shoe"], [None])
    for moment in killed(args, model, prepare):
        assert check_folder(model, MODEL).damage == (), moment
        if (model / "export").exists():
            found = open_query_encoder(model / "export").encode(["red shoe"])
            assert abs(found - expected).max() < 0.05, moment
    run_to_its_end(args)
    assert [path.name for path in model.rglob("*.partial")] == []
    assert hidden(model) == []
    open_query_encoder(model / "export")


def test_a_tuning_that_dies_leaves_settings_that_can_be_read(colours, fresh, tmp_path):
    index = tmp_path / "index"
    for moment in killed(["tune", index, colours / "data"], index, fresh):
        load_search_settings(index / "generations" / "g1")
        for path in index.rglob(f"*{SETTINGS_FILE}*"):
            assert path.name == SETTINGS_FILE or path.name.startswith("."), moment
        assert is_whole(index), moment


def test_a_training_that_dies_goes_on_to_the_same_files(colours, quick_config, cli, tmp_path):
    place = tmp_path / "place"
    out = place / "model"
    args = ["train", colours / "data", "--out", out, "--config", quick_config]
    args += ["--cache", colours / "cache"]

    def prepare():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()

    expected = contents(colours / "model")
    for number, moment in enumerate(killed(args, place, prepare)):
        assert not out.exists() or contents(out) == expected, moment
        if number % AGAIN:
            continue
        told = cli(*args)
        if out.exists() and told.code:
            assert "exists" in told.err, told.err  # it was whole already
        else:
            assert told.code == 0, told.err
        assert contents(out) == expected, moment
        assert [path.name for path in place.iterdir()] == ["model"], moment


def test_the_work_of_a_whole_training_is_removed_by_the_next(colours, quick_config, cli, tmp_path):
    out, number = tmp_path / "model", 1
    args = ["train", colours / "data", "--out", out, "--config", quick_config]
    args += ["--cache", colours / "cache"]
    while not out.exists():  # killed once the folder had its name
        assert run_and_kill(args, "shutil.rmtree", number)
        number += 1
    assert (tmp_path / ".model.partial").exists()
    assert cli(*args).code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert contents(out) == contents(colours / "model")


WRITES = ({"p1": None}, {"x": "a lilac clog"}, {"x": "a green clog", "p2": None}, {"y": "a hat"})
"""Titles by product, none for a delete; one of these after each look at the index."""
UPKEEP = (
    lambda pool: pool.optimise(),
    lambda pool: pool.switch("g1"),
    lambda pool: pool.compact(),
    lambda pool: pool.rollback(),
)


def serve_a_while(index, done):
    """Write and look after an index as a service does; append a letter to a file for each write."""
    pool = GenerationPool(index)
    pool.open()
    for write, look_after in zip(WRITES, UPKEEP, strict=True):
        with pool.writing() as searcher:
            for name, title in write.items():
                if title is None:
                    searcher.index.delete([name])
                else:
                    searcher.index.upsert(pl.DataFrame({"product_id": [name], "title": [title]}))
                with done.open("a") as file:
                    file.write("w")
        look_after(pool)
    pool.close()


def test_a_service_that_dies_keeps_every_write(build_colours, fresh, tmp_path):
    """Upkeep, switches and rollbacks between writes, each of which is acknowledged."""
    second, place = tmp_path / "index", tmp_path / "place"
    index, done = place / "index", place / "done"
    fresh()
    build_colours(second)
    titles = {f"p{i}": f"{COLOURS[i % 3]} shoe number {i}" for i in range(12)} | {"p5": None}
    states = [titles]
    for name, title in (change for write in WRITES for change in write.items()):
        state = {other: kept for other, kept in states[-1].items() if other != name}
        states.append(state if title is None else state | {name: title})

    def prepare():
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(second, index)
        done.write_text("")

    what = "service: optimise, switch, compact"
    for number, moment in enumerate(kills(what, place, prepare, serve_a_while, index, done)):
        assert is_whole(index), moment
        kept = states[len(done.read_text()) :][:2]
        with opened(index) as shop:
            assert titles_of(shop) in kept, moment
        if number % AGAIN:
            continue
        pool = GenerationPool(index)
        pool.open()
        for look in (pool.current, *({"g1", "g2"} - {pool.current})):
            pool.switch(look)
            with pool.lease() as searcher:
                assert titles_of(searcher.index) in kept, (moment, look)
            pool.optimise()
            pool.compact()
        pool.close()
        assert is_whole(index), moment
        assert hidden(index) == [], moment
        for generation in (index / "generations").iterdir():
            assert len(list(generation.glob("engine-*"))) == 1, moment
            assert len(list(generation.glob("products-*"))) == 1, moment


def test_an_update_that_dies_is_finished_by_the_next(colours, fresh, tmp_path):
    index, ids = tmp_path / "index", {f"p{i}" for i in range(12)}
    args = ["update", index, colours / "data", "--max-removed", 1]

    def prepare():
        fresh()
        with opened(index) as shop:
            shop.delete(["p3"])
            shop.upsert(pl.DataFrame({"product_id": ["p4", "new"], "title": ["other", "new"]}))

    for number, moment in enumerate(killed(args, index, prepare)):
        assert is_whole(index), moment
        assert ids - {"p3"} <= ids_of(index) <= ids | {"new"}, moment
        if number % AGAIN:
            continue
        run_to_its_end(args)
        with opened(index) as shop:
            assert set(shop.collection.ids()) == ids, moment
            assert shop.collection.products(["p4"])["title"].to_list() == ["blue shoe number 4"]
        assert hidden(index) == [], moment
