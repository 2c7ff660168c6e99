"""`windowshop check` of an index."""

import shutil
import struct
from contextlib import closing
from dataclasses import dataclass

import pytest

from windowshop.files import Files, describe_files, write_manifest
from windowshop.index.database import Database
from windowshop.index.generation_parts import GENERATION_PARTS


@dataclass(frozen=True)
class Part:
    """Manifest of a part."""

    files: Files
    format: str


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


@pytest.mark.parametrize(("folder", "kind"), GENERATION_PARTS.items())
def test_what_was_added_to_a_generation_is_checked(cli, colours_index, tmp_path, folder, kind):
    index = shutil.copytree(colours_index, tmp_path / "index")
    part = index / "generations" / "g1" / folder
    part.mkdir()
    (part / "numbers").write_text("1 2 3")
    write_manifest(part, Part(files=describe_files(part), format=kind.format), kind)
    assert cli("check", index).code == 0
    (part / "numbers").write_text("1 2 4")
    told = cli("check", index)
    assert told.code == 1
    assert f"{part / 'numbers'}: is damaged" in told.out
    assert kind.remedy in told.out
