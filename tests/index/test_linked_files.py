"""Files of a folder that are those of another one."""

import os

import pytest

from windowshop.index.folder import link_same


@pytest.fixture
def folders(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "same").write_text("equal")
        (folder / "unlike").write_text(folder.name)
    (one / "lone").write_text("of one")
    return one, other


def contents(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


def test_equal_files_become_one(folders):
    before = [contents(folder) for folder in folders]
    link_same(*folders)
    one, other = folders
    assert (one / "deep" / "same").samefile(other / "deep" / "same")
    assert not (one / "unlike").samefile(other / "unlike")
    assert [contents(folder) for folder in folders] == before
    link_same(*folders)  # again, where they are one already
    assert [contents(folder) for folder in folders] == before


def test_a_file_system_without_links_keeps_both(folders, monkeypatch):
    def refuse(*_):
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    before = contents(folders[0])
    link_same(*folders)
    assert contents(folders[0]) == before
    assert not (folders[0] / "deep" / "same").samefile(folders[1] / "deep" / "same")
