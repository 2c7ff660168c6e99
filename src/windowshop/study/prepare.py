"""Preparation of a study: variants, encoded features, judged queries, slices."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from windowshop.config import SINGLE, TrainConfig
from windowshop.data import Dataset, all_texts, held_out_notes, image_names_of
from windowshop.errors import ConfigError, DataError
from windowshop.evaluation import judged_slices, make_slices
from windowshop.model import needs_tokens
from windowshop.progress import Reporter
from windowshop.study.ablations import TrainingSize
from windowshop.study.config import (
    AUTO,
    StudyConfig,
    VariantConfig,
    base_training,
    reference_of,
    require_known,
    require_names,
    training_of,
)
from windowshop.study.controls import encode_cut_titles
from windowshop.study.default_variants import default_variants
from windowshop.study.seed import StudyData, stages_of
from windowshop.study.slices import OWN_SLICES, default_slices, with_slice_columns
from windowshop.study.systems import queries_of
from windowshop.training import open_cache, prepare, require_negatives, training_pairs, with_tokens


def prepare_study(
    dataset: Dataset, config: StudyConfig, folder: Path, cache_folder: Path, reporter: Reporter
) -> StudyData:
    """Encode the data and fix the variants; finished results will be kept in `folder`.

    Raises ConfigError for variants that cannot be run, DataError for data without judged queries.
    """
    base = base_training(config)
    _require_judgements(dataset, config)
    if config.variants:
        _require_possible(config, base, config.variants)
        config = replace(config, reference=reference_of(config, config.variants))
    cache = open_cache(base, cache_folder)
    notes: tuple[str, ...] = ()
    variants = config.variants
    if not variants:
        variants, notes = _defaults(config, base, dataset, cache.text.layout.pooled)
        config = replace(config, reference=variants[0].name)
    trained = [training_of(base, variant, config.seeds[0]) for variant in variants]
    stages = [stage for training in trained for stage in training.stages]
    prepared = token_data = prepare(dataset, base, cache, reporter, stages)
    read = [s for t in trained if needs_tokens(t.model.fusion) for s in t.stages]
    if read and not needs_tokens(base.model.fusion):
        token_data = with_tokens(prepared, base, read)
    test, dev = (queries_of(prepared, split, base.loss.label_weights) for split in ("test", "dev"))
    notes += held_out_notes(dataset, "test")
    lost = sum(not judged for judged in test.qrels.values())
    if lost:
        notes += (f"{lost} test queries have judgements of the log alone: see them by label set.",)
    if not dev.ids:
        reporter.note("No judged dev queries: weights and mixes are not tuned.")
    judged = dataset.qrels_of(dataset.split("test"))
    specs = tuple(dict.fromkeys((*default_slices(dataset), *config.slices)))
    study = StudyData(
        config=config,
        base=base,
        variants=variants,
        notes=notes,
        prepared=prepared,
        token_data=token_data,
        dev=dev,
        test=test,
        slices=judged_slices(with_slice_columns(prepared), judged, specs, min_values=2),
        folder=folder,
    )
    for variant in variants:
        if "three_words" in (variant.train_change, variant.test_change):
            encode_cut_titles(study.data_of(variant))  # so that no two workers encode them
    return study


def _require_judgements(dataset: Dataset, config: StudyConfig) -> None:
    """Raise DataError for missing judgements or slice columns, before anything is encoded."""
    if not dataset.kinds:
        raise DataError(f"{dataset.root}: no judgements to compare by. Add qrels.")
    test = dataset.split("test")
    if test.is_empty():
        raise DataError(
            f"{dataset.root}: no judged test query to compare by. Add qrels for queries of "
            "split=test."
        )
    for spec in config.slices:
        if not set(OWN_SLICES).intersection(column.strip() for column in spec.split("+")):
            make_slices(dataset, dataset.qrels_of(test), spec)


def _defaults(
    config: StudyConfig, base: TrainConfig, dataset: Dataset, text_width: int
) -> tuple[tuple[VariantConfig, ...], tuple[str, ...]]:
    """Return the default study's variants, the reference first, and notes of those left out.

    Variants that the base makes impossible are left out. Raises ConfigError where the study names a
    variant that is not among them.
    """
    if base.model.fusion in SINGLE:
        raise ConfigError(
            f"base: model.fusion={base.model.fusion} reads one modality, which the default study "
            "has as a baseline. Choose a fusion of both, or list the variants."
        )
    size = TrainingSize(
        num_products=_num_seen(dataset.products),
        num_queries=len(training_pairs(dataset, base.loss)),
        text_width=text_width,
        budget=config.budget,
    )
    (reference, *others), notes = default_variants(base, size)
    every = [variant.name for variant in (reference, *others)]
    require_known([("only", name) for name in config.only], every)
    possible = [reference]
    for variant in others:
        if config.only and variant.name not in config.only:
            continue
        try:
            stages_of(base, variant, config.seeds[0])
        except ConfigError as error:
            notes += (f"Left out: {error}",)
        else:
            possible.append(variant)
    require_names(config, possible)
    if config.reference not in (AUTO, reference.name):
        raise ConfigError(
            f"reference: the default study changes one thing at a time of {reference.name}, found "
            f"{config.reference!r}. Set base: {{model: {{fusion: {config.reference}}}}}, or list "
            "the variants."
        )
    _require_possible(config, base, possible)
    return tuple(possible), notes


def _num_seen(products: pl.DataFrame) -> int:
    """Count the products with a text and an image, which may be broken."""
    images, owner = image_names_of(products)
    seen = set(owner[[image is not None for image in images]].tolist())
    return sum(bool(text) and row in seen for row, text in enumerate(all_texts(products)))


def _require_possible(
    config: StudyConfig, base: TrainConfig, variants: Sequence[VariantConfig]
) -> None:
    """Raise ConfigError for variants that cannot be run."""
    for variant in variants:
        require_negatives(stages_of(base, variant, config.seeds[0]))
        two_models = base.text_encoder != base.image_encoder
        if two_models and variant.system == "frozen" and variant.mix != "text":
            raise ConfigError(
                f"variant {variant.name}: system=frozen with mix={variant.mix} needs one model "
                f"for text and images, found {base.text_encoder} and {base.image_encoder}. "
                "Choose mix=text, or a CLIP or SigLIP model for both."
            )
