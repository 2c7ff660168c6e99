"""The default study: baselines, fusions, ablations, controls, and the claims that it can refute."""

from collections.abc import Collection
from functools import partial
from typing import Any

from windowshop.config import SINGLE, TrainConfig
from windowshop.model import Projection, make_fusion, num_parts
from windowshop.registry import FUSIONS
from windowshop.study.ablations import (
    TWO_STAGES,
    TrainingSize,
    stage_ablations,
    stage_settings,
    with_separate,
)
from windowshop.study.config import Falsifier, Mix, VariantConfig

NO_DIFFERENCE = 0.005
"""Difference in nDCG@10 up to which a control counts as equal."""
FROZEN_TOGETHER: dict[str, Mix] = {
    "frozen_image": "image",
    "frozen_average": "average",
    "frozen_tuned": "tuned",
    "frozen_centred": "centred",
}
"""Frozen systems that need text and images in one space."""
SCORE_MIXES: dict[str, tuple[Mix, str]] = {
    "score_average": ("average", "Cosines to text and image, averaged."),
    "score_tuned": ("tuned", "The same with a weight tuned on dev."),
    "score_raw": ("raw", "Raw inner products summed: a missing image costs."),
    "score_centred": ("centred", "Modality means removed, weight tuned on dev."),
}


def default_variants(
    base: TrainConfig, size: TrainingSize
) -> tuple[tuple[VariantConfig, ...], tuple[str, ...]]:
    """Return the default study's variants, the reference first, and notes of those left out.

    `base` is the reference's training.
    """
    reference, width = base.model.fusion, base.model.width
    half = {"width": width // 2, "matryoshka": [width // 2 for width in base.model.matryoshka]}
    fusion = partial(VariantConfig, group="fusion")
    stages = with_separate(base.stages, size.num_products, size.num_queries)
    staged, notes = stage_ablations(base, size, stages)
    aligned = {} if stages == base.stages else stage_settings(stages)
    if base.text_encoder != base.image_encoder:
        notes += (f"{', '.join(FROZEN_TOGETHER)} are left out: the encoders share no space.",)
    variants = (
        VariantConfig(name=reference, group="reference", note="The default model."),
        *baselines(base, aligned),
        *(fusion(name=n, settings=_of(n)) for n in FUSIONS if n not in (*SINGLE, reference)),
        fusion(
            name="half_width",
            note="The reference with vectors of half the width.",
            settings={"model": half},
        ),
        *staged,
        *loss_ablations(base, size, aligned),
        *controls(),
    )
    return variants, notes


def _of(fusion: str) -> dict[str, Any]:
    """Return the settings of a model with another fusion."""
    return {"model": {"fusion": fusion}}


def baselines(base: TrainConfig, aligned: dict[str, Any]) -> tuple[VariantConfig, ...]:
    """Return systems without a trained fusion; `aligned` sets stages with a separate one."""
    baseline = partial(VariantConfig, group="baseline")
    frozen: dict[str, Mix] = {"frozen_text": "text"}
    if base.text_encoder == base.image_encoder:  # both towers of one model share a space
        frozen |= FROZEN_TOGETHER
    note = "BM25 and text-only, weight tuned on dev; its cost is the text-only tower's."
    as_they_come = partial(baseline, system="frozen", note="Encoders as they come.")
    mixed = partial(baseline, system="score_fusion", settings=aligned)
    return (
        baseline(name="bm25", system="bm25", note="Parameters chosen on dev."),
        baseline(name="bm25_dense", system="bm25_dense", note=note),
        *(as_they_come(name=name, mix=mix) for name, mix in frozen.items()),
        *(baseline(name=name, settings=_of(name)) for name in SINGLE),
        *(mixed(name=name, mix=mix, note=note) for name, (mix, note) in SCORE_MIXES.items()),
    )


def loss_ablations(
    base: TrainConfig, size: TrainingSize, aligned: dict[str, Any]
) -> tuple[VariantConfig, ...]:
    """Return the reference with another loss, or with a plain network of its size."""
    no_dropout = {"drop_image": 0.0, "drop_text": 0.0, "wrong_image": 0.0}
    wide = {"fusion": "concat_mlp", "fusion_hidden": matched_hidden(base, size.text_width)}
    twins, as_many = "A positive's group and a product's twins are negatives.", "as many weights as"
    text, images = ({"loss": {name: 0.0}, **aligned} for name in ("query_image", "query_text"))
    changes: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("query_text_only", text, "Stage 1 aligns queries with text alone."),
        ("query_image_only", images, "Stage 1 aligns queries with images alone."),
        ("no_modality_dropout", {"loss": no_dropout}, "Nothing hidden, no image swapped."),
        ("no_masks", {"loss": {"masks": False}}, twins),
        ("plain_loss", {"loss": {"form": "plain"}}, "All grades in one softmax."),
        ("sigmoid_loss", {"loss": {"form": "sigmoid"}}, "Each pair judged alone."),
        (
            "sampling_correction",
            {"loss": {"sampling_correction": True}},
            "Popular negatives weigh less.",
        ),
        ("guide", {"loss": {"guide_margin": 0.95}}, "Negatives near the positive are left out."),
        ("matched_mlp", {"model": wide}, f"Concatenation with {as_many} the reference."),
    )
    return tuple(
        VariantConfig(name=name, group="ablation", note=note, settings=settings)
        for name, settings, note in changes
    )


