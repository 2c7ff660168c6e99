import pytest

from windowshop.config import TrainConfig, default_stages, few_stages
from windowshop.progress import SILENT
from windowshop.training.fit import ENCODERS, best_on_dev
from windowshop.training.judged_pairs import make_pairs
from windowshop.training.schedule import scheduled
from windowshop.training.stages import Trained

AUTO = TrainConfig(schedule="auto")


def data(make_dataset, num_queries: int, per_query: int):
    """Queries that each have the first products judged."""
    queries = [(f"query {i}", None, "train") for i in range(num_queries)]
    grades = {(q, p): 3 for q in range(num_queries) for p in range(per_query)}
    dataset = make_dataset([f"g{i}" for i in range(20)], queries, grades)
    return dataset, make_pairs(dataset, "train")


@pytest.mark.parametrize(("num_queries", "per_query"), [(3, 2), (1200, 2), (300, 12)])
def test_few_judgements_take_all_stages_and_generated_queries(make_dataset, num_queries, per_query):
    config = scheduled(AUTO, *data(make_dataset, num_queries, per_query), SILENT)
    assert config.stages == few_stages()
    assert config.schedule == "stages"
    assert config.generated_queries == 80  # four for each of twenty products


def test_dense_judgements_take_the_domain_and_the_fused_stage(make_dataset):
    config = scheduled(AUTO, *data(make_dataset, 1200, 12), SILENT)
    assert config.stages == default_stages()
    assert config.generated_queries == 0


def test_stages_that_are_given_stay(make_dataset):
    own = TrainConfig(stages=few_stages()[:1])
    assert scheduled(own, *data(make_dataset, 3, 2), SILENT) == own


def trained(score: float | None) -> Trained:
    """A system with this dev score."""
    return Trained(None, None, None if score is None else {"score": score}, None)  # type: ignore[arg-type]


def test_a_baseline_that_is_as_good_on_dev_is_served():
    ahead = {"fused": trained(0.8), "text_only": trained(0.7), ENCODERS: trained(0.5)}
    assert best_on_dev(ahead) == "fused"
    assert best_on_dev(ahead | {"text_only": trained(0.8)}) == "text_only"
    assert best_on_dev(ahead | {ENCODERS: trained(0.9)}) == ENCODERS
    assert best_on_dev(ahead | {"image_only": trained(None)}) == "fused"


def test_a_stage_may_keep_its_last_weights():
    kept = [stage.keep for stage in few_stages()]
    assert kept == ["last", "best", "best"]
    assert {stage.keep for stage in default_stages()} == {"best"}
