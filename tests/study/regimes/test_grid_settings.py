"""Settings of a study of regimes: its cells, their trainings, and what is refused."""

from pathlib import Path

import pytest
import yaml

from windowshop.config import PRESETS
from windowshop.errors import ConfigError
from windowshop.settings import from_dict
from windowshop.study.regimes.config import (
    Block,
    Cell,
    RegimesConfig,
    is_regimes,
    load_regimes,
    training_of,
)
from windowshop.study.regimes.regime import Regime

STUDIES = Path(__file__).parents[3] / "benchmarks" / "studies"
CONTENT = {
    "schedules": {
        "one": {"settings": {"stages": [{"name": "fused", "steps": 40}]}},
        "preset": {"preset": "separate"},
    },
    "options": {"hard": {"fused": {"negatives": "bm25"}, "settings": {"loss": {"masks": False}}}},
    "fusions": {"narrow": {"settings": {"model": {"fusion": "experts", "width": 192}}}},
    "blocks": [
        {
            "name": "first",
            "queries": [10, None],
            "schedules": ["one"],
            "fusions": ["average", "narrow"],
        },
        {"name": "second", "schedules": ["preset"], "fusions": ["narrow"], "options": ["hard"]},
        {"name": "third", "schedules": ["one"], "fusions": ["narrow"]},
    ],
}


def grid(**changes):
    return from_dict(RegimesConfig, {**CONTENT, **changes}, "study.yaml")


def test_cells_are_all_combinations_of_each_block_once():
    names = [cell.name for cell in grid().cells()]
    assert names == [
        "10 all / average / one",
        "10 all / narrow / one",
        "all all / average / one",
        "all all / narrow / one",
        "all all / narrow / preset / hard",
    ]
    assert [cell.name for cell in grid().only(("third",)).cells()] == ["all all / narrow / one"]
    with pytest.raises(ConfigError, match="--block: 'fourth' is none of first, second, third"):
        grid().only(("fourth",))


def test_a_cell_trains_by_schedule_fusion_option_and_budget():
    config = grid(budget=0.5, base={"model": {"hidden": 64}})
    cell = Cell(regime=Regime(), schedule="preset", fusion="narrow", option="hard")
    training = training_of(config, cell, 4)
    assert (training.seed, training.model.width, training.model.hidden) == (4, 192, 64)
    assert not training.loss.masks
    names = [stage.name for stage in PRESETS["separate"]()]
    assert [stage.name for stage in training.stages] == names
    assert [stage.steps for stage in training.stages] == [50, 100, 100]
    assert [stage.negatives for stage in training.stages] == ["none", "none", "bm25"]
    plain = training_of(config, Cell(regime=Regime(), schedule="one", fusion="average"), 0)
    assert (plain.model.fusion, plain.loss.masks) == ("average", True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": [0, 0]}, "each once"),
        ({"budget": 0}, "budget=0.0 must be above 0"),
        (
            {"blocks": [{"name": "b", "schedules": ["two"], "fusions": ["average"]}]},
            "'two' is none",
        ),
        ({"blocks": [{"name": "b", "schedules": ["one"], "fusions": ["sum"]}]}, "'sum' is none of"),
        ({"blocks": [{"name": "b", "schedules": ["one"]}]}, "at least one"),
        (
            {
                "questions": [
                    {"name": "q", "claim": "", "pairs": [{"better": {"x": "y"}, "worse": {}}]}
                ]
            },
            "question q: 'x' is none of schedule, fusion, option",
        ),
    ],
)
def test_names_that_nothing_has_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        grid(**changes)


def test_unknown_presets_and_tokens_are_refused(tmp_path):
    path = tmp_path / "study.yaml"
    for changes, message in (
        ({"schedules": {"one": {"preset": "best"}, "preset": {}}}, "preset 'best' is unknown"),
        (
            {"blocks": [{"name": "b", "schedules": ["one"], "fusions": ["cross_attention"]}]},
            "cross_attention reads tokens",
        ),
    ):
        path.write_text(yaml.safe_dump({**CONTENT, **changes}))
        with pytest.raises(ConfigError, match=message):
            load_regimes(path)


def test_the_study_in_the_repository_loads():
    assert is_regimes(STUDIES / "regimes.yaml")
    assert not is_regimes(STUDIES / "stages.yaml")
    config = load_regimes(STUDIES / "regimes.yaml")
    cells = config.cells()
    for question in config.questions:
        for pair in question.pairs:
            alike = {"option": "plain"} | pair.better
            assert any(
                all(getattr(cell, field) == value for field, value in alike.items())
                for cell in cells
            ), question.name
    assert [block.name for block in config.blocks][:2] == ["core", "none"]
    assert all(isinstance(block, Block) for block in config.blocks)
