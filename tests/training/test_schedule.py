import pytest
import torch

from windowshop.config import ModelConfig, TrainConfig, default_stages, few_stages
from windowshop.encoders import Layout
from windowshop.model import QueryBatch, System, TwoTower
from windowshop.progress import SILENT
from windowshop.training.fit import ENCODERS, best_on_dev, serve_best
from windowshop.training.schedule import fitted, scheduled
from windowshop.training.stages import Trained

AUTO = TrainConfig(schedule="auto")


def data(make_dataset, num_queries: int, per_query: int):
    """Queries that each have the first products judged."""
    queries = [(f"query {i}", None, "train") for i in range(num_queries)]
    grades = {(q, p): 3 for q in range(num_queries) for p in range(per_query)}
    dataset = make_dataset([f"g{i}" for i in range(20)], queries, grades)
    return dataset


@pytest.mark.parametrize(("num_queries", "per_query"), [(3, 2), (1200, 2), (300, 12)])
def test_few_judgements_take_all_stages_and_generated_queries(make_dataset, num_queries, per_query):
    config = scheduled(AUTO, data(make_dataset, num_queries, per_query), SILENT)
    assert config.stages == fitted(few_stages(), num_queries + 80)
    assert config.schedule == "stages"
    assert config.generated_queries == 80  # four for each of twenty products


def test_dense_judgements_take_the_domain_and_the_fused_stage(make_dataset):
    config = scheduled(AUTO, data(make_dataset, 1200, 12), SILENT)
    assert config.stages == default_stages()
    assert config.generated_queries == 0


def test_image_queries_take_the_domain_and_the_fused_stage(make_dataset):
    queries = [(None, f"{i}.jpg", "train") for i in range(3)]
    dataset = make_dataset(["g0", "g1"], queries, {(0, 0): 3, (1, 1): 3, (2, 0): 3})
    config = scheduled(AUTO, dataset, SILENT)
    assert config.stages == default_stages()
    assert config.generated_queries == 0


def test_stages_that_are_given_stay(make_dataset):
    own = TrainConfig(stages=few_stages()[:1])
    assert scheduled(own, data(make_dataset, 3, 2), SILENT) == own


def trained(score: float | None) -> Trained:
    """A system with this dev score."""
    return Trained(None, None, None if score is None else {"score": score}, None)


def two_tower(fusion: str, seed: int) -> TwoTower:
    """Towers of width 8 for features of widths 6 and 5."""
    torch.manual_seed(seed)
    config = ModelConfig(width=8, hidden=8, matryoshka=(), fusion=fusion)
    return TwoTower(config, Layout((6,)), Layout((5,))).eval()


def system_of(towers: TwoTower, score: float) -> Trained:
    """A trained system with this dev score."""
    return Trained(System(towers, None, None), None, {"score": score}, None)


def test_a_baseline_that_is_as_good_on_dev_is_served():
    ahead = {"fused": trained(0.8), "text_only": trained(0.7), ENCODERS: trained(0.5)}
    assert best_on_dev(ahead) == "fused"
    assert best_on_dev(ahead | {"text_only": trained(0.8)}) == "text_only"
    assert best_on_dev(ahead | {ENCODERS: trained(0.9)}) == ENCODERS
    assert best_on_dev(ahead | {"image_only": trained(None)}) == "fused"


def test_a_better_text_tower_answers_texts_and_images_stay_with_the_mixture():
    towers = two_tower("text_tower_experts", seed=0)
    better = two_tower("text_only", seed=1)
    batch = QueryBatch(torch.randn(3, 6), torch.zeros(3, 5), torch.tensor([[1.0, 0.0]] * 3))
    images = torch.nn.functional.normalize(torch.randn(2, 8), dim=-1)
    before = towers.images_as_queries(images)
    fused, floor = system_of(towers, 0.6), system_of(better, 0.7)
    served = serve_best({"fused": fused}, floor, SILENT)
    assert served == ENCODERS
    with torch.inference_mode():
        first_BD = towers.encode_queries(batch)[:, ::2]
        rest_BD = towers.encode_queries(batch)[:, 1::2]
        assert torch.allclose(first_BD, better.text(batch.text_BH), atol=1e-5)
    assert rest_BD.abs().max() < 1e-6
    assert torch.equal(towers.images_as_queries(images), before)


def test_a_fusion_without_a_text_tower_stays_as_it_was_trained():
    towers = two_tower("experts", seed=0)
    kept = {name: value.clone() for name, value in towers.state_dict().items()}
    floor = system_of(two_tower("text_only", seed=1), 0.7)
    assert serve_best({"fused": system_of(towers, 0.6)}, floor, SILENT) == "fused"
    assert all(torch.equal(value, kept[name]) for name, value in towers.state_dict().items())


def test_a_stage_may_keep_its_last_weights():
    kept = [stage.keep for stage in few_stages()]
    assert kept == ["last", "best", "best"]
    assert {stage.keep for stage in default_stages()} == {"best"}


@pytest.mark.parametrize(("queries", "steps"), [(6300, 320), (6000, 320), (2160, 192), (3, 160)])
def test_fewer_queries_take_fewer_steps_of_the_fused_stage(queries, steps):
    *before, fused = fitted(few_stages(), queries)
    assert fused.steps == steps
    assert before == list(few_stages()[:2])


def test_many_judged_queries_keep_all_steps_of_a_small_catalogue(make_dataset):
    config = scheduled(AUTO, data(make_dataset, 6000, 1), SILENT)
    assert config.stages == few_stages()
