"""Study results -> tables of text, which the markdown report and the page both show."""

from collections.abc import Iterable
from dataclasses import dataclass

from windowshop.evaluation import LABELS, MEASURES, Diagnostics, Estimate
from windowshop.study.report.comparison import (
    LABEL_MEASURES,
    SLICE_MEASURES,
    SeedMean,
    SliceMean,
    Summary,
    Tested,
    Verdict,
)
from windowshop.study.results import UNRETRIEVED_FILE, StudyResults, VariantResult

NONE = "–"
MAIN_MEASURE = "ndcg@10"
MAIN_MEASURES = ("ndcg@10", "ndcg@1", "recall@10", "recall@100", "mrr@10")
SPACES = ("text", "image", "fused")
MATCHES = ("gained", "lost", "shared", "relevant")
Part = tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """One table; the first `num_words` columns are words, the others figures."""

    title: str
    note: str
    head: Part
    rows: tuple[Part, ...]
    num_words: int = 1
    marked: int | None = None
    """Row of the reference."""


def all_tables(results: StudyResults, summary: Summary) -> list[Table]:
    """Every table of the report in reading order; those without rows are left out."""
    tables = [
        main_table(results, summary),
        difference_table(results, summary),
        label_table(results, summary),
        *(slice_table(results, summary, measure) for measure in SLICE_MEASURES),
        geometry_table(results),
        gate_table(results),
        match_table(results),
        unretrieved_table(results),
    ]
    return [table for table in tables if table.rows]


def main_table(results: StudyResults, summary: Summary) -> Table:
    """Quality, its difference to the reference on nDCG@10, and cost."""
    rows = [_main_row(variant, summary) for variant in results.variants]
    gain = f"Δ {measure_label(MAIN_MEASURE)}"
    cost = ("seconds", "MB", "parameters")
    return Table(
        title="All variants",
        note=(
            "± half of the 95% t interval over seeds. Δ is the variant minus "
            f"{results.reference} with its 95% bootstrap interval, paired by query after averaging "
            f"seeds; p from {summary.num_permutations:,} random sign flips, two-sided, Holm "
            "corrected over the variants; W/T/L counts queries. Seconds of training and trained "
            "parameters are means over seeds. Memory is the peak of the whole process in training, "
            "the catalogue's features and what is left of earlier variants included, so the least "
            "of the seeds."
        ),
        head=(
            "variant",
            "group",
            "n",
            *(measure_label(m) for m in MAIN_MEASURES),
            gain,
            "p",
            "W/T/L",
        )
        + cost,
        rows=tuple(rows),
        num_words=2,
        marked=[variant.name for variant in results.variants].index(results.reference),
    )


def difference_table(results: StudyResults, summary: Summary) -> Table:
    """The difference to the reference on every measure."""
    rows = [
        (
            variant.name,
            *(_gain_and_p(summary.tests[variant.name].get(measure)) for measure in MEASURES),
        )
        for variant in results.variants
        if variant.name in summary.tests
    ]
    return Table(
        title=f"Difference to {results.reference}",
        note="Variant minus reference, 95% bootstrap interval, and Holm-corrected p.",
        head=("variant", *(measure_label(measure) for measure in MEASURES)),
        rows=tuple(rows),
    )


def label_table(results: StudyResults, summary: Summary) -> Table:
    """The measures of each label set, where the data has two."""
    sizes: dict[tuple[str, str], int] = {}
    for by_slice in summary.slices.values():
        for part, means in by_slice.items():
            for measure in LABEL_MEASURES if part.startswith(LABELS) else ():
                if measure in means:
                    count = means[measure].num_queries
                    sizes[part, measure] = max(sizes.get((part, measure), 0), count)
    rows = [
        (
            variant.name,
            *(_slice_cell(summary.slices[variant.name][p].get(measure)) for p, measure in sizes),
        )
        for variant in results.variants
        if sizes
    ]
    return Table(
        title="By label set",
        note=(
            "Each label set by itself, with its own lowest relevant grade; all other tables are of "
            "the judgements of relevance, if the test queries have any. ▲ above and ▼ below "
            f"{results.reference}: the paired 95% interval excludes 0, not corrected. n counts "
            "queries."
        ),
        head=(
            "variant",
            *(
                f"{part.removeprefix(LABELS)}, {measure_label(measure)} (n={count})"
                for (part, measure), count in sizes.items()
            ),
        ),
        rows=tuple(rows),
        marked=[v.name for v in results.variants].index(results.reference) if sizes else None,
    )


