"""The benchmark of quality for bytes: its settings by hand, and one run on a tiny shop."""

import json

import pytest
from benchmarks import bytes as quality
from benchmarks.kept_scores import disagreements

pytestmark = pytest.mark.slow


def test_every_storage_of_every_engine_is_measured_at_every_width():
    settings = list(quality.settings_of((8, 16)))
    assert settings[0] == quality.Setting("exact", "float32", 16)
    assert len(settings) == len(set(settings)) == 14
    by_name = {setting.name: setting.scored_bytes for setting in settings}
    assert by_name["flat 4bit 16"] == 8
    assert by_name["zvec int8 8"] == 8
    assert by_name["exact fp16 8"] == 16


def test_a_run_on_a_tiny_shop(colours, tmp_path, capsys):
    out, plot = tmp_path / "bytes.json", tmp_path / "bytes.svg"
    places = [str(colours / name) for name in ("model", "data")]
    cache = ["--cache", str(colours / "cache"), "--split", "train"]
    quality.main([*places, *cache, "--json", str(out), "--plot", str(plot)])
    found = json.loads(out.read_text())
    assert (found["num_products"], found["num_queries"]) == (11, 2)
    reference = found["settings"]["exact float32 32"]
    assert reference["scored_bytes"] == 128
    assert reference["minus_reference"]["ndcg@10"]["mean"] == 0
    assert found["systems"]["flat 4bit 32"] == found["systems"]["exact float32 32"]
    assert list(disagreements(tmp_path)) == []
    assert "Recall@100" in plot.read_text()
    assert capsys.readouterr().out.count("\n") == len(found["settings"])
