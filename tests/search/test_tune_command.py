"""`windowshop tune` on an index, and the settings that it leaves."""

import json
import shutil
from contextlib import closing

import pytest

from windowshop.search.request import SearchRequest
from windowshop.search.searcher import open_searcher
from windowshop.search.settings import load_search_settings


@pytest.fixture
def index(colours_index, tmp_path):
    return shutil.copytree(colours_index, tmp_path / "index")


def test_settings_are_written_beside_the_generation_and_used(index, colours, cli, tmp_path):
    told = cli("tune", index, colours / "data", "--json", tmp_path / "tried.json")
    assert told.code == 0, told.err
    assert "text: 1 queries" in told.out
    assert "No cut-off: too few judgements" in " ".join(told.out.split())
    folder = index / "generations" / "g1"
    assert f"{folder / 'search.yaml'}: written" in told.out.replace("\n", "")
    settings = load_search_settings(folder)
    tried = json.loads((tmp_path / "tried.json").read_text())
    text = tried["kinds"]["text"]
    assert text["chosen"] == text["tried"][0]
    assert {c.name: c.weight for c in settings.text.channels} == text["chosen"]["weights"]
    assert settings.text.method == text["chosen"]["method"]
    assert settings.strongest == text["chosen"]["strongest"]
    with closing(open_searcher(index)) as searcher:
        assert searcher.settings == settings
        answer = searcher.answer(SearchRequest(text="green shoe"))
        assert answer.results[0].title.startswith("green")


def test_a_classifier_is_written_beside_the_generation(index, colours, cli, tmp_path):
    told = cli("tune", index, colours / "data", "--json", tmp_path / "tried.json")
    assert told.code == 0, told.err
    folder = index / "generations" / "g1" / "classifier"
    assert {path.name for path in folder.iterdir()} == {"classifier.json", "heads.safetensors"}
    # One dev query proves nothing.
    assert "Not shown to be right often enough: " in " ".join(told.out.split())
    tried = json.loads((tmp_path / "tried.json").read_text())
    heads = tried["classifier"]["heads"].values()
    assert {one["action"] for head in heads for one in head["permissions"]} == {"off"}
    with closing(open_searcher(index)) as searcher:
        answer = searcher.answer(SearchRequest(text="green shoe"))
    assert {part.kind for part in answer.recognised} == {"value"}


def test_tuning_without_a_classifier_writes_none(index, colours, cli):
    told = cli("tune", index, colours / "data", "--no-classifier")
    assert told.code == 0, told.err
    assert not (index / "generations" / "g1" / "classifier").exists()


def test_what_cannot_be_tuned_is_one_message(index, colours, cli):
    told = cli("tune", index, colours / "later", "--split", "tost")
    assert (told.code, told.out) == (1, "")
    assert "split 'tost' has no judged query" in told.err
    assert not (index / "generations" / "g1" / "search.yaml").exists()
    told = cli("tune", index, colours / "data", "--max-lost", "1.5")
    assert told.code == 1
    assert "max_lost=1.5" in told.err
