"""`windowshop check` of an index."""

import shutil


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
