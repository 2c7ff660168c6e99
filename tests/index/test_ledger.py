import os
import shutil
from contextlib import ExitStack, closing

import numpy as np
import polars as pl
import pytest

from windowshop.errors import LedgerError
from windowshop.index.catalogue import ledger as ledgers
from windowshop.index.catalogue.ledger import Ledger, Position, end_of
from windowshop.index.catalogue.records import Delete, Upsert, to_bytes


@pytest.fixture
def opened():
    """Opens ledgers and closes them after the test."""
    with ExitStack() as stack:
        yield lambda *args, **kwargs: stack.enter_context(closing(Ledger(*args, **kwargs)))


def upsert(*ids, price=1.0):
    products = pl.DataFrame({"product_id": list(ids), "price": [price] * len(ids)})
    x_BW = np.arange(1, 3 * len(ids) + 1, dtype=np.float16).reshape(len(ids), 3)
    return Upsert(products, {"fused": x_BW})


def same(left, right):
    if isinstance(left, Delete) or isinstance(right, Delete):
        return left == right
    return (
        left.products.equals(right.products)
        and left.vectors.keys() == right.vectors.keys()
        and all(np.array_equal(x, right.vectors[name]) for name, x in left.vectors.items())
        and all(x.dtype == right.vectors[name].dtype for name, x in left.vectors.items())
    )


def state_of(ledger):
    """The living products by the rule itself: last record wins."""
    state = {}
    for change, _ in ledger.replay():
        if isinstance(change, Delete):
            for product_id in change.product_ids:
                state.pop(product_id, None)
        else:
            rows = change.products.to_dicts()
            state |= {
                row["product_id"]: (row["price"], tuple(x))
                for row, x in zip(rows, change.vectors["fused"].tolist(), strict=True)
            }
    return state


CHANGES = [
    upsert("a", "b"),
    Delete(("a", "zz")),
    Upsert(
        pl.DataFrame({"product_id": ["ü", "b"], "brand": [None, "é"], "n": [1, None]}),
        {"fused": np.zeros((2, 3), np.float32), "photo": np.array([[0, 0], [1, -0.5]], np.float32)},
    ),
    Upsert(pl.DataFrame({"product_id": ["c"]})),
]


def test_changes_come_back_as_they_went_in(tmp_path, opened):
    ledger = opened(tmp_path)
    ends = [ledger.append(change) for change in CHANGES]
    ledger.close()
    again = opened(tmp_path)
    replayed = list(again.replay())
    assert [position for _, position in replayed] == ends == sorted(ends)
    assert again.end == ends[-1]
    for (change, _), sent in zip(replayed, CHANGES, strict=True):
        assert same(change, sent)


def test_replay_goes_on_after_a_position(tmp_path, opened):
    ledger = opened(tmp_path, segment_bytes=1)  # a segment for each record
    ends = [ledger.append(change) for change in CHANGES]
    assert [end.segment for end in ends] == [1, 2, 3, 4]
    for number, end in enumerate(ends, 1):
        rest = [change for change, _ in ledger.replay(end)]
        assert len(rest) == len(CHANGES) - number
        assert all(same(*pair) for pair in zip(rest, CHANGES[number:], strict=True))


@pytest.mark.slow
def test_a_torn_last_record_is_cut_at_every_byte(tmp_path, opened):
    ledger = opened(tmp_path / "whole")
    kept = ledger.append(CHANGES[0])
    end = ledger.append(CHANGES[1])
    ledger.close()
    for size in range(kept.offset, end.offset):
        folder = tmp_path / "torn"
        shutil.copytree(tmp_path / "whole", folder)
        os.truncate(folder / "00000001.log", size)
        torn = opened(folder)
        assert torn.end == kept
        assert [change for change, _ in torn.replay()][0].products["product_id"][1] == "b"
        assert torn.append(Delete(("b",))) > kept
        torn.close()
        again = opened(folder)
        assert len(list(again.replay())) == 2
        again.close()
        shutil.rmtree(folder)


def test_a_last_record_of_which_any_byte_is_wrong_is_cut(tmp_path, opened):
    ledger = opened(tmp_path / "whole")
    kept = ledger.append(CHANGES[0])
    end = ledger.append(Delete(("b",)))
    ledger.close()
    content = bytearray((tmp_path / "whole" / "00000001.log").read_bytes())
    for at in range(kept.offset, end.offset, 3):
        folder = tmp_path / "bad"
        shutil.copytree(tmp_path / "whole", folder)
        bad = content.copy()
        bad[at] ^= 0x55
        (folder / "00000001.log").write_bytes(bad)
        torn = opened(folder)
        assert torn.end == kept
        torn.close()
        shutil.rmtree(folder)


@pytest.mark.parametrize("at", [0, 5, 9, 40])
def test_damage_before_whole_records_is_an_error_not_a_cut(tmp_path, opened, at):
    ledger = opened(tmp_path)
    for change in CHANGES:
        ledger.append(change)
    ledger.close()
    path = tmp_path / "00000001.log"
    content = bytearray(path.read_bytes())
    content[at] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(LedgerError, match=r"byte 0 is damaged.*Restore"):
        opened(tmp_path)
    assert path.read_bytes() == content  # nothing was cut


