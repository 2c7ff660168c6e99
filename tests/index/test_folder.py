"""Building into a folder that is there and empty, as a container's volume is."""

import shutil

import pytest
from support.indexes import opened
from support.killing import run_and_kill

from windowshop.errors import IndexFolderError
from windowshop.index.folder import building, current_generation, open_generations
from windowshop.index.generations import Generations

pytestmark = pytest.mark.slow


def layout(index):
    """Current and previous generation, and the folders there are."""
    generations = Generations(index)
    return generations.current, generations.previous, generations.names()


@pytest.fixture
def volume(tmp_path, monkeypatch):
    """An empty folder alone in another, that may be neither renamed nor replaced."""
    out = tmp_path / "index"
    out.mkdir()
    number = out.stat().st_ino
    yield out
    assert out.stat().st_ino == number
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("content", [None, "lost+found"])
def test_an_empty_folder_becomes_an_index(build_colours, volume, content):
    if content:
        (volume / content).mkdir()
    build_colours(volume)
    names = {"build.lock", "generations", "manifest.json", "shop.db", "shop.mark", content}
    assert {path.name for path in volume.iterdir()} == names - {None}
    assert layout(volume) == ("g1", None, ["g1"])
    with opened(volume) as shop:
        assert shop.collection.count() == 12
        assert shop.encode_queries(["red shoe"], [None]).shape == (1, 32)
    build_colours(volume, "later")
    assert layout(volume) == ("g2", "g1", ["g1", "g2"])


@pytest.mark.parametrize(
    ("call", "number"),
    [
        ("windowshop.index.build.next_name", 1),  # nothing is there yet
        ("windowshop.index.build.write_manifest", 1),
        ("windowshop.index.merge.Staging.merge", 1),
    ],
)
def test_a_killed_build_into_one_leaves_nothing_that_looks_like_an_index(
    colours, build_colours, volume, call, number
):
    args = ["index", colours / "model", colours / "data", "--out", volume, "--engine", "exact"]
    assert run_and_kill([*args, "--cache", colours / "cache"], call, number)
    assert {path.name for path in volume.iterdir()} == {".partial", "build.lock"}
    with pytest.raises(IndexFolderError, match=r"found no manifest\.json"):
        open_generations(volume)
    build_colours(volume)
    assert layout(volume) == ("g1", None, ["g1"])
    assert not (volume / ".partial").exists()
    with opened(volume) as shop:
        assert shop.collection.count() == 12


def test_a_kill_while_it_appears_leaves_no_index_or_a_whole_one(colours, build_colours, volume):
    """Between the two renames: generations are there, and what tells that it is an index is not."""
    args = ["index", colours / "model", colours / "data", "--out", volume, "--engine", "exact"]
    renames = 0
    while run_and_kill([*args, "--cache", colours / "cache"], "pathlib.Path.rename", renames + 1):
        renames += 1
        if (volume / "manifest.json").exists():
            assert current_generation(volume) == "g1"
        if (volume / "generations").exists():
            break
    assert (volume / "generations").exists()
    assert not (volume / "manifest.json").exists()
    with pytest.raises(IndexFolderError):
        open_generations(volume)
    build_colours(volume)
    assert current_generation(volume) == "g1"
    assert not (volume / ".partial").exists()
    with opened(volume) as shop:
        assert shop.collection.count() == 12


def test_one_build_into_it_at_a_time(build_colours, volume):
    with (
        building(volume),
        pytest.raises(IndexFolderError, match="another process is building it"),
    ):
        build_colours(volume)
    assert {path.name for path in volume.iterdir()} >= {"manifest.json"}


def test_a_build_that_began_when_it_was_empty_adds_to_what_came_first(
    build_colours, volume, monkeypatch
):
    """Another process may finish between the look and the lock."""
    from windowshop.index import folder as folders

    look, looks = folders._is_empty, []

    def looked(out):
        found = look(out)
        looks.append(found)
        if len(looks) == 1:
            monkeypatch.setattr(folders, "_is_empty", look)
            build_colours(out)
        return found

    monkeypatch.setattr(folders, "_is_empty", looked)
    build_colours(volume, "later")
    assert looks == [True]
    assert layout(volume) == ("g2", "g1", ["g1", "g2"])


def test_a_folder_with_anything_else_is_refused(build_colours, tmp_path):
    out = tmp_path / "photos"
    out.mkdir()
    (out / "a.jpg").touch()
    with pytest.raises(IndexFolderError, match="exists and is no index"):
        build_colours(out)
    assert [path.name for path in out.iterdir()] == ["a.jpg"]
    shutil.rmtree(out)
    out.touch()
    with pytest.raises(IndexFolderError, match="exists and is no index"):
        build_colours(out)
