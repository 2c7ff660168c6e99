"""`windowshop check` of an index."""

import shutil
import struct
from contextlib import closing

from windowshop.index.database import Database


def test_an_index_is_checked_in_full(cli, colours_index, tmp_path):
    index = shutil.copytree(colours_index, tmp_path / "index")
    told = cli("check", index)
    assert told.code == 0, told.out
    assert "error" not in told.out
    path = index / "generations" / "g1" / "model" / "towers.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    told = cli("check", index)
    assert told.code == 1
    assert f"{path}: is damaged" in told.out
    (index / "manifest.json").write_text("{}")
    told = cli("check", index)
    assert told.code == 1
    assert "manifest.json: found format None" in told.out


def test_what_a_power_loss_cost_is_told(cli, colours_index, tmp_path, monkeypatch):
    index = shutil.copytree(colours_index, tmp_path / "index")
    with closing(Database(index)) as database, database.writing() as connection:
        connection.execute("DELETE FROM generations WHERE place = 'previous'")
    content = (index / "shop.mark").read_bytes()
    (number,) = struct.unpack("<Q", content[:8])
    monkeypatch.setattr("windowshop.index.database._boot", lambda: b"an earlier start")
    with closing(Database(index)) as database:
        database._note(number + 2)
    monkeypatch.undo()
    told = cli("check", index)
    assert told.code == 1
    assert "lacks its last 2 transactions: a power loss cost them" in told.out
