"""Choose search settings on judged dev queries.

Every channel searches once a query; all trials are computed from its results.

Shapes: C channels.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from windowshop.data import Dataset, Visits, lexical_texts, synthetic_note
from windowshop.engines import count_terms
from windowshop.errors import DataError
from windowshop.evaluation import BM25Choice, GradedQrels, choose_bm25
from windowshop.progress import Reporter
from windowshop.registry import CHANNELS
from windowshop.search.classifier.model import Classifier
from windowshop.search.retrieval.channel import TextChannel, channel
from windowshop.search.retrieval.config import MergeConfig
from windowshop.search.searcher import Searcher
from windowshop.search.settings import SearchSettings
from windowshop.search.tuning.certainty import CertaintyChoice, fit_certainty
from windowshop.search.tuning.config import TuneConfig
from windowshop.search.tuning.cutoffs import CutChoice, choose_cut
from windowshop.search.tuning.inferring import InferenceTuning, tune_classifier
from windowshop.search.tuning.judgements import ALL, Judgements, judgements
from windowshop.search.tuning.probes import JudgedQuery, probe
from windowshop.search.tuning.ranker import RankerTuning, tune_ranker
from windowshop.search.tuning.scoring import SliceRow, TrialScore, TrialScorer
from windowshop.search.tuning.trials import (
    FACTORS,
    Trial,
    mixed_trials,
    ranges,
    single_trials,
    with_boosts,
)
from windowshop.search.understanding.recognition import Action, PrecisionConfig

DIGITS = 9
"""Digits to which nDCG is compared."""
KINDS = ("text", "photo", "text_and_photo")
"""Kinds of queries that are tuned, each with a field of `SearchSettings`."""
DEFAULT_SLICE = "kind"
"""The column of the queries that is a slice where none is named."""


@dataclass(frozen=True, slots=True)
class KindTuning:
    """The choice for one kind of query."""

    kind: str
    names: tuple[str, ...]
    num_queries: int
    tried: tuple[TrialScore, ...]
    """Best first."""
    chosen: TrialScore
    num_refused: int
    """Better trials by which a slice loses."""
    ignored: tuple[str, ...]
    """Columns without effect where a query names them."""
    slices: tuple[SliceRow, ...]
    why: str
    merging: MergeConfig
    cut: CutChoice | None
    """None without curves."""
    bm25: BM25Choice | None = None
    """Parameters of the words channel, chosen first; None where other queries chose them."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """Chosen settings."""

    settings: SearchSettings
    kinds: tuple[KindTuning, ...]
    notes: tuple[str, ...]
    certainty: CertaintyChoice | None = None
    """None where the settings stay."""
    inferring: InferenceTuning | None = None
    """The classifier, and what it may do; None where none is trained."""
    ranker: RankerTuning | None = None
    """None where none was fitted; a note says why."""

    @property
    def classifier(self) -> Classifier | None:
        """Return the classifier that was trained; None where none was."""
        return self.inferring.classifier if self.inferring else None


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of query with the options to choose from."""

    name: str
    channels: tuple[str, ...]
    queries: tuple[JudgedQuery, ...]
    strongests: tuple[Action, ...]
    factors: tuple[float, ...]
    chooses_columns: bool
    """Columns may be ignored."""


def tune(
    searcher: Searcher,
    dataset: Dataset,
    config: TuneConfig,
    reporter: Reporter,
    visits: Visits | None = None,
) -> Tuning:
    """Choose settings for each kind of query that the split has, from those of the searcher.

    `visits` are those of the shop's log, for the ranker. Raises DataError where no query of the
    split is judged.
    """
    with searcher.state() as state:
        columns = state.view.columns
        ids = dataset.products["product_id"].to_list()
        held = [product_id for product_id in ids if product_id in columns]
        keys = dict(zip(held, columns.keys(held).tolist(), strict=True))
    slices = config.slices
    if not slices and DEFAULT_SLICE in dataset.queries.columns:
        slices = (DEFAULT_SLICE,)
    judged = judgements(dataset, config.split, slices, keys)
    notes = [*synthetic_note(dataset.split(config.split), config.split)]
    if len(held) < len(ids):
        notes.append(f"{len(ids) - len(held)} products of the data are not in the index.")
    tuning = Tuning(searcher.settings, (), tuple(notes))
    if config.settings:
        tuning = _with_settings(tuning, searcher, dataset, config, judged, reporter)
    served = searcher.with_settings(tuning.settings, tuning.classifier)
    ranker, note = tune_ranker(served, dataset, judged, keys, config, visits, reporter)
    return replace(tuning, ranker=ranker, notes=(*tuning.notes, *([note] if note else [])))


