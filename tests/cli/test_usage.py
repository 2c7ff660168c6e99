"""Commands that are misspelt, or stopped."""

import pytest

from windowshop.index import open as index_module


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["serch"], "No such command 'serch'"),
        (["search"], "index_folder"),
        (["search", "index", "-k", "ten"], "'-k'"),
        (["train", "shop", "--out", "model", "--fusion", "mean"], "experts"),
    ],
)
def test_wrong_usage_is_told_with_exit_code_2(cli, args, message):
    told = cli(*args)
    assert told.code == 2
    assert "Usage:" in told.err
    assert message in told.err
    assert "Traceback" not in told.err


def test_a_stopped_command_says_how_to_go_on(cli, indexed, monkeypatch):
    def stop(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(index_module, "open_query_encoder", stop)
    told = cli("search", indexed, "red mug")
    assert (told.code, told.err) == (130, "stopped; run the same command again to go on\n")


def test_torchrun_starts_trainings_alone(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    told = cli("compare", tmp_path)
    assert told.code == 1
    assert "compare: torchrun started 2 processes (WORLD_SIZE), and `train` alone" in told.err
    assert "no products" not in told.err
