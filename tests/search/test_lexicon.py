"""Words of a catalogue, kept up to date while it changes."""

import polars as pl
import pytest
from search.test_searcher import SHOE, HandMade, ask, ids

from windowshop.search.retrieval.lexicon import STALE_ROWS
from windowshop.search.searcher import Searcher


@pytest.fixture
def index(tmp_path):
    made = HandMade(tmp_path)
    yield made
    made.collection.close()


def put(index, product_id, title, brand):
    row = {"product_id": [product_id], "title": [title], "brand": [brand]}
    index.collection.upsert(pl.DataFrame(row), {"fused": SHOE[None]})


def brands(searcher, text):
    return [item.name for item in ask(searcher, text=text, mode="words").recognised]


def test_a_new_brand_is_recognised_once_the_words_are_renewed(index):
    searcher = Searcher(index)
    put(index, "n", "sandal", "Boltz")
    assert not searcher.words_are_stale()
    assert searcher.words_are_stale(by_any_change=True)
    assert not any("Boltz" in label for label in brands(searcher, "boltz"))
    searcher.renew_words()
    assert any("Boltz" in label for label in brands(searcher, "boltz"))
    assert not searcher.words_are_stale(by_any_change=True)


def test_deletes_count_as_changes(index):
    searcher = Searcher(index)
    index.collection.delete(["c", "e", "f"])
    assert searcher.words_are_stale(by_any_change=True)
    assert any("Bolt" in label for label in brands(searcher, "bolt"))
    searcher.renew_words()
    assert not searcher.words_are_stale(by_any_change=True)
    assert brands(searcher, "bolt") == []


@pytest.mark.parametrize("delete", [True, False])
def test_many_changes_are_stale_at_once(index, delete):
    many = pl.DataFrame({"product_id": [f"m{i}" for i in range(STALE_ROWS + 1)]})
    if delete:
        index.collection.upsert(many, {})
    searcher = Searcher(index)
    if delete:
        index.collection.delete(many["product_id"].to_list())
    else:
        index.collection.upsert(many, {})
    assert searcher.words_are_stale()


def test_words_that_no_living_product_has_are_unknown(index):
    put(index, "n", "espadrille", "Acme")
    put(index, "n", "sandal", "Acme")
    searcher = Searcher(index)  # reads the columns, dead rows and all
    with searcher.state() as state:
        assert not len(state.lexicon.lexical.search("espadrille", 9).keys)
        assert state.view.columns.num_keys == 8
    assert ids(ask(searcher, text="espadrille", mode="words")) == []
    assert ask(searcher, text="espadrile", mode="words").corrected is None
    assert ids(ask(searcher, text="sandal", mode="words")) == ["n"]
    put(index, "o", "blue slipper", "Bolt")  # a later key than that of the dead row
    assert ids(ask(searcher, text="slipper", mode="words")) == ["o"]


def test_no_search_reads_a_rebuilt_catalogue(index, monkeypatch):
    searcher = Searcher(index)
    put(index, "n", "emerald sandal", "Acme")
    put(index, "n", "emerald slipper", "Acme")
    prepare = searcher._lexicon.prepare

    def prepare_and_write(view):
        prepare(view)
        put(index, "late", "opal sandal", "Acme")
        index.collection.delete(["a"])

    monkeypatch.setattr(searcher._lexicon, "prepare", prepare_and_write)
    searcher.rebuild()
    monkeypatch.setattr(searcher._lexicon, "_made", None)
    assert index.collection.backlog.num_rows == 8
    assert ids(ask(searcher, text="emerald", mode="words")) == ["n"]
    assert ids(ask(searcher, text="opal", mode="words")) == ["late"]
    assert "a" not in ids(ask(searcher, text="running", mode="words"))


def test_words_read_during_a_rebuild_are_not_taken_for_the_new_ones(index, monkeypatch):
    searcher = Searcher(index)
    put(index, "n", "emerald sandal", "Acme")
    put(index, "n", "emerald slipper", "Acme")
    made, once = searcher._lexicon._of, []

    def rebuild_meanwhile(*args):
        language = made(*args)
        if not once:
            once.append(True)
            searcher.rebuild()
            assert ids(ask(searcher, text="emerald", mode="words")) == ["n"]
        return language

    monkeypatch.setattr(searcher._lexicon, "_of", rebuild_meanwhile)
    searcher.renew_words()
    assert once
    assert ids(ask(searcher, text="emerald", mode="words")) == ["n"]
    with searcher.state() as state:
        assert state.lexicon.numbering is state.view.columns.numbering