def controls() -> tuple[VariantConfig, ...]:
    """Return variants that must degrade if the image is what helps."""
    control = partial(VariantConfig, group="control")
    short = "Ranked from three words of each title."
    return (
        control(
            name="shuffled_photos",
            note="Trained and ranked with other products' images.",
            train_change="shuffled_photos",
            test_change="shuffled_photos",
        ),
        control(
            name="shuffled_in_ranking",
            note="Trained on the right images, ranked with others'.",
            test_change="shuffled_photos",
        ),
        control(
            name="text_twice",
            note="The text in the image's place: fuse(t, t).",
            train_change="text_as_photo",
            test_change="text_as_photo",
        ),
        control(name="three_words", note=short, test_change="three_words"),
        control(
            name="text_only_three_words",
            note=short,
            settings=_of("text_only"),
            test_change="three_words",
        ),
        control(name="no_text", note="Ranked from images alone.", test_change="no_text"),
    )


def matched_hidden(base: TrainConfig, text_width: int) -> int:
    """Return the hidden width at which a concatenation has as many weights as the reference.

    A fusion's own text tower, which reads `text_width` features, counts as part of it.
    """
    shape = base.model

    def num_weights(name: str, hidden: int) -> int:
        fusion = make_fusion(name, shape.width, hidden, shape.dropout)
        parts = [fusion, Projection(text_width, shape)] if fusion.has_own_text else [fusion]
        return sum(p.numel() for part in parts for p in part.parameters())

    few, many = num_weights("concat_mlp", 1), num_weights("concat_mlp", 2)
    wanted = num_weights(shape.fusion, shape.fusion_hidden or shape.hidden)
    return max(1, 1 + round((wanted - few) / (many - few)))


def default_falsifiers(reference: str, names: Collection[str]) -> tuple[Falsifier, ...]:
    """Return the claims of the method that a study of variants of these names can refute."""
    aligned, joint = (TWO_STAGES, reference) if TWO_STAGES in names else (reference, "no_separate")
    compared = [
        ("Seeing helps", reference, "text_only"),
        ("The fusion beats concatenation", reference, "concat_linear"),
        ("The fusion beats a concatenation of equal capacity", reference, "matched_mlp"),
        ("A learned fusion beats one learned weight", reference, "weighted"),
        ("A fused stage beats a tuned score fusion", reference, "score_tuned"),
        ("Domain adaptation helps", reference, "no_domain"),
        ("Training the encoders helps", reference, "frozen_encoders"),
        ("Modality dropout helps", reference, "no_modality_dropout"),
        ("Masks help", reference, "no_masks"),
        ("The graded loss beats the plain one", reference, "plain_loss"),
        ("It is the image's content that helps", reference, "shuffled_photos"),
        ("It is not the second tower's capacity that helps", reference, "text_twice"),
        ("Two stages beat one at equal compute", aligned, "one_stage"),
        ("Separate alignment helps", aligned, joint),
        ("Training the text encoder helps", "tuned_text", reference),
        ("The gate of the mixture of experts helps", "experts", "uniform_experts"),
    ]
    if num_parts(reference) > 1:
        equal = "The fusion beats concatenation in vectors of equal width"
        compared.append((equal, "half_width", "concat_mlp"))
    if reference != "experts":
        plain = "The plain mixture of experts beats concatenation"
        compared.append((plain, "experts", "concat_linear"))
    shuffled = Falsifier(
        claim="Shuffled images are worth nothing",
        better="shuffled_photos",
        worse="text_only",
        expect="not better",
        margin=NO_DIFFERENCE,
    )
    return (
        *(Falsifier(claim=c, better=b, worse=w) for c, b, w in compared if b != w),
        shuffled,
    )