def test_damage_in_an_earlier_segment_shows_on_replay(tmp_path, opened):
    ledger = opened(tmp_path, segment_bytes=1)
    for change in CHANGES:
        ledger.append(change)
    path = tmp_path / "00000002.log"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(LedgerError, match="damaged"):
        list(ledger.replay())


def test_a_missing_segment_is_an_error(tmp_path, opened):
    ledger = opened(tmp_path, segment_bytes=1)
    for change in CHANGES:
        ledger.append(change)
    ledger.close()
    (tmp_path / "00000002.log").unlink()
    with pytest.raises(LedgerError, match=r"every segment from 1, found \[1, 3, 4\]"):
        opened(tmp_path)
    (tmp_path / "ledger.json").unlink()
    with pytest.raises(LedgerError, match="is missing"):
        opened(tmp_path)


def test_only_one_writer_at_a_time(tmp_path, opened):
    ledger = opened(tmp_path)
    with pytest.raises(LedgerError, match="another process"):
        opened(tmp_path)
    ledger.close()
    opened(tmp_path).close()


def test_a_write_that_fails_leaves_no_trace(tmp_path, opened, monkeypatch):
    ledger = opened(tmp_path)
    ledger.append(CHANGES[0])
    before = ledger.end
    record = to_bytes(CHANGES[1])

    def full(data):
        os.write(ledger._file.fileno(), data[:7])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(ledgers.io, "FileIO", None)  # it is not opened anew
        patch.setattr(ledger, "_write", full)
        with pytest.raises(LedgerError, match="No space left"):
            ledger.append(CHANGES[1])
    assert ledger.end == before
    assert ledger.append(CHANGES[1]).offset == before.offset + len(record)
    assert [len(list(ledger.replay())), state_of(ledger).keys()] == [2, {"b"}]


def many(ledger):
    for round_ in range(4):
        for i in range(6):
            ledger.append(upsert(f"p{i}", f"q{(i + round_) % 5}", price=float(round_ * 10 + i)))
        ledger.append(Delete((f"p{round_}", "q0")))


def test_compaction_keeps_the_latest_state_and_shrinks(tmp_path, opened):
    ledger = opened(tmp_path, segment_bytes=4_000)
    many(ledger)
    state, end = state_of(ledger), ledger.end
    size = sum(path.stat().st_size for path in tmp_path.glob("*.log"))
    ledger.compact()
    assert state_of(ledger) == state
    assert end_of(tmp_path) == ledger.end
    assert not ledger.reaches(end)
    with pytest.raises(LedgerError, match="Replay from its start"):
        next(ledger.replay(end))
    assert sum(path.stat().st_size for path in tmp_path.glob("*.log")) < size / 2
    last = ledger.append(upsert("new"))
    ledger.close()
    again = opened(tmp_path)
    assert again.end == last
    assert state_of(again).keys() == state.keys() | {"new"}


@pytest.mark.parametrize("step", ["rename", "write_header", "tidy"])
def test_a_killed_compaction_loses_nothing(tmp_path, opened, monkeypatch, step):
    ledger = opened(tmp_path, segment_bytes=4_000)
    many(ledger)
    state = state_of(ledger)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if step == "rename":
            patch.setattr(ledgers.Path, "rename", killed)
        else:
            patch.setattr(ledger, f"_{step}", killed)
        with pytest.raises(KeyboardInterrupt):
            ledger.compact()
    ledger.close()
    again = opened(tmp_path)
    assert state_of(again) == state
    again.append(upsert("new"))
    again.compact()
    assert state_of(again).keys() == state.keys() | {"new"}
    assert len(list(tmp_path.glob("*.log"))) == 1


def test_positions_are_ordered_by_segment_first():
    assert Position(1, 900) < Position(2, 0) < Position(2, 1)


def test_the_end_is_told_without_the_lock_at_a_whole_record(tmp_path, opened):
    with pytest.raises(LedgerError, match="holds no ledger"):
        end_of(tmp_path)
    ledger = opened(tmp_path, segment_bytes=2_000)
    assert end_of(tmp_path) == ledger.end == Position(1, 0)
    for change in CHANGES * 3:
        assert ledger.append(change) == end_of(tmp_path)
    assert ledger.end.segment > 1
    last = tmp_path / f"{ledger.end.segment:08d}.log"
    whole = last.read_bytes()
    record = to_bytes(CHANGES[0])
    for torn in (record[:5], record[:-1], record[:-1] + b"x"):  # a write that is under way
        last.write_bytes(whole + torn)
        assert end_of(tmp_path) == ledger.end
    last.write_bytes(whole)
    ledger.compact()
    assert end_of(tmp_path) == ledger.end


def test_the_end_is_told_while_segments_go(tmp_path, opened, monkeypatch):
    ledger = opened(tmp_path)
    ledger.append(CHANGES[0])
    real = ledgers.reached_bytes

    def compacted_first(path):
        monkeypatch.setattr(ledgers, "reached_bytes", real)
        ledger.compact()
        return real(path)

    monkeypatch.setattr(ledgers, "reached_bytes", compacted_first)
    assert end_of(tmp_path) == ledger.end == Position(2, ledger.end.offset)
