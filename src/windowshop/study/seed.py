"""Variants of a study with one seed: trained, ranked, scored and kept on disk."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from windowshop._version import __version__
from windowshop.config import TrainConfig
from windowshop.encoders import MODALITIES
from windowshop.errors import ConfigError
from windowshop.evaluation import (
    DEPTH,
    Diagnostics,
    GradedQrels,
    TunedBM25,
    never_retrieved,
    score_slices,
    scores_table,
)
from windowshop.files import file_hash
from windowshop.model import TwoTower, needs_tokens
from windowshop.settings import to_dict
from windowshop.study.config import LEXICAL, TRAINED, StudyConfig, VariantConfig, training_of
from windowshop.study.controls import apply_change
from windowshop.study.report.insights import diagnose
from windowshop.study.results import (
    SEED_FORMAT,
    UNRETRIEVED_SCHEMA,
    SeedResult,
    load_seed,
    save_seed,
)
from windowshop.study.systems import (
    Queries,
    Run,
    frozen_run,
    interpolated_run,
    lexical_ranker,
    product_ids,
    score_fusion_run,
    trained_run,
)
from windowshop.study.training import Trained, digest, shared_stages, train_variant
from windowshop.training import PreparedData

FIXED_SYSTEMS = ("bm25", "frozen")
"""Systems without randomness."""
LEXICAL_FORMAT = "bm25-2"
"""Changed with the rankings of BM25, so that kept ones of before are made again."""
FEATURES_SUFFIX = ".features"
"""Suffix of an empty file, named for a folder of features that is deleted with the weights."""


@dataclass(frozen=True, slots=True)
class StudyData:
    """Data and settings that all variants and seeds share."""

    config: StudyConfig
    base: TrainConfig
    variants: tuple[VariantConfig, ...]
    notes: tuple[str, ...]
    """Variants left out with the reason, and remarks on the test queries."""
    prepared: PreparedData
    token_data: PreparedData
    """Data with token features, for fusions that read them; else equal to `prepared`."""
    dev: Queries
    test: Queries
    slices: dict[str, GradedQrels]
    """Test judgements of every slice, "all" first."""
    folder: Path
    """Folder of finished results and unfinished weights."""

    def variant(self, name: str) -> VariantConfig | None:
        """Return the variant of that name, if the study has it."""
        return next((variant for variant in self.variants if variant.name == name), None)

    def data_of(self, variant: VariantConfig) -> PreparedData:
        """Return the data with the features that a variant's fusion reads."""
        fusion = training_of(self.base, variant, self.config.seeds[0]).model.fusion
        return self.token_data if needs_tokens(fusion) else self.prepared


