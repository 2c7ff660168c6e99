"""Products in the database: types, changes, and writes that end anywhere."""

import os
import shutil
import signal
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from functools import partial

import numpy as np
import polars as pl
import pytest
from index.test_collection import agrees, put, spec_of, vector_of
from support.killing import CONTEXT

from windowshop.errors import DamagedError, DataError, StorageError
from windowshop.index.catalogue.collection import Collection
from windowshop.index.catalogue.restore import Derivation, Encoded
from windowshop.index.catalogue.state import State
from windowshop.index.catalogue.vector_store import VectorStore
from windowshop.index.merge import Staging
from windowshop.index.product_table import ProductTable, new_versions, open_products
from windowshop.index.rows import from_texts, plain, to_texts, type_name, type_of

TYPED = pl.DataFrame(
    {
        "product_id": ["a", "b"],
        "price": [0.1, float("nan")],
        "stock": pl.Series([1, None], dtype=pl.UInt8),
        "big": pl.Series([2**64 - 1, 0], dtype=pl.UInt64),
        "sale": [True, None],
        "since": [date(2024, 2, 29), None],
        "at": [datetime(2024, 2, 29, 12, 30, 1, 5), None],
        "zoned": pl.Series([datetime(2024, 7, 1, 9, tzinfo=UTC)] * 2).dt.convert_time_zone(
            "Europe/Rome"
        ),
        "sizes": [["S", "ü"], None],
        "widths": [[36.5], [1.0, 2.0]],
        "nothing": [None, None],
    }
)


def test_rows_come_back_with_their_types(tmp_path):
    types = {name: type_of(type_name(dtype)) for name, dtype in TYPED.schema.items()}
    assert types == dict(TYPED.schema)
    assert from_texts(to_texts(TYPED), types).equals(TYPED)
    other = pl.DataFrame(
        {
            "product_id": ["a"],
            "kind": pl.Series(["x"], dtype=pl.Categorical),
            "cost": pl.Series(["1.25"]).cast(pl.Decimal(10, 2)),
            "box": [{"w": 1, "h": None}],
            "pair": pl.Series([[1, 2]], dtype=pl.Array(pl.Int64, 2)),
        }
    )
    assert plain(other).row(0) == ("a", "x", 1.25, '{"w": 1}', [1, 2])
    with closing(open_products(tmp_path)) as products:
        rows = products.fit(TYPED)
        assert products.upsert(rows, new_versions(2)) == 1
        with pytest.raises(DataError, match="column 'stock' is of type String"):
            products.fit(pl.DataFrame({"product_id": ["a"], "stock": ["many"]}))
        more = products.fit(pl.DataFrame({"product_id": ["c"], "nothing": ["x"], "extra": [1]}))
        assert products.upsert(more, new_versions(1)) == 3
        assert products.delete(["a"], [7]) == 4
        assert [change[:2] for change in products.changes(0, 9)] == [("b", 2), ("c", 3), ("a", 4)]
        assert products.state() == (4, 2)
    with closing(ProductTable(tmp_path, read_only=True)) as products:
        table = products.table()
        assert table["product_id"].to_list() == ["b", "c"]
        assert table.schema["extra"] == pl.Int64
        assert table["nothing"].to_list() == [None, "x"]
        assert products.database.check()["products"] == 3


def test_one_process_shares_a_table(tmp_path):
    first, second = open_products(tmp_path), open_products(tmp_path)
    assert first is second
    first.close()
    assert second.seq == 0
    second.close()
    with closing(open_products(tmp_path)) as third:
        assert third is not first


