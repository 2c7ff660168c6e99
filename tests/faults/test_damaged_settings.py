"""Settings that people edit have no hash: what cannot be read is a named error, never another."""

import pytest
from support.faults import damages, some, tried

from windowshop.config import TrainConfig, load_config
from windowshop.errors import ConfigError, WindowshopError
from windowshop.search.settings import (
    SETTINGS_FILE,
    SearchSettings,
    load_search_settings,
    save_search_settings,
)
from windowshop.settings import read_yaml, to_yaml


def load_train(folder):
    return load_config(folder / "train.yaml")


def test_damaged_settings_are_read_or_named(tmp_path):
    save_search_settings(SearchSettings(), tmp_path)
    (tmp_path / "train.yaml").write_text(to_yaml(TrainConfig()))
    for name, load, kind in (
        (SETTINGS_FILE, load_search_settings, SearchSettings),
        ("train.yaml", load_train, TrainConfig),
    ):
        path = tmp_path / name
        content = path.read_bytes()
        num_named = 0
        for _, damaged in damages(content, some(100, 2000)):
            path.unlink() if damaged is None else path.write_bytes(damaged)
            found, told = None, ""
            try:
                found = load(tmp_path)
            except WindowshopError as error:
                told = str(error)
            assert isinstance(found, kind) or name in told
            num_named += found is None
            tried("damage", "settings", outcome="read" if found else "named")
            path.write_bytes(content)
        assert num_named > 30


@pytest.mark.parametrize(
    "content", [b"a: 2001-99-99", b"[" * 5000, b"\xff", b"a: \x00", b"? [a]\n: 1", b"*a"]
)
def test_a_file_that_is_no_yaml_is_named(tmp_path, content):
    path = tmp_path / "rules.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"rules\.yaml: cannot be read as YAML"):
        read_yaml(path)