class SeedRuns:
    """Runs of a study's variants with one seed; weights stay on disk until `clear`."""

    def __init__(self, study: StudyData, seed: int) -> None:
        self.seed = seed
        self._study = study
        self._weights = study.folder / f"weights-{seed}"
        self._text_only_run: Run | None = None
        self._latest: tuple[VariantConfig, Trained] | None = None
        self._lexical: TunedBM25 | None = None
        self._data = _data_key(study.prepared)

    def result(self, variant: VariantConfig) -> SeedResult:
        """Return a variant's scores, from the disk if an earlier run left them."""
        kept = self.kept(variant)
        if kept is not None:
            return kept
        study, run = self._study, self.run(variant)
        diagnostics = self._diagnostics(variant, run)
        trained = self._trained_for(variant)
        asked = {query_id: run.get(query_id, {}) for query_id in study.test.ids}
        ids = product_ids(study.prepared)
        result = SeedResult(
            seed=self.seed,
            seconds=trained.state.seconds if trained else 0.0,
            memory_mb=trained.memory_mb if trained else None,
            parameters=_num_parameters(variant, trained.model) if trained else 0,
            dev_score=self._dev_score(variant, trained),
            per_query=scores_table(score_slices(run, study.slices)),
            unretrieved=pl.DataFrame(
                {"product_id": never_retrieved(asked, ids, DEPTH)}, UNRETRIEVED_SCHEMA
            ),
            history=tuple(trained.state.history) if trained and variant.system in TRAINED else (),
            diagnostics=diagnostics,
            bm25=self._bm25().choice if variant.system in LEXICAL else None,
        )
        save_seed(study.folder, variant.name, result, self.fingerprint(variant))
        return result

    def kept(self, variant: VariantConfig) -> SeedResult | None:
        """Return the scores that an earlier run left on the disk, if any."""
        study, fingerprint = self._study, self.fingerprint(variant)
        return load_seed(study.folder, variant.name, self.seed, fingerprint)

    def run(self, variant: VariantConfig) -> Run:
        """Rank the test queries with a variant; the text-only ranking is kept in memory."""
        if variant.name != self._study.config.text_only:
            return self._rank(variant)
        if self._text_only_run is None:
            self._text_only_run = self._rank(variant)
        return self._text_only_run

    def trained(self, variant: VariantConfig) -> Trained | None:
        """Return a variant's towers; None for an untrained system. The latest stay in memory."""
        if variant.system not in TRAINED:
            return None
        if self._latest is None or self._latest[0] != variant:
            self._latest = None  # no memory of it while the next is trained
            self._latest = variant, self._train(variant)
        return self._latest[1]

    def _train(self, variant: VariantConfig) -> Trained:
        config = stages_of(self._study.base, variant, self.seed)
        prepared = apply_change(self._study.data_of(variant), variant.train_change, self.seed)
        key = digest(__version__, self._data, _table_hash(config), variant.train_change)
        trained = train_variant(prepared, config, key, self._weights)
        for modality in MODALITIES:
            own, before = (found.cache.place(modality) for found in (trained.prepared, prepared))
            tuned = any(getattr(stage.fine_tuning, modality) != "frozen" for stage in config.stages)
            if own != before and tuned:
                (self._weights / f"{own.name}{FEATURES_SUFFIX}").touch()
        return trained

    def _trained_for(self, variant: VariantConfig) -> Trained | None:
        """Return the towers whose cost counts: the variant's own, or those BM25 is mixed with."""
        lexical = variant.system == "bm25_dense"
        return self.trained(_text_only(self._study) if lexical else variant)

    def _diagnostics(self, variant: VariantConfig, run: Run) -> Diagnostics | None:
        study, trained = self._study, self.trained(variant)
        if trained is None or variant.system != "trained":
            return None
        text_only = study.variant(study.config.text_only)
        baseline = None if text_only is None else self.run(text_only)
        return diagnose(self.shown(variant), trained.model, run, baseline, study.test)

    def shown(self, variant: VariantConfig) -> PreparedData:
        """Return the data that the variant ranks."""
        prepared, trained = self._study.data_of(variant), self.trained(variant)
        if trained is not None and trained.prepared.cache is not prepared.cache:
            prepared = trained.prepared  # it trained encoders of its own
        return apply_change(prepared, variant.test_change, self.seed)

    def clear(self) -> None:
        """Delete the seed's weights, and the features of encoders that were trained with it."""
        self._latest = None
        for note in self._weights.glob(f"*{FEATURES_SUFFIX}"):
            shutil.rmtree(self._study.prepared.cache.folder / note.stem, ignore_errors=True)
        shutil.rmtree(self._weights, ignore_errors=True)

    def _rank(self, variant: VariantConfig) -> Run:
        study, prepared = self._study, self.shown(variant)
        if variant.system == "bm25":
            return self._bm25().run(study.test.texts)
        if variant.system == "frozen":
            return frozen_run(prepared, variant.mix, study.dev, study.test)
        if variant.system == "bm25_dense":
            return self._lexical_and_dense()
        trained = self.trained(variant)
        assert trained is not None
        if variant.system == "score_fusion":
            return score_fusion_run(prepared, trained.model, variant.mix, study.dev, study.test)
        return trained_run(prepared, trained.model, study.test)

    def _lexical_and_dense(self) -> Run:
        study, text_only = self._study, _text_only(self._study)
        dense, prepared = self.trained(text_only), self.shown(text_only)
        assert dense is not None
        both = [trained_run(prepared, dense.model, part) for part in (study.dev, study.test)]
        lexical = self._bm25().run({**study.dev.texts, **study.test.texts})
        return interpolated_run(lexical, {**both[0], **both[1]}, study.dev, study.test)

    def _bm25(self) -> TunedBM25:
        if self._lexical is None:
            self._lexical = lexical_ranker(self._study.prepared, self._study.dev)
        return self._lexical

    def _dev_score(self, variant: VariantConfig, trained: Trained | None) -> float | None:
        prepared = self.shown(variant)
        if trained is None or prepared.dev_scorer is None or variant.system != "trained":
            return None
        return prepared.dev_scorer(trained.model)["score"]

    def fingerprint(self, variant: VariantConfig) -> str:
        """Return a digest of all that a variant's result depends on, except the seed."""
        study = self._study
        beside = study.variant(study.config.text_only)  # which matches are exclusive
        sources = [
            (to_dict(item), _table_hash(training_of(study.base, item, self.seed)))
            for item in (variant, beside)
            if item is not None
        ]
        slices, data = list(study.slices), _data_key(study.data_of(variant))
        lexical = (LEXICAL_FORMAT,) if variant.system in LEXICAL else ()
        parts = (SEED_FORMAT, __version__, data, to_dict(study.base), sources, slices)
        return digest(*parts, *lexical)