STEPS = (
    (VectorStore, "put"),
    (ProductTable, "upsert"),
    (ProductTable, "delete"),
    (State, "upsert"),
    (State, "delete"),
)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("owner", "name"), STEPS)
@pytest.mark.parametrize("kind", ["flat", "zvec"])
def test_a_write_that_stops_at_any_step_is_whole_or_absent(
    tmp_path, monkeypatch, owner, name, after, kind
):
    """The step fails before or after it has done its work, as it would where a disk is full."""
    folder = tmp_path / "shop"
    collection = Collection(folder, spec_of(kind))
    put(collection, {"a": 1, "b": 1})
    real = getattr(owner, name)

    def fails(*args, **kwargs):
        if after:
            real(*args, **kwargs)
        raise StorageError("no room")

    state, is_delete = {"a": 1, "b": 1}, name == "delete"
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, fails)
        with pytest.raises(StorageError, match="no room"):
            collection.delete(["a"]) if is_delete else put(collection, {"a": 2, "c": 2})
    done = {"b": 1} if is_delete else {"a": 2, "b": 1, "c": 2}
    committed = after or (owner, name) not in STEPS[:3]
    expected = done if committed and (owner, name) != STEPS[0] else state
    put(collection, {"z": 9})
    agrees(collection, expected | {"z": 9})
    collection.close()
    with closing(Collection(folder)) as again:
        agrees(again, expected | {"z": 9})


def killed_at(folder, owner, name, after):
    """Write, and die at a step."""
    real = getattr(owner, name)

    def dies(*args, **kwargs):
        if after:
            real(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    collection = Collection(folder, spec_of("flat"))
    put(collection, {"a": 1, "b": 1})
    collection.save_snapshot()
    setattr(owner, name, dies)
    collection.delete(["a"]) if name == "delete" else put(collection, {"a": 2, "c": 2})


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("owner", "name"), STEPS)
def test_a_kill_at_any_step_leaves_a_write_whole_or_absent(tmp_path, owner, name, after):
    child = CONTEXT.Process(target=killed_at, args=(tmp_path, owner, name, after))
    child.start()
    child.join(600)
    assert child.exitcode == -signal.SIGKILL
    done = {"b": 1} if name == "delete" else {"a": 2, "b": 1, "c": 2}
    committed = after or (owner, name) not in STEPS[:3]
    expected = done if committed and (owner, name) != STEPS[0] else {"a": 1, "b": 1}
    with closing(Collection(tmp_path, read_only=True)) as reader:
        agrees(reader, expected)
    with closing(Collection(tmp_path)) as collection:
        agrees(collection, expected)
        put(collection, {"z": 9})
        agrees(collection, expected | {"z": 9})


def test_vectors_that_are_missing_are_made_again_and_kept(tmp_path):
    made = []

    def encode(rows):
        made.extend(rows["product_id"])
        vectors = [
            vector_of(*pair)
            for pair in zip(rows["product_id"], rows["price"].cast(int), strict=True)
        ]
        return Encoded({"fused": np.array(vectors)}, pl.DataFrame({"_weight": [0.5] * len(rows)}))

    derivation = Derivation(encode=encode)
    with closing(Collection(tmp_path, spec_of("exact"), derivation=derivation)) as collection:
        put(collection, {f"p{i}": i for i in range(6)})
        gone = collection._state.columns.versions(["p1", "p2", "p3", "p5"])
        collection._store.drop(gone)
        collection.rebuild()
        agrees(collection, {f"p{i}": i for i in range(6)})
        assert sorted(made) == ["p1", "p2", "p3", "p5"]
        assert collection.products(["p1", "p4"])["_weight"].to_list() == [0.5, None]
        collection.rebuild()
        assert len(made) == 4


def test_a_lost_file_of_vectors_is_filled_again(tmp_path):
    made = []

    def encode(rows):
        made.extend(rows["product_id"])
        return Encoded({"fused": np.array([vector_of(name, 1) for name in rows["product_id"]])})

    derivation = Derivation(encode=encode)
    with closing(Collection(tmp_path, spec_of("exact"), derivation=derivation)) as collection:
        put(collection, {"a": 1, "b": 1})
        collection.refill()
        assert not collection.backlog.lacks_vectors
    (tmp_path / "vectors.db").unlink()
    with closing(Collection(tmp_path, derivation=derivation)) as collection:
        assert collection.backlog.lacks_vectors
        assert made == []  # searches do without
        put(collection, {"b": 2, "c": 1})
        collection.refill(wanted=lambda: False)
        assert collection.backlog.lacks_vectors
        collection.refill()
        assert made == ["a"]
        assert not collection.backlog.lacks_vectors
    with closing(Collection(tmp_path, derivation=derivation)) as collection:
        assert not collection.backlog.lacks_vectors
        agrees(collection, {"a": 1, "b": 2, "c": 1})


