"""Words kept beside a generation stand for its texts, and for no other's."""

import errno

import numpy as np
import polars as pl
import pytest
from search.test_searcher import SHOE, HandMade

from windowshop.engines import BM25Config
from windowshop.search.retrieval import kept_words
from windowshop.search.retrieval.kept_words import KeptWords
from windowshop.search.retrieval.lexicon import SharedLexicon

QUERIES = ("red runing shoe", "no leather", "shoe", "boots-like", "Bolt", "Wanderschuhe", "l'eau")
ROWS = {
    "product_id": ["x", "y"],
    "title": ["Wanderschuhe, non-slip", "L'Eau running-shoe"],
    "description": ["Schuhe zum Wandern.", None],
    "brand": ["Acme", "Bolt"],
}


@pytest.fixture
def index(tmp_path, monkeypatch):
    monkeypatch.setattr(kept_words, "LEAST_PRODUCTS", 1)
    made = HandMade(tmp_path)
    put(made, ROWS)
    yield made
    made.collection.close()


def put(index, rows):
    table = pl.DataFrame(rows)
    vectors = {"fused": SHOE[None].repeat(len(table), 0)}
    index.collection.upsert(table, vectors)


def opened(index, language="", kept=None):
    with index.collection.read_view() as view:
        return SharedLexicon(view, BM25Config(), language=language, kept=kept)


def told(index, shared):
    """Return how queries are understood and which products have their words."""
    with index.collection.read_view() as view, shared.read(view) as lexicon:
        answers = [lexicon.lexical.search(query, 9) for query in QUERIES]
        return [
            (lexicon.vocabulary.understand(query), a.keys.tolist(), a.scores.tolist(), a.ceiling)
            for query, a in zip(QUERIES, answers, strict=True)
        ]


def having(index, shared):
    """Return which products have words of some that came and went."""
    words = ("trail", "Wanderschuhe", "Bolt", "slipper", "boot", "Stiefel", "shoe")
    with index.collection.read_view() as view, shared.read(view) as lexicon:
        return [view.columns.ids(np.sort(lexicon.lexical.having([word]))) for word in words]


def no_texts(*args):
    raise AssertionError("the texts are read")


@pytest.mark.parametrize("language", ["", "en", "de"])
def test_kept_words_stand_for_the_texts(index, tmp_path, monkeypatch, language):
    kept = KeptWords(tmp_path / "words")
    put(index, {**ROWS, "title": ["Stiefel", "slipper"]})  # two rows are dead
    made = told(index, opened(index, language, kept))
    monkeypatch.setattr("windowshop.search.retrieval.lexicon.count_terms", no_texts)
    assert told(index, opened(index, language, kept)) == made
    put(index, {"product_id": ["z"], "title": ["red trail shoe"], "brand": ["Bolt"]})
    (*_, keys, scores, _) = told(index, opened(index, language, kept))[0]
    assert max(keys) == index.collection.backlog.num_rows - 1
    assert min(scores) > 0


def test_words_count_under_other_keys(index, tmp_path, monkeypatch):
    kept = KeptWords(tmp_path / "words")
    put(index, {"product_id": ["z", "w"], "title": ["red trail shoe", "boot"]})
    opened(index, kept=kept)
    put(index, {**ROWS, "title": ["Stiefel", "slipper"]})
    put(index, ROWS)  # x and y have the words that were read, in records of others
    index.collection.delete(["w"])
    index.collection.rebuild()  # other keys
    fresh = having(index, opened(index))
    monkeypatch.setattr("windowshop.search.retrieval.lexicon.count_terms", no_texts)
    shared = opened(index, kept=kept)
    assert having(index, shared) == fresh
    with index.collection.read_view() as view:
        assert shared.num_changed(view) == 5


def test_a_rebuild_reads_no_text_that_is_known(index, tmp_path, monkeypatch):
    shared = opened(index, kept=KeptWords(tmp_path / "words"))
    put(index, {"product_id": ["z"], "title": ["red trail shoe"]})
    put(index, {"product_id": ["x"], "title": ["Stiefel"]})
    index.collection.delete(["y"])
    monkeypatch.setattr("windowshop.search.retrieval.lexicon.count_terms", no_texts)
    index.collection.rebuild(prepare=shared.prepare)
    found = having(index, shared)
    with index.collection.read_view() as view, shared.read(view) as lexicon:
        assert lexicon.numbering is view.columns.numbering
        assert shared.num_changed(view) == 4
    monkeypatch.undo()
    assert found == having(index, opened(index))


def test_words_are_read_again_once_many_products_have_changed(index, tmp_path, monkeypatch):
    kept = KeptWords(tmp_path / "words")
    opened(index, kept=kept)
    monkeypatch.setattr("windowshop.search.retrieval.lexicon.STALE_ROWS", 0)
    put(index, {**ROWS, "title": ["Stiefel", "slipper"]})
    assert told(index, opened(index, kept=kept)) == told(index, opened(index))
    with index.collection.read_view() as view:
        words = kept.read(view.columns.living(), "")
        assert (words.keys == view.columns.living().keys).all()
        assert words.num_gone == 0


@pytest.mark.parametrize(("asked", "is_read"), [("en", True), ("de", False)])
def test_words_count_in_the_language_they_were_read_in(index, tmp_path, asked, is_read):
    kept = KeptWords(tmp_path / "words")
    opened(index, "en", kept)
    with index.collection.read_view() as view:
        assert (kept.read(view.columns.living(), asked) is not None) == is_read


def test_words_that_other_code_read_are_not_used(index, tmp_path, monkeypatch):
    kept = KeptWords(tmp_path / "words")
    opened(index, kept=kept)
    with index.collection.read_view() as view:
        assert kept.read(view.columns.living(), "") is not None
        monkeypatch.setattr(kept_words, "_reading", lambda: "of another version")
        assert kept.read(view.columns.living(), "") is None


@pytest.mark.parametrize("name", ["words.json", "terms.safetensors", "texts.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_damaged_words_are_read_again(index, tmp_path, caplog, name, damage):
    kept = KeptWords(tmp_path / "words")
    made = told(index, opened(index, kept=kept))
    path = tmp_path / "words" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content if damage == "flip" else content[:-3])
    if damage == "remove":
        path.unlink()
    assert told(index, opened(index, kept=kept)) == made
    assert "The texts are read again." in caplog.text
    caplog.clear()
    opened(index, kept=kept)
    assert not caplog.text


def test_a_small_catalogue_and_a_reader_keep_no_words(index, tmp_path, monkeypatch):
    opened(index, kept=KeptWords(tmp_path / "words", read_only=True))
    monkeypatch.setattr(kept_words, "LEAST_PRODUCTS", 1_000)
    opened(index, kept=KeptWords(tmp_path / "words"))
    assert not (tmp_path / "words").exists()


def test_no_room_for_the_words_costs_no_opening(index, tmp_path, monkeypatch, caplog):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(kept_words, "save_file", full)
    assert told(index, opened(index, kept=KeptWords(tmp_path / "words")))
    assert "the words of the catalogue are not kept" in caplog.text
    assert not any(tmp_path.glob("*words*"))
