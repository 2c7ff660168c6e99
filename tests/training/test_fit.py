import resource
from contextlib import suppress

import pytest
from filelock import FileLock
from support.shops import write_shop

from windowshop.config import TrainConfig
from windowshop.data.dataset import read_dataset
from windowshop.errors import ModelError
from windowshop.progress import SilentReporter
from windowshop.training.fit import _keep_only, train


def train_plain(tmp_path):
    dataset = read_dataset(write_shop(tmp_path / "shop", {}))
    return train(dataset, tmp_path / "model", TrainConfig(), tmp_path / "cache", SilentReporter())


def test_two_trainings_to_one_folder_are_refused(tmp_path):
    with FileLock(tmp_path / ".model.lock"), pytest.raises(ModelError, match="another training"):
        train_plain(tmp_path)
    assert not (tmp_path / "cache").exists()


def test_a_folder_that_is_no_model_is_refused_before_anything_is_encoded(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "notes.txt").write_text("mine")
    with pytest.raises(ModelError, match="already exists and is no model"):
        train_plain(tmp_path)
    assert (tmp_path / "model" / "notes.txt").read_text() == "mine"
    assert not (tmp_path / "cache").exists()


def test_a_full_disk_when_a_run_goes_on_costs_none_of_its_work(tmp_path):
    work = tmp_path / ".model.partial"
    _keep_only(work, "key", SilentReporter())
    (work / "state").write_text("hours")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with suppress(OSError):
            _keep_only(work, "key", SilentReporter())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    _keep_only(work, "key", SilentReporter())
    assert (work / "state").read_text() == "hours"
    _keep_only(work, "another key", SilentReporter())
    assert not (work / "state").exists()
