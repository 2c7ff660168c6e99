"""Which stages the default study's ablations train, and for how many steps, reckoned by hand."""

from dataclasses import replace

import pytest

from windowshop.config import LossConfig, TrainConfig, TuningConfig, default_stages, lora_stages
from windowshop.study.ablations import Extent, reallocated
from windowshop.study.config import StudyConfig, VariantConfig, base_training, training_of
from windowshop.study.defaults import default_variants

SMALL = Extent(num_products=1000, num_queries=100, text_width=8, budget=1.0)


def stages_by_variant(base, extent=SMALL):
    variants, _ = default_variants(base, extent)
    return {variant.name: training_of(base, variant, 0).stages for variant in variants}


def steps(stages):
    return [(stage.name, stage.steps) for stage in stages]


def test_one_stage_gets_the_compute_of_all():
    base = base_training(StudyConfig(budget=1))
    assert steps(base.stages) == [("domain", 100), ("separate", 200), ("fused", 200)]
    found = stages_by_variant(base)
    # A domain step costs half a fused one, a separate step .6.
    assert steps(found["one_stage"]) == [("fused", 200 + 120 + 50)]
    assert steps(found["no_separate"]) == [("domain", 100), ("fused", 200 + 120)]
    assert steps(found["no_domain"]) == [("separate", 200), ("fused", 200)]
    assert found["plain_loss"] == base.stages


def test_a_large_shop_is_trained_longer_and_so_is_one_stage():
    """512,000 queries in batches of 512 are 2,000 steps for two epochs; 1,024,000 products in
    batches of 1,024 as many."""
    base = base_training(StudyConfig(budget=1))
    large = Extent(num_products=1_024_000, num_queries=512_000, text_width=8, budget=1.0)
    found = stages_by_variant(base, large)
    assert steps(found["one_stage"]) == [("fused", 2000 + 1200 + 1000)]
    assert steps(found["no_separate"]) == [("domain", 100), ("fused", 2000 + 1200)]
    assert [s.min_epochs for s in found["no_separate"]] == [2.0, 0.0]  # the trainer adds none
    assert found["one_stage"][0].min_epochs == 0
    assert found["no_domain"] == base.stages[1:]  # those take their epochs as ever


def test_the_budget_scales_epochs_too():
    base = base_training(StudyConfig(budget=0.5))
    large = Extent(num_products=1_024_000, num_queries=512_000, text_width=8, budget=0.5)
    found = stages_by_variant(base, large)
    assert steps(found["one_stage"]) == [("fused", 1000 + 600 + 500)]


LORA = replace(TrainConfig(), stages=lora_stages())


def test_a_stage_that_trains_encoders_keeps_its_steps_in_one_stage():
    found = stages_by_variant(LORA)
    # Before it the domain and the separate stage's compute, as the fused stage.
    one = found["one_stage"]
    assert steps(one) == [("fused", 50 + 120), ("fused", 150), ("fused", 200)]
    assert [stage.tuning.text for stage in one] == ["frozen", "lora", "frozen"]
    assert one[1].batch_queries == 128
    assert steps(found["no_separate"])[0] == ("domain", 100)
    assert steps(found["no_separate"])[1:] == [("fused", 120), ("fused", 150), ("fused", 200)]


def test_stages_of_one_name_stay_apart():
    found = stages_by_variant(LORA)
    _, separate, tuned, fused = LORA.stages
    assert found["no_domain"] == (separate, tuned, fused)
    assert found["bm25_negatives"][:3] == LORA.stages[:3]
    assert found["bm25_negatives"][3] == replace(fused, negatives="bm25")
    frozen = found["frozen_encoders"]
    assert steps(frozen) == steps(LORA.stages)
    assert frozen[2] == replace(tuned, tuning=TuningConfig())


def test_every_fused_stage_draws_hard_negatives():
    domain, separate, fused = default_stages()
    last = replace(fused, steps=7)
    found = stages_by_variant(TrainConfig(stages=(domain, separate, fused, last)))
    kinds = [stage.negatives for stage in found["mined_negatives"]]
    assert kinds == ["none", "none", "mined", "mined"]
    assert steps(found["one_stage"]) == [("fused", 370), ("fused", 7)]


def test_spare_compute_after_the_last_fused_stage_is_spent_too():
    domain, separate, fused = default_stages()
    found = reallocated((fused, separate), ("separate",), SMALL)
    assert steps(found) == [("fused", 200), ("fused", 120)]
    tuned = replace(fused, tuning=TuningConfig(text="lora"))
    found = reallocated((domain, tuned), ("domain",), SMALL)
    assert steps(found) == [("fused", 200), ("fused", 50)]
    assert [stage.tuning.trains for stage in found] == [True, False]


def test_the_text_encoder_is_trained_before_the_fused_stage_within_the_budget():
    base = base_training(StudyConfig(budget=0.4))
    found = stages_by_variant(base, replace(SMALL, budget=0.4))["tuned_text"]
    assert steps(found) == [("domain", 40), ("separate", 80), ("separate", 60), ("fused", 80)]
    assert found[2].tuning == lora_stages()[2].tuning
    assert (*found[:2], found[3]) == base.stages


@pytest.mark.parametrize(
    ("stages", "absent"),
    [
        (default_stages()[1:], {"no_domain"}),
        (default_stages()[2:], {"no_domain", "no_separate", "one_stage"}),
        (default_stages()[:1], {"no_domain", "no_separate", "one_stage"}),
    ],
)
def test_what_the_base_does_not_have_cannot_be_left_out(stages, absent):
    base = TrainConfig(stages=stages)
    variants, notes = default_variants(base, SMALL)
    left_out = {note.split()[0] for note in notes}
    assert absent <= left_out
    assert not left_out & {variant.name for variant in variants}
    assert len(left_out) == len(notes)
    for variant in variants:
        assert training_of(base, variant, 0).loss.query_text in (LossConfig().query_text, 0.0)


def test_a_study_file_names_stages_in_turn():
    own = {"stages": [{"name": "separate", "steps": 5}, {"name": "separate"}, {"name": "fused"}]}
    found = training_of(LORA, VariantConfig(name="a", group="ablation", settings=own), 0).stages
    _, separate, tuned, fused = LORA.stages
    assert found == (replace(separate, steps=5), tuned, fused)
    more = {"stages": [{"name": "fused"}, {"name": "fused", "steps": 9}]}
    found = training_of(LORA, VariantConfig(name="a", group="ablation", settings=more), 0).stages
    assert found == (fused, replace(fused, steps=9))
