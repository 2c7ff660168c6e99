from dataclasses import replace

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from support.faults import outcomes, some
from support.interrupting import Interrupted
from support.studies import LEVELS, load_results, seed_result, study

from windowshop.errors import ConfigError, DataError
from windowshop.files import read_sealed, write_sealed
from windowshop.study import results
from windowshop.study.results import (
    RESULTS_FILE,
    UNRETRIEVED_FILE,
    Insights,
    load_insights,
    load_seed,
    save_insights,
    save_results,
    save_seed,
    without_thumbnails,
)

pytestmark = pytest.mark.slow

PER_QUERY_FILE = "per_query.parquet"
FILES = {RESULTS_FILE, PER_QUERY_FILE, UNRETRIEVED_FILE}


def assert_same(found, expected):
    assert found == expected
    assert_frame_equal(found.per_query, expected.per_query, check_row_order=False)
    assert_frame_equal(found.unretrieved, expected.unretrieved)


def test_a_study_survives_the_disk(tmp_path):
    results = study()
    save_results(results, tmp_path)
    found = load_results(tmp_path)
    assert found == results
    for variant in results.variants:
        for mine, theirs in zip(variant.seeds, found.variant(variant.name).seeds, strict=True):
            assert_same(theirs, mine)
    assert {path.name for path in tmp_path.iterdir()} == FILES


def test_saving_what_was_loaded_gives_the_same_files(tmp_path):
    save_results(study(), tmp_path / "a")
    save_results(load_results(tmp_path / "a"), tmp_path / "b")
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_table_holds_every_score(tmp_path):
    results = study()
    save_results(results, tmp_path)
    table = pl.read_parquet(tmp_path / PER_QUERY_FILE)
    assert table.columns == ["variant", "seed", "slice", "query_id", "measure", "value"]
    assert len(table) == sum(len(s.per_query) for v in results.variants for s in v.seeds)
    assert set(table["variant"]) == set(LEVELS)


def test_a_study_without_variants_survives_the_disk(tmp_path):
    results = study(variants=(), falsifiers=(), examples=(), curves={})
    save_results(results, tmp_path)
    assert load_results(tmp_path) == results


def test_numbers_that_are_not_finite_become_null(tmp_path):
    variant = study().variants[0]
    seed = replace(variant.seeds[0], dev_score=float("nan"), history=({"loss": float("inf")},))
    save_results(study(variants=(replace(variant, seeds=(seed,)),)), tmp_path)
    found = load_results(tmp_path).variants[0].seeds[0]
    assert found.dev_score is None
    assert found.history == ({"loss": None},)


def test_a_seed_is_kept_for_its_fingerprint(tmp_path):
    assert load_seed(tmp_path, "experts", 1, "f") is None
    kept = seed_result("experts", 1)
    save_seed(tmp_path, "experts", kept, "f")
    assert_same(load_seed(tmp_path, "experts", 1, "f"), kept)
    assert load_seed(tmp_path, "experts", 1, "other settings") is None
    assert load_seed(tmp_path, "experts", 2, "f") is None
    assert load_seed(tmp_path, "Experts", 1, "f") is None


def test_a_seed_without_diagnostics_and_an_odd_name(tmp_path):
    kept = replace(seed_result("bm25", 0), diagnostics=None)
    for name in ("../up", "a/b", "a b", "é", "x" * 300):
        save_seed(tmp_path, name, kept, name)
        assert_same(load_seed(tmp_path, name, 0, name), kept)
    assert len(list(tmp_path.iterdir())) == 5


def test_a_seed_cut_off_before_its_json_does_not_count(tmp_path):
    save_seed(tmp_path, "experts", seed_result("experts", 0), "f")
    (json_file,) = tmp_path.glob("*/*.json")
    json_file.unlink()
    assert load_seed(tmp_path, "experts", 0, "f") is None


def test_scores_of_other_settings_never_stand_behind_an_older_json(tmp_path, monkeypatch):
    """Cut off after B's scores and before B's JSON, the seed is A's no longer."""
    save_seed(tmp_path, "experts", seed_result("experts", 0), "a")

    def cut_off(path, content):
        raise Interrupted

    monkeypatch.setattr(results, "write_sealed", cut_off)
    with pytest.raises(Interrupted):
        save_seed(tmp_path, "experts", seed_result("experts", 0), "b")
    assert load_seed(tmp_path, "experts", 0, "a") is None


def insights():
    return Insights(curves=study().curves, examples=study().examples, images=True)


def test_insights_survive_the_disk(tmp_path):
    assert load_insights(tmp_path / "insights.json") is None
    save_insights(tmp_path / "insights.json", insights())
    assert load_insights(tmp_path / "insights.json") == insights()


@pytest.mark.parametrize("damage", ["{", "[]", "{}", ""])
def test_damaged_insights_are_named(tmp_path, damage):
    (tmp_path / "insights.json").write_text(damage)
    with pytest.raises(DataError, match=r"insights.json.*Delete the file"):
        load_insights(tmp_path / "insights.json")


@pytest.mark.parametrize("key", ["seconds", "seed"])
def test_a_seed_that_lacks_a_part_is_named(tmp_path, key):
    save_seed(tmp_path, "experts", seed_result("experts", 0), "f")
    [path] = tmp_path.glob("*/*.json")
    content = read_sealed(path)
    del content[key]
    write_sealed(path, content)
    with pytest.raises(DataError, match=key):
        load_seed(tmp_path, "experts", 0, "f")


def test_damage_to_a_kept_seed_is_named(tmp_path):
    kept = seed_result("experts", 0)
    save_seed(tmp_path / "whole", "experts", kept, "f")

    def same(found, expected):
        if found is not None:  # without its JSON it is trained again
            assert_same(found, expected)
        return True

    def load(folder):
        return load_seed(folder, "experts", 0, "f")

    equal, named, wrong = outcomes(
        "results of a study", tmp_path / "whole", tmp_path, load, same, some(40, 400)
    )
    assert wrong == []
    assert named > 20 * equal


def test_a_damaged_table_is_named(tmp_path):
    save_seed(tmp_path, "experts", seed_result("experts", 0), "f")
    for path in tmp_path.glob("*/*.parquet"):
        path.write_bytes(b"no parquet")
    with pytest.raises(DataError, match="run the study again"):
        load_seed(tmp_path, "experts", 0, "f")


def test_a_folder_that_is_a_file_is_a_named_error(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(ConfigError, match="Choose another folder"):
        save_results(study(), tmp_path / "taken")


def test_images_can_be_left_out():
    bare = without_thumbnails(study().examples)
    images = [p.image for e in bare for ps in e.columns.values() for p in ps]
    assert set(images) == {None}
    assert len(images) == 6


def test_an_unknown_variant_is_named():
    with pytest.raises(DataError, match=r"no variant 'absent'; found experts, bm25"):
        study().variant("absent")
