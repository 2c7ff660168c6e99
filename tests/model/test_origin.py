"""Origin of figures: the command without a machine's paths, and the commit of a checkout."""

import subprocess

import pytest
import torch

from windowshop.model import environment, origin


def git(folder, *arguments):
    name = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", "-C", folder, *name, *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    git(tmp_path, "init", "-q")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "code.py").write_text("1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "Begin")
    monkeypatch.setattr(origin, "CHECKOUT", tmp_path)
    origin._commit.cache_clear()
    yield tmp_path
    origin._commit.cache_clear()


def test_a_command_has_no_absolute_paths():
    words = ["/usr/bin/windowshop", "train", "/data/my shop", "--out", "a/b"]
    assert origin.command(words) == "windowshop train 'my shop' --out a/b"
    assert origin.command(["/a/windowshop/__main__.py", "train"]) == "windowshop train"


def test_the_commit_says_whether_files_differ_from_it(checkout):
    clean = environment()["commit"]
    assert len(clean) == 12
    origin._commit.cache_clear()
    (checkout / "src" / "code.py").write_text("2")
    assert environment()["commit"] == f"{clean}-dirty"


def test_results_and_documents_make_no_other_commit_of_the_code(checkout):
    clean = environment()["commit"]
    (checkout / "README.md").write_text("1")
    git(checkout, "add", ".")
    git(checkout, "commit", "-qm", "Write")
    (checkout / "README.md").write_text("2")
    origin._commit.cache_clear()
    assert environment()["commit"] == clean


def test_outside_a_checkout_there_is_no_commit(checkout, monkeypatch):
    monkeypatch.setattr(origin, "CHECKOUT", checkout / "elsewhere")
    assert "commit" not in environment()


def test_the_threads_are_those_of_torch():
    assert environment()["threads"] == str(torch.get_num_threads())
