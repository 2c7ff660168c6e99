"""A text tower of a fusion's own: taught by itself before the fused stage, then left alone."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from interrupting import Countdown, Interrupted
from kinds import FUSED, SEPARATE, assert_same, assert_same_system, weights

from windowshop.config import TuningConfig
from windowshop.progress import SilentReporter
from windowshop.systems import train_system
from windowshop.towers import QueryBatch

LORA = TuningConfig(text="lora", learning_rate=1e-3, lora_rank=2, chunk_size=5, mixes=(1.0,))


@pytest.fixture(scope="module")
def config(kinds_config):
    model = replace(kinds_config.model, fusion="text_tower_experts")
    return replace(kinds_config, model=model)


@pytest.fixture(scope="module")
def whole(config, make_bench, tmp_path_factory):
    return train_system(make_bench(), config, "fused", tmp_path_factory.mktemp("whole"))


class NamedReporter(SilentReporter):
    """Interrupts the n-th report of the bars of a name."""

    def __init__(self, name, calls):
        self.name, self.count = name, Countdown(calls)

    @contextmanager
    def bar(self, name, total):
        yield lambda items, text: self.count() if name == self.name else None


def test_it_is_the_text_only_model_and_stays_that(whole, config, make_bench, tmp_path):
    alone = train_system(make_bench(), config, "text_only", tmp_path)
    own = weights(whole.system.towers.own_text)
    assert_same(own, weights(alone.system.towers.text))
    shared = weights(whole.system.towers.text)
    assert not any(torch.equal(own[name], shared[name]) for name in own if "weight" in name)


def test_it_reads_the_encoders_that_an_earlier_stage_trained(config, make_bench, tmp_path):
    tuned = replace(config, stages=(replace(SEPARATE, tuning=LORA), FUSED))
    found = train_system(make_bench(), tuned, "fused", tmp_path / "tuned")
    frozen = replace(config, stages=(SEPARATE, FUSED))
    alone = train_system(found.bench, frozen, "text_only", tmp_path / "alone")
    assert_same(weights(found.system.towers.own_text), weights(alone.system.towers.text))


def test_until_it_is_taught_it_is_the_shared_text(config, make_bench, tmp_path):
    found = train_system(make_bench(), replace(config, stages=(SEPARATE,)), "fused", tmp_path)
    towers = found.system.towers
    assert_same(weights(towers.own_text), weights(towers.text))


@pytest.mark.parametrize(
    ("name", "calls"),
    [("Train text tower: separate", 2), ("Train text tower: fused", 3), ("Train fused: fused", 2)],
)
def test_stopped_while_it_is_taught_or_after_comes_to_the_same_end(
    name, calls, whole, config, make_bench, tmp_path
):
    with pytest.raises(Interrupted):
        train_system(make_bench(NamedReporter(name, calls)), config, "fused", tmp_path)
    assert_same_system(train_system(make_bench(), config, "fused", tmp_path), whole)


def test_a_query_with_a_photo_asks_the_mixture_alone(whole):
    towers = whole.system.towers
    layouts = whole.bench.cache.text.layout, whole.bench.cache.image.layout
    text_BH, image_BH = (torch.randn(4, layout.width) for layout in layouts)
    has_B2 = torch.tensor([[1.0, 0], [0, 1], [1, 1], [0, 0]])
    batch = QueryBatch(text_BH, image_BH, has_B2)
    own_BD, mixture_BD = (
        towers.encode_queries(batch)[:, 0::2],
        towers.encode_queries(batch)[:, 1::2],
    )
    assert (own_BD.norm(dim=1) > 0.1).tolist() == [True, False, False, False]
    assert not own_BD[1:].any()
    torch.testing.assert_close(mixture_BD[1:], towers.embed_queries(batch)[1:])
    with torch.no_grad():
        expected_D = towers.own_text(text_BH)[0]
    torch.testing.assert_close(own_BD[0] / own_BD[0].norm(), expected_D)