def hide(path):
    """Damage the index of ids so that it has "hiddem" for the row of "hidden"."""
    with closing(sqlite3.connect(path)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_products_1'"
        ).fetchone()
    content, start = path.read_bytes(), (page - 1) * size
    changed = content[start : start + size].replace(b"hidden", b"hiddem")
    assert changed != content[start : start + size]
    path.write_bytes(content[:start] + changed + content[start + size :])


def test_a_record_that_its_index_hides_is_damage(tmp_path):
    """A damaged page of an index hides a row: that is no deleted product."""
    with closing(Collection(tmp_path, spec_of("exact"))) as collection:
        put(collection, {"other": 1, "hidden": 1})
    hide(tmp_path / "shop.db")
    shutil.rmtree(tmp_path / "engine-1")
    with pytest.raises(DamagedError, match=r"shop\.db: an index is damaged"):
        Collection(tmp_path)


def test_a_damaged_index_misleads_no_write(tmp_path):
    """Neither is a product that it hides added again, nor one replaced that it leads to."""
    with closing(Collection(tmp_path, spec_of("exact"))) as collection:
        put(collection, {"other": 1, "hidden": 1, "gone": 1})
        collection.delete(["gone"])
    hide(tmp_path / "shop.db")
    with closing(Collection(tmp_path)) as collection:
        before = list(collection._products.texts())
        for name in ("hidden", "hiddem"):
            with pytest.raises(DamagedError, match=r"shop\.db: an index is damaged.* Restore"):
                put(collection, {name: 2})
        with pytest.raises(DamagedError, match="an index is damaged"):
            collection.delete(["hidden"])
        assert list(collection._products.texts()) == before
        agrees(collection, {"other": 1, "hidden": 1})
        put(collection, {"other": 2, "gone": 2})
        agrees(collection, {"other": 2, "hidden": 1, "gone": 2})


@pytest.mark.parametrize("moment", ["at the start", "before the merge"])
def test_a_build_merges_nothing_by_a_damaged_index(tmp_path, moment):
    rows = pl.DataFrame({"product_id": ["other", "hidden"], "title": ["a", "b"]})
    with closing(ProductTable(tmp_path)) as table:
        table.upsert(table.fit(rows), [1, 2])
        staging = Staging(tmp_path / "g1", table)
        staging.add(rows.with_columns(title=pl.lit("c")))
    hide(tmp_path / "shop.db")
    with closing(staging), closing(ProductTable(tmp_path)) as table:
        before = list(table.texts())
        staging._products = table
        starts = moment == "at the start"
        act = partial(Staging, tmp_path / "g2", table) if starts else partial(staging.merge, "g1")
        with pytest.raises(DamagedError, match=r"shop\.db: is damaged \(row 2 missing"):
            act()
        assert list(table.texts()) == before


def test_a_change_that_an_index_hides_is_damage(tmp_path, monkeypatch):
    with closing(Collection(tmp_path, spec_of("exact"))) as collection:
        put(collection, {"a": 1, "b": 1})
    shutil.rmtree(tmp_path / "engine-1")
    real = ProductTable.changes
    monkeypatch.setattr(ProductTable, "changes", lambda *args: real(*args)[1:])
    with pytest.raises(DamagedError, match="an index is damaged"):
        Collection(tmp_path)


def test_generations_follow_the_same_products(tmp_path):
    derivation = Derivation(
        encode=lambda rows: Encoded(
            {
                "fused": np.array(
                    [
                        vector_of(n, int(v))
                        for n, v in rows.select("product_id", "price").iter_rows()
                    ]
                )
            }
        )
    )
    with (
        closing(Collection(tmp_path / "one", spec_of("flat"), products=tmp_path)) as one,
        closing(
            Collection(tmp_path / "two", spec_of("exact"), products=tmp_path, derivation=derivation)
        ) as two,
    ):
        put(one, {"a": 1, "b": 1})
        assert two.is_behind
        assert two.count() == 0
        assert two.catch_up() == 2
        put(two, {"b": 2, "c": 2})  # one is behind, and writes before it catches up
        put(one, {"d": 3})
        one.delete(["a"])
        assert one.is_behind
        one.catch_up()
        two.catch_up()
        assert not one.is_behind
        agrees(two, {"b": 2, "c": 2, "d": 3})
        assert sorted(one.ids()) == ["b", "c", "d"]
