"""The default study: Baselines, fusions, ablations and controls.

Those are among them that could refute the claim that seeing pays.
"""

from collections.abc import Collection
from typing import Any

from windowshop.config import SINGLE, TrainConfig
from windowshop.model import Projection, make_fusion, num_parts
from windowshop.registry import FUSIONS
from windowshop.study.ablations import (
    TWO_STAGES,
    Extent,
    stage_ablations,
    stage_settings,
    with_separate,
)
from windowshop.study.config import Falsifier, Mix, VariantConfig

SAME = 0.005
"""A difference in nDCG@10 that a control may show and still count as none."""
FROZEN_TOGETHER: dict[str, Mix] = {
    "frozen_image": "image",
    "frozen_average": "average",
    "frozen_tuned": "tuned",
    "frozen_centred": "centred",
}
"""What compares queries with photos through encoders as they come."""
NO_DROPOUT = {"drop_image": 0.0, "drop_text": 0.0, "wrong_image": 0.0}


def default_variants(
    base: TrainConfig, extent: Extent
) -> tuple[tuple[VariantConfig, ...], tuple[str, ...]]:
    """Every variant of the default study, the reference first, and why others are left out.

    `base` is the reference's training.
    """
    reference = base.model.fusion
    fusions = [
        VariantConfig(name=name, group="fusion", settings={"model": {"fusion": name}})
        for name in FUSIONS
        if name not in (*SINGLE, reference)
    ]
    half = {
        "width": base.model.width // 2,
        "matryoshka": [width // 2 for width in base.model.matryoshka],
    }
    narrow = VariantConfig(
        name="half_width",
        group="fusion",
        note="The reference with vectors of half the width.",
        settings={"model": half},
    )
    stages = with_separate(base.stages, extent.num_products, extent.num_queries)
    staged, notes = stage_ablations(base, extent, stages)
    aligned = {} if stages == base.stages else stage_settings(stages)
    if base.text_encoder != base.image_encoder:
        notes += (f"{', '.join(FROZEN_TOGETHER)} are left out: the encoders share no space.",)
    variants = (
        VariantConfig(name=reference, group="reference", note="The default model."),
        *baselines(base, aligned),
        *fusions,
        narrow,
        *staged,
        *loss_ablations(base, extent, aligned),
        *controls(),
    )
    return variants, notes


def baselines(base: TrainConfig, aligned: dict[str, Any]) -> tuple[VariantConfig, ...]:
    """What a shop would use without a trained fusion; `aligned` sets stages with a separate one."""
    trained = [
        VariantConfig(name=name, group="baseline", settings={"model": {"fusion": name}})
        for name in SINGLE
    ]
    mixes: dict[str, tuple[Mix, str]] = {
        "score_average": ("average", "Cosines to text and photo, averaged."),
        "score_tuned": ("tuned", "The same with a weight tuned on dev."),
        "score_raw": ("raw", "Raw inner products summed: a missing photo costs."),
        "score_centred": ("centred", "Modality means removed, weight tuned on dev."),
    }
    scored = [
        VariantConfig(
            name=name,
            group="baseline",
            system="score_fusion",
            mix=mix,
            note=note,
            settings=aligned,
        )
        for name, (mix, note) in mixes.items()
    ]
    frozen: dict[str, Mix] = {"frozen_text": "text"}
    if base.text_encoder == base.image_encoder:  # both towers of one model share a space
        frozen |= FROZEN_TOGETHER
    return (
        VariantConfig(name="bm25", group="baseline", system="bm25", note="k1, b tuned on dev."),
        VariantConfig(
            name="bm25_dense",
            group="baseline",
            system="bm25_dense",
            note="BM25 and text-only, weight tuned on dev; its cost is the text-only tower's.",
        ),
        *(
            VariantConfig(
                name=name, group="baseline", system="frozen", mix=mix, note="Encoders as they come."
            )
            for name, mix in frozen.items()
        ),
        *trained,
        *scored,
    )


def loss_ablations(
    base: TrainConfig, extent: Extent, aligned: dict[str, Any]
) -> tuple[VariantConfig, ...]:
    """The reference with another loss, or with a plain network of its size."""
    wide = {"fusion": "concat_mlp", "fusion_hidden": matched_hidden(base, extent.text_width)}
    changes: dict[str, tuple[dict[str, Any], str]] = {
        "query_text_only": (
            {"loss": {"query_image": 0.0}, **aligned},
            "Stage 1 aligns queries with text alone.",
        ),
        "query_image_only": (
            {"loss": {"query_text": 0.0}, **aligned},
            "Stage 1 aligns queries with photos alone.",
        ),
        "no_modality_dropout": ({"loss": NO_DROPOUT}, "Nothing hidden, no photo swapped."),
        "no_masks": (
            {"loss": {"masks": False}},
            "A positive's group and a product's twins are negatives.",
        ),
        "plain_loss": ({"loss": {"form": "plain"}}, "All grades in one softmax."),
        "sigmoid_loss": ({"loss": {"form": "sigmoid"}}, "Each pair judged alone."),
        "sampling_correction": (
            {"loss": {"sampling_correction": True}},
            "Popular negatives weigh less.",
        ),
        "guide": ({"loss": {"guide_margin": 0.95}}, "Negatives near the positive are left out."),
        "matched_mlp": (
            {"model": wide},
            "Concatenation with as many weights as the reference.",
        ),
    }
    return tuple(
        VariantConfig(name=name, group="ablation", note=note, settings=settings)
        for name, (settings, note) in changes.items()
    )


def controls() -> tuple[VariantConfig, ...]:
    """What must not work, or must degrade, if the photo is what helps."""
    text_only = {"model": {"fusion": "text_only"}}
    short, none = "Ranked from three words of each title.", "Ranked from photos alone."
    return (
        VariantConfig(
            name="shuffled_photos",
            group="control",
            note="Trained and ranked with other products' photos.",
            train_change="shuffled_photos",
            test_change="shuffled_photos",
        ),
        VariantConfig(
            name="shuffled_in_ranking",
            group="control",
            note="Trained on the right photos, ranked with others'.",
            test_change="shuffled_photos",
        ),
        VariantConfig(
            name="text_twice",
            group="control",
            note="The text in the photo's place: fuse(t, t).",
            train_change="text_as_photo",
            test_change="text_as_photo",
        ),
        VariantConfig(name="three_words", group="control", note=short, test_change="three_words"),
        VariantConfig(
            name="text_only_three_words",
            group="control",
            note=short,
            settings=text_only,
            test_change="three_words",
        ),
        VariantConfig(name="no_text", group="control", note=none, test_change="no_text"),
    )


def matched_hidden(base: TrainConfig, text_width: int) -> int:
    """Hidden width at which a concatenation has as many weights as the reference's fusion.

    The text tower of a fusion that has its own, which reads `text_width` features, is counted too.
    """
    shape = base.model

    def size(name: str, hidden: int) -> int:
        fusion = make_fusion(name, shape.width, hidden, shape.dropout)
        parts = [fusion, Projection(text_width, shape)] if fusion.has_own_text else [fusion]
        return sum(p.numel() for part in parts for p in part.parameters())

    few, many = size("concat_mlp", 1), size("concat_mlp", 2)
    wanted = size(shape.fusion, shape.fusion_hidden or shape.hidden)
    return max(1, 1 + round((wanted - few) / (many - few)))


def default_falsifiers(reference: str, names: Collection[str]) -> tuple[Falsifier, ...]:
    """What would refute the method, for a study of variants of these names.

    Each is answered in the report whatever it shows.
    """
    pairs = (
        ("Seeing helps", "text_only"),
        ("The fusion beats concatenation", "concat_linear"),
        ("The fusion beats a concatenation of equal capacity", "matched_mlp"),
        ("A learned fusion beats one learned weight", "weighted"),
        ("A fused stage beats a tuned score fusion", "score_tuned"),
        ("Domain adaptation helps", "no_domain"),
        ("Training the encoders helps", "frozen_encoders"),
        ("Modality dropout helps", "no_modality_dropout"),
        ("Masks help", "no_masks"),
        ("The graded loss beats the plain one", "plain_loss"),
        ("It is the photo's content that helps", "shuffled_photos"),
        ("It is not the second tower's capacity that helps", "text_twice"),
    )
    shuffled = Falsifier(
        claim="Shuffled photos are worth nothing",
        better="shuffled_photos",
        worse="text_only",
        expect="not better",
        margin=SAME,
    )
    aligned, joint = reference, "no_separate"
    if TWO_STAGES in names:
        aligned, joint = TWO_STAGES, reference
    compared = [
        *((claim, reference, worse) for claim, worse in pairs if worse != reference),
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
    return (
        *(Falsifier(claim=claim, better=better, worse=worse) for claim, better, worse in compared),
        shuffled,
    )
