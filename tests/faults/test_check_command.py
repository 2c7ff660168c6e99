"""`windowshop check` reads every file of what windowshop made."""

import json
import shutil

import numpy as np
import pytest
from support.faults import files_of
from support.query_models import make_model
from support.tiny_models import TEXTS

from windowshop.model.onnx_export import ExportConfig, export_graph


@pytest.fixture
def exported(model, folders, tmp_path):
    """A model folder with an export in it."""
    copy = shutil.copytree(model, tmp_path / "model")
    identity = np.eye(32, dtype=np.float32)
    config = ExportConfig(int8=False)
    export_graph(make_model(folders["bert"]), TEXTS, identity, copy / "export", config)
    return copy


def flip(path):
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_whole_folders_are_told_as_such(cli, exported):
    count = len(files_of(exported)) - 4
    lines = [
        f"{exported}: {count} of {count} files are whole",
        f"{exported / 'export'}: 4 of 4 files are whole",
    ]
    for folder, expected in ((exported, lines), (exported / "export", lines[1:])):
        told = cli("check", folder)
        assert told.code == 0, told.out
        assert told.out.splitlines() == expected


def test_every_damaged_file_is_told_with_the_remedy(cli, exported):
    flip(exported / "encoders" / "image" / "model.safetensors")
    (exported / "baselines" / "image_only.safetensors").unlink()
    flip(exported / "export" / "query.onnx")
    told = cli("check", exported)
    assert told.code == 1
    errors = [line for line in told.out.splitlines() if line.startswith("error: ")]
    assert [error.split("/model/")[1].split(":")[0] for error in errors] == [
        "baselines/image_only.safetensors",
        "encoders/image/model.safetensors",
        "export/query.onnx",
    ]
    assert "is missing. Copy the model again, or remove it and run `windowshop train`" in errors[0]
    assert "is damaged" in errors[1]
    assert "or run `windowshop export-onnx`" in errors[2]
    count = len(files_of(exported)) - 4 + 1
    assert f"{count - 2} of {count} files are whole" in told.out


def test_a_damaged_manifest_is_told(cli, exported):
    flip(exported / "manifest.json")
    told = cli("check", exported, "--json")
    assert told.code == 1
    found = json.loads(told.out)
    assert not found["ok"]
    assert "manifest.json: " in found["folders"][0]["damage"][0]
    assert found["folders"][1]["damage"] == []
    (exported / "manifest.json").unlink()
    told = cli("check", exported)
    assert told.code == 1
    assert "found no manifest.json, need a model folder" in told.out
