import pytest
from filelock import FileLock
from shops import write_shop

from windowshop.catalog import read_dataset
from windowshop.config import TrainConfig
from windowshop.errors import ModelError
from windowshop.fit import fit
from windowshop.progress import SilentReporter


def train(tmp_path):
    dataset = read_dataset(write_shop(tmp_path / "shop", {}))
    return fit(dataset, tmp_path / "model", TrainConfig(), tmp_path / "cache", SilentReporter())


def test_two_trainings_to_one_folder_are_refused(tmp_path):
    with FileLock(tmp_path / ".model.lock"), pytest.raises(ModelError, match="another training"):
        train(tmp_path)
    assert not (tmp_path / "cache").exists()


def test_a_folder_that_is_no_model_is_refused_before_anything_is_encoded(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "notes.txt").write_text("mine")
    with pytest.raises(ModelError, match="already exists and is no model"):
        train(tmp_path)
    assert (tmp_path / "model" / "notes.txt").read_text() == "mine"
    assert not (tmp_path / "cache").exists()