def _with_settings(
    tuning: Tuning,
    searcher: Searcher,
    dataset: Dataset,
    config: TuneConfig,
    judged: Judgements,
    reporter: Reporter,
) -> Tuning:
    """Choose everything but the ranker."""
    settings, kinds, notes = tuning.settings, [], [*tuning.notes]
    if searcher.index.manifest.image_width is None:
        notes.append("The model looks at no product image, so searches by image are left as is.")
    for name in KINDS:
        kind = _kind(name, judged, settings, searcher, config)
        if not kind.queries:
            notes.append(f"No judged {config.split} query of kind {name}: its settings stay.")
        if not kind.queries or len(kind.channels) < 2:
            continue
        bm25 = None
        if kind.name == "text":
            bm25 = _choose_bm25(searcher, kind.queries, judged.graded)
            searcher.use_bm25(bm25.config)
        tuned = _tune_kind(searcher, kind, settings.precision, judged, config, reporter)
        tuned = replace(tuned, bm25=bm25)
        kinds.append(tuned)
        settings = _with(settings, tuned)
    if not kinds:
        raise DataError(f"{dataset.root}: no {config.split} query can be tuned on. Add queries.")
    tuning = Tuning(settings, tuple(kinds), tuple(notes))
    if config.classifier:
        tuning = _with_classifier(tuning, searcher, dataset, config.split, judged, reporter)
    return _with_certainty(tuning, searcher, judged, config.max_told, reporter)


def _with_classifier(
    tuning: Tuning,
    searcher: Searcher,
    dataset: Dataset,
    split: str,
    judged: Judgements,
    reporter: Reporter,
) -> Tuning:
    own = searcher.with_settings(tuning.settings)
    found = tune_classifier(own, dataset, split, judged, reporter)
    if found is None:
        return tuning
    settings = replace(tuning.settings, classifier=found.config)
    return replace(tuning, settings=settings, inferring=found)


def _with_certainty(
    tuning: Tuning, searcher: Searcher, judged: Judgements, max_told: float, reporter: Reporter
) -> Tuning:
    own = searcher.with_settings(tuning.settings, tuning.classifier)
    texts = [query.text for query in judged.queries if query.text and query.image is None]
    found = fit_certainty(own, texts, max_told, reporter)
    if found is None:
        note = "The catalogue has too many trades to fit what cannot be found."
        return replace(tuning, notes=(*tuning.notes, note))
    return replace(
        tuning, settings=replace(tuning.settings, certainty=found.config), certainty=found
    )


def _kind(
    name: str,
    judged: Judgements,
    settings: SearchSettings,
    searcher: Searcher,
    config: TuneConfig,
) -> _Kind:
    wants = (name != "photo", name != "text")
    queries = [q for q in judged.queries if (q.text is not None, q.image is not None) == wants]
    if len(queries) > config.max_queries:
        chosen = np.random.default_rng(0).permutation(len(queries))[: config.max_queries]
        queries = [queries[i] for i in np.sort(chosen)]
    held = searcher.index.collection.spec.vectors
    # What is recognised may do as much in a text with an image as it may in a text.
    strongests: tuple[Action, ...] = ("boost", "filter")
    factors: tuple[float, ...] = FACTORS
    if name == "text_and_photo":
        strongests = () if settings.strongest == "off" else (settings.strongest,)
        factors = (settings.precision.boost,)
    return _Kind(name, channels_of(name, held), tuple(queries), strongests, factors, name == "text")


def channels_of(kind: str, held: Collection[str]) -> tuple[str, ...]:
    """Return the channels that can search for a kind of query, given the vectors of the index.

    The others are weighed against the first one: for images, the one that reads nothing else.
    """
    names = [
        name
        for name in CHANNELS
        if isinstance(found := channel(name), TextChannel) or found.vector in held
    ]
    if kind == "text":
        return tuple(name for name in names if channel(name).reads_text)
    if kind == "photo":
        names = [name for name in names if channel(name).reads_image]
        names.sort(key=lambda name: channel(name).reads_text)
    return tuple(names)


def _choose_bm25(
    searcher: Searcher, queries: Sequence[JudgedQuery], graded: GradedQrels
) -> BM25Choice:
    """Choose the parameters of the words channel, before it is merged with others."""
    with searcher.state() as state:
        products = state.view.columns.living().table
    counts, ids = count_terms(lexical_texts(products)), products["product_id"].to_list()
    texts = {query.query_id: query.text for query in queries if query.text is not None}
    return choose_bm25(counts, ids, texts, graded.qrels, graded.threshold)


def _with(settings: SearchSettings, tuned: KindTuning) -> SearchSettings:
    if tuned.kind == "photo":
        return replace(settings, photo=tuned.merging)
    if tuned.kind == "text_and_photo":
        return replace(settings, text_and_photo=tuned.merging)
    trial = tuned.chosen.trial
    precision = replace(settings.precision, boost=trial.boost.factor)
    return replace(
        settings,
        text=tuned.merging,
        strongest=trial.strongest,
        precision=precision,
        bm25=tuned.bm25.config if tuned.bm25 else settings.bm25,
    )