def _data_key(prepared: PreparedData) -> str:
    """Return a digest of the data and its encoders."""
    cache = prepared.cache
    return digest(prepared.hashes, cache.text.fingerprint, cache.image.fingerprint)


def _table_hash(config: TrainConfig) -> str:
    """Return the hash of the shop's own table of negatives, if there is one."""
    return file_hash(Path(config.negatives_file)) if config.negatives_file else ""


def stages_of(base: TrainConfig, variant: VariantConfig, seed: int) -> TrainConfig:
    """Return a variant's training; that of a score fusion ends before the fused stage."""
    config = training_of(base, variant, seed)
    where = f"variant {variant.name}"
    if variant.system == "score_fusion":
        stages = config.stages[: shared_stages(config)]
        if not stages:
            raise ConfigError(
                f"{where}: system=score_fusion mixes what stages before the fused one align, and "
                "there are none. Add the separate stage, or leave the variant out."
            )
        config = replace(config, stages=stages)
    if variant.train_change != "none" and config.trains_encoders:
        raise ConfigError(
            f"{where}: train_change={variant.train_change} changes cached features, which a stage "
            "that trains encoders does not read. Choose one of them."
        )
    return config


def trains_encoders(base: TrainConfig, seed: int, variant: VariantConfig) -> bool:
    """Return whether a variant trains encoders, which takes far longer than towers alone."""
    return variant.system in TRAINED and stages_of(base, variant, seed).trains_encoders


def _text_only(study: StudyData) -> VariantConfig:
    """Return the study's text-only variant, or the plain one where it has none."""
    plain = VariantConfig(
        name="text_only", group="baseline", settings={"model": {"fusion": "text_only"}}
    )
    return study.variant(study.config.text_only) or plain


def _num_parameters(variant: VariantConfig, model: TwoTower) -> int:
    """Count the weights that queries and products of this variant go through."""
    unused = [] if model.fusion.uses_image else [model.image, model.photo_query]
    if variant.system == "score_fusion":
        unused = [model.fusion]
    count = sum(p.numel() for p in model.parameters())
    return count - sum(p.numel() for module in unused for p in module.parameters())
