from dataclasses import replace

import pytest
from support.kinds import FUSED
from support.registering import registered_file

from windowshop.config import ModelConfig
from windowshop.errors import ConfigError
from windowshop.registry import FUSIONS
from windowshop.training.stages import train_system

SUM = '''
from windowshop.model.fusion import Fusion
from windowshop.model.fusion.base import unit


class Sum(Fusion):
    """The sum of both vectors."""

    def forward(self, products):
        return unit(products.t_BD + products.v_BD)
'''


@pytest.fixture
def added(tmp_path, monkeypatch):
    with registered_file(tmp_path, monkeypatch, FUSIONS, "sum", "shop_sum:Sum", SUM):
        yield


def test_a_fusion_is_one_file_and_one_line(added, kinds_config, make_prepared, tmp_path):
    shape = replace(kinds_config.model, fusion="sum")
    config = replace(kinds_config, model=shape, stages=(FUSED,))
    trained = train_system(make_prepared(), config, "fused", tmp_path / "work")
    assert type(trained.system.towers.fusion).__name__ == "Sum"
    assert trained.state.stage == 1


def test_a_fusion_that_nobody_added_is_refused():
    with pytest.raises(ConfigError, match="fusion='sum' is unknown. Use one of: experts,"):
        ModelConfig(fusion="sum")