def _tune_kind(
    searcher: Searcher,
    kind: _Kind,
    precision: PrecisionConfig,
    judged: Judgements,
    config: TuneConfig,
    reporter: Reporter,
    ignored: tuple[str, ...] = (),
) -> KindTuning:
    recognising = precision.ignoring(ignored)
    probes = probe(searcher, kind.queries, kind.channels, recognising, reporter)
    scorer = TrialScorer(probes, kind.channels, judged.parts[ALL])
    ranked = _ranked(scorer, kind, reporter)
    if kind.chooses_columns:
        boosting = next((t.trial for t in ranked if t.trial.strongest == "boost"), None)
        harmful = scorer.ignored(boosting) if boosting else ()
        if harmful:
            again = replace(kind, chooses_columns=False)
            return _tune_kind(searcher, again, precision, judged, config, reporter, harmful)
    chosen, rows, refused = _choose(scorer, ranked, judged, config)
    merging, cut = chosen.trial.merging(kind.channels, scorer.curves), None
    if scorer.curves:
        cut = choose_cut(scorer, chosen.trial, config.max_lost, merging.cutoff)
        merging = replace(merging, cutoff=cut.cutoff)
    merging = replace(merging, ignored=ignored)
    return KindTuning(
        kind=kind.name,
        names=kind.channels,
        num_queries=len(probes),
        tried=ranked,
        chosen=chosen,
        num_refused=refused,
        ignored=ignored,
        slices=rows,
        why=_why(kind, ranked, chosen, refused),
        merging=merging,
        cut=cut,
    )


def _ranked(scorer: TrialScorer, kind: _Kind, reporter: Reporter) -> tuple[TrialScore, ...]:
    """Score every trial; returns the best first."""
    families = _families(scorer, kind)
    tried: list[TrialScore] = []
    with reporter.bar(f"Try settings: {kind.name}", len(families)) as advance:
        for family in families:
            tried += scorer.means(family, scorer.judge)
            advance(1, "")
    order = sorted(range(len(tried)), key=lambda i: _worth(tried[i], i))
    return tuple(tried[i] for i in order)


def _worth(tried: TrialScore, place: int) -> tuple[float, float, int]:
    """Return the sort key: nDCG, then Recall, then the simpler trial."""
    return -round(tried.ndcg, DIGITS), -round(float(np.nan_to_num(tried.recall)), DIGITS), place


def _families(scorer: TrialScorer, kind: _Kind) -> list[list[Trial]]:
    """Return trials in groups that differ only in the use of recognised items."""
    ranges_C = ranges(scorer.probes, len(kind.channels))
    bases = [
        *single_trials(len(kind.channels)),
        *mixed_trials(ranges_C, with_curves=bool(scorer.curves)),
    ]
    names_something = any(len(probe.found["boost"].matched_RK) for probe in scorer.probes)
    strongests = kind.strongests if names_something else ()
    return [with_boosts(base, ranges_C, strongests, kind.factors) for base in bases]


def _choose(
    scorer: TrialScorer, ranked: tuple[TrialScore, ...], judged: Judgements, config: TuneConfig
) -> tuple[TrialScore, tuple[SliceRow, ...], int]:
    """Return the chosen trial, its slices, and the number of refused ones.

    The best trial wins, unless dev cannot tell the best of a simpler sort from it; trials
    by which a slice loses come last. Returns the best of all where each is refused.
    """
    parts = {name: judge for name, judge in judged.parts.items() if name != ALL}
    for refused, tried in enumerate(_simplest_first(ranked)):
        rows = scorer.slice_rows(tried.trial, parts)
        losing = [
            row
            for row in rows
            if row.num_queries >= config.min_slice_queries and row.loss > config.max_slice_loss
        ]
        if not config.guard or not losing:
            return tried, rows, refused
    return ranked[0], scorer.slice_rows(ranked[0].trial, parts), len(ranked)


def _simplest_first(ranked: tuple[TrialScore, ...]) -> list[TrialScore]:
    """Put the best trials of simpler sorts first that dev cannot tell from the best of all."""
    best: dict[int, TrialScore] = {}
    for tried in ranked:
        best.setdefault(tried.trial.complexity, tried)
    simpler = [best[sort] for sort in sorted(best) if not ranked[0].is_above(best[sort])]
    return [*simpler, *(tried for tried in ranked if not any(tried is one for one in simpler))]


def _why(kind: _Kind, ranked: tuple[TrialScore, ...], chosen: TrialScore, refused: int) -> str:
    single = next(tried for tried in ranked if tried.trial.is_single)
    name = single.trial.describe(kind.channels)
    if refused == len(ranked):
        return "each setting loses on a slice; this one is the best over all queries"
    if chosen is not ranked[0] and not refused:
        best = ranked[0].trial.describe(kind.channels)
        return f"the simplest that dev cannot tell from {best} ({ranked[0].ndcg:.4f})"
    if chosen.trial.is_single:
        text = "no mix does better than this channel"
    else:
        text = f"nDCG@10 {chosen.ndcg - single.ndcg:+.4f} against the best single one ({name})"
    return text + (f"; {refused} better settings lose on a slice" if refused else "")