def slice_table(results: StudyResults, summary: Summary, measure: str) -> Table:
    """One measure by slice; slices without a query that it is defined for are left out."""
    sizes: dict[str, int] = {}
    for by_slice in summary.slices.values():
        for part, means in by_slice.items():
            if measure in means and not part.startswith(LABELS):
                sizes[part] = max(sizes.get(part, 0), means[measure].num_queries)
    rows = [
        (
            variant.name,
            *(_slice_cell(summary.slices[variant.name][part].get(measure)) for part in sizes),
        )
        for variant in results.variants
        if sizes
    ]
    return Table(
        title=f"{measure_label(measure)} by slice",
        note=(
            f"▲ above and ▼ below {results.reference}: the paired 95% interval excludes 0, not "
            "corrected for the number of slices. n counts queries."
        ),
        head=("variant", *(f"{part} (n={count})" for part, count in sizes.items())),
        rows=tuple(rows),
        marked=[v.name for v in results.variants].index(results.reference) if sizes else None,
    )


def geometry_table(results: StudyResults) -> Table:
    """Modality gap and uniformity of the variants that have vectors."""
    rows = []
    for variant, found in _diagnosed(results):
        gap = _mean(d.modality_gap for d in found)
        spread = [_mean((d.uniformity or {}).get(name) for d in found) for name in SPACES]
        if any(value is not None for value in (gap, *spread)):
            cells = [NONE if v is None else f"{v:.2f}" for v in (gap, *spread)]
            rows.append((variant.name, *cells))
    return Table(
        title="Geometry of the vectors",
        note=(
            "Gap: distance between the centroids of text and photo vectors (arXiv:2203.02053). "
            "Uniformity: log E exp(-2 ||x - y||²), lower is more uniform (arXiv:2005.10242)."
        ),
        head=("variant", "gap", *(f"uniformity, {name}" for name in SPACES)),
        rows=tuple(rows),
    )


def gate_table(results: StudyResults) -> Table:
    """The reference's mean expert weights by top-level category."""
    rows = [
        (category, str(count), *(f"{weight:.2f}" for weight in weights))
        for category, count, weights in gate_means(results)
    ]
    return Table(
        title=f"Gate weights of {results.reference}",
        note="Means over products with text and photo, by top-level category.",
        head=("category", "products", "text", "both", "photo"),
        rows=tuple(rows),
    )


def gate_means(results: StudyResults) -> list[tuple[str, int, tuple[float, float, float]]]:
    """Category, products and mean weights (text, both, photo) of the reference over its seeds."""
    found = [seed.diagnostics for seed in results.variant(results.reference).seeds]
    by_category: dict[str, list[tuple[float, float, float]]] = {}
    counts = {}
    for diagnostics in found:
        for row in diagnostics.gates if diagnostics else ():
            by_category.setdefault(row.category, []).append((row.text, row.both, row.image))
            counts[row.category] = row.num_products
    return [
        (category, counts[category], _column_means(weights))
        for category, weights in by_category.items()
    ]


def match_table(results: StudyResults) -> Table:
    """Relevant products that only the variant, or only text-only, has in its first products."""
    diagnosed = _diagnosed(results)
    depths = sorted({match.depth for _, found in diagnosed for d in found for match in d.exclusive})
    rows = []
    for variant, found in diagnosed:
        cells = []
        for depth in depths:
            matches = [m for d in found for m in d.exclusive if m.depth == depth]
            cells += [_count(_mean(getattr(m, name) for m in matches)) for name in MATCHES]
        if set(cells) - {NONE}:
            rows.append((variant.name, *cells))
    return Table(
        title="Exclusive matches against text-only",
        note=(
            "Relevant products in the first k: gained are found by the variant and missed by "
            "text-only, lost the reverse, shared found by both. Means over seeds."
        ),
        head=("variant", *(f"{name}, k={depth}" for depth in depths for name in MATCHES)),
        rows=tuple(rows),
    )


def unretrieved_table(results: StudyResults) -> Table:
    """Share of products that no query retrieves, by part of the catalogue."""
    keys: dict[tuple[str, int], int] = {}
    for _, found in _diagnosed(results):
        keys |= {(row.part, row.depth): row.num_products for d in found for row in d.unretrieved}
    rows = []
    for variant, found in _diagnosed(results):
        cells = []
        for part, depth in keys:
            missed = [r for d in found for r in d.unretrieved if (r.part, r.depth) == (part, depth)]
            share = _mean(row.share for row in missed)
            count = _mean(row.count for row in missed)
            cells.append(NONE if share is None else f"{_count(count)} ({share:.1%})")
        if set(cells) - {NONE}:
            rows.append((variant.name, *cells))
    return Table(
        title="Products that no query retrieves",
        note=(
            "Products in no query's first k, and their share of the part; means over seeds. "
            f"{UNRETRIEVED_FILE} beside the report names those of every variant and seed."
        ),
        head=("variant", *(f"{p}, k={k} (of {size:,})" for (p, k), size in keys.items())),
        rows=tuple(rows),
    )


def verdict_sentence(verdict: Verdict) -> str:
    """The figures that one falsifier's answer rests on."""
    falsifier, difference = verdict.falsifier, verdict.difference
    if difference is None or verdict.p_holm is None:
        return f"{falsifier.better} or {falsifier.worse} was not run, or they share no query."
    where = "" if falsifier.slice == "all" else f" on {falsifier.slice}"
    margin = f", margin {falsifier.margin:g}" if falsifier.margin else ""
    seeds = sorted(set(verdict.num_seeds))
    seed_count = " and ".join(map(str, seeds)) + (" seed" if seeds == [1] else " seeds")
    return (
        f"{falsifier.better} minus {falsifier.worse} is {gain(difference)} "
        f"{measure_label(falsifier.measure)}{where} "
        f"({difference.n:,} queries, {seed_count}, p {p_text(verdict.p_holm)}{margin})."
    )


def measure_label(measure: str) -> str:
    """A measure as the field writes it: ndcg@10 -> nDCG@10."""
    name, _, depth = measure.partition("@")
    spelled = {"ndcg": "nDCG", "mrr": "MRR", "recall": "Recall"}.get(name, name)
    return f"{spelled}@{depth}"


def gain(estimate: Estimate) -> str:
    """A difference with its interval."""
    return f"{_signed(estimate.mean)} [{_signed(estimate.low)}, {_signed(estimate.high)}]"


def short(value: float) -> str:
    """Three decimals without the leading zero, as the field's tables have it."""
    return f"{value:.3f}".removeprefix("0")


def p_text(p: float) -> str:
    """A p with three decimals, or the bound below which they say nothing."""
    return "<.001" if p < 0.001 else short(p)


def _signed(value: float) -> str:
    text = short(abs(value))
    return text if text == ".000" else ("-" if value < 0 else "+") + text


def _seed_mean(mean: SeedMean | None) -> str:
    if mean is None:
        return NONE
    return short(mean.mean) + ("" if mean.half is None else f" ±{short(mean.half)}")


def _main_row(variant: VariantResult, summary: Summary) -> Part:
    means = summary.means[variant.name]
    return (
        variant.name,
        variant.group,
        str(len(variant.seeds)),
        *(_seed_mean(means.get(measure)) for measure in MAIN_MEASURES),
        *_test_cells(summary.tests.get(variant.name, {}).get(MAIN_MEASURE)),
        *_cost_cells(variant),
    )


def _test_cells(tested: Tested | None) -> Part:
    if tested is None:
        return (NONE, NONE, NONE)
    found = tested.comparison
    counts = f"{found.wins}/{found.ties}/{found.losses}"
    return (gain(found.difference), p_text(tested.p_holm), counts)


def _gain_and_p(tested: Tested | None) -> str:
    if tested is None:
        return NONE
    return f"{gain(tested.comparison.difference)}, p {p_text(tested.p_holm)}"


def _cost_cells(variant: VariantResult) -> Part:
    seconds = _mean(seed.seconds for seed in variant.seeds)
    memory = min((s.memory_mb for s in variant.seeds if s.memory_mb is not None), default=None)
    parameters = _mean(seed.parameters for seed in variant.seeds)
    return (_count(seconds), _count(memory), _size(parameters))


def _slice_cell(mean: SliceMean | None) -> str:
    if mean is None:
        return NONE
    return short(mean.mean) + {1: " ▲", -1: " ▼", 0: ""}[mean.sign]


def _diagnosed(results: StudyResults) -> list[tuple[VariantResult, list[Diagnostics]]]:
    found = [
        (variant, [seed.diagnostics for seed in variant.seeds if seed.diagnostics is not None])
        for variant in results.variants
    ]
    return [(variant, diagnostics) for variant, diagnostics in found if diagnostics]


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _column_means(rows: list[tuple[float, float, float]]) -> tuple[float, float, float]:
    text, both, image = (sum(column) / len(rows) for column in zip(*rows, strict=True))
    return text, both, image


def _size(count: float | None) -> str:
    """A count of weights in thousands or millions."""
    if count is None or count < 1000:
        return _count(count)
    return f"{count / 1e6:.2f}M" if count >= 1e6 else f"{count / 1e3:.0f}k"


def _count(value: float | None) -> str:
    return NONE if value is None else f"{value:,.0f}"
