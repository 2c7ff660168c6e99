"""Tables of a study's report, for markdown and HTML."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from windowshop.evaluation import (
    LABELS,
    MEASURES,
    Corrected,
    Diagnostics,
    Estimate,
    measure_label,
    three_decimals,
)
from windowshop.study.report.comparison import (
    LABEL_MEASURES,
    MAIN_MEASURE,
    SLICE_MEASURES,
    SliceMean,
    Summary,
)
from windowshop.study.results import UNRETRIEVED_FILE, StudyResults, VariantResult

NONE = "–"
MAIN_MEASURES = ("ndcg@10", "ndcg@1", "recall@10", "recall@100", "mrr@10")
SPACES = ("text", "image", "fused")
SIGNS = {1: " ▲", -1: " ▼", 0: ""}
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


MARKS = (
    "▲ above and ▼ below it: p is under .05 and Δ at least the detectable size, which such a test "
    "finds with 80% power at 5%; all else is undecided."
)
SLICE_MARKS = f"{MARKS} Δ is to the reference, p Holm corrected over this table. n counts queries."


def all_tables(results: StudyResults, summary: Summary) -> list[Table]:
    """Return every table of the report in reading order; those without rows are left out."""
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
    """Tabulate quality, its difference to the reference on nDCG@10, and cost."""
    measures = (measure_label(m) for m in MAIN_MEASURES)
    test = (f"Δ {measure_label(MAIN_MEASURE)}", "p", "detectable", "W/T/L")
    return Table(
        title="All variants",
        note=(
            "± half of the 95% interval over queries and seeds (over queries alone where n, the "
            f"seeds, is 1). Δ is the variant minus {results.reference} with its 95% interval over "
            "queries and seeds, paired by both; p is two-sided, of the same distribution, Holm "
            f"corrected over this table. {MARKS} W/T/L counts queries. Seconds of training and "
            "trained "
            "parameters are means over seeds. Memory is the peak of the whole process in training, "
            "the catalogue's features and what is left of earlier variants included, so the least "
            "of the seeds."
        ),
        head=("variant", "group", "n", *measures, *test, "seconds", "MB", "parameters"),
        rows=tuple(_main_row(variant, summary) for variant in results.variants),
        num_words=2,
        marked=_reference_row(results),
    )


def _main_row(variant: VariantResult, summary: Summary) -> Part:
    means = summary.means[variant.name]
    tested = summary.main.get(variant.name)
    test: Part = (NONE, NONE, NONE, NONE)
    if tested is not None:
        found = tested.comparison
        counts = f"{found.wins}/{found.ties}/{found.losses}"
        size = three_decimals(found.detectable)
        test = (gain(found.difference) + SIGNS[tested.sign], p_text(tested.p_holm), size, counts)
    memory = min((s.memory_mb for s in variant.seeds if s.memory_mb is not None), default=None)
    return (
        variant.name,
        variant.group,
        str(len(variant.seeds)),
        *(_with_half(means.get(measure)) for measure in MAIN_MEASURES),
        *test,
        _count(_mean(seed.seconds for seed in variant.seeds)),
        _count(memory),
        _size(_mean(seed.parameters for seed in variant.seeds)),
    )


def _with_half(estimate: Estimate | None) -> str:
    """Return a mean with half of its interval, if it has one."""
    if estimate is None:
        return NONE
    half = (estimate.high - estimate.low) / 2
    return three_decimals(estimate.mean) + ("" if math.isnan(half) else f" ±{three_decimals(half)}")


def _reference_row(results: StudyResults) -> int:
    return [variant.name for variant in results.variants].index(results.reference)


def difference_table(results: StudyResults, summary: Summary) -> Table:
    """Tabulate the difference to the reference on every measure."""

    def cell(tested: Corrected | None) -> str:
        if tested is None:
            return NONE
        found = tested.comparison
        figures = f"p {p_text(tested.p_holm)} ({three_decimals(found.detectable)})"
        return f"{gain(found.difference)}{SIGNS[tested.sign]}, {figures}"

    return Table(
        title=f"Difference to {results.reference}",
        note=(
            "Variant minus reference with its 95% interval over queries and seeds, p Holm "
            f"corrected over all cells of this table, and the detectable size. {MARKS}"
        ),
        head=("variant", *(measure_label(measure) for measure in MEASURES)),
        rows=tuple(
            (variant.name, *(cell(summary.tests[variant.name].get(m)) for m in MEASURES))
            for variant in results.variants
            if variant.name in summary.tests
        ),
    )


def label_table(results: StudyResults, summary: Summary) -> Table:
    """Tabulate the measures of each label set, where the data has two."""
    sizes = _sizes(summary, LABEL_MEASURES, of_labels=True)
    heads = [
        f"{part.removeprefix(LABELS)}, {measure_label(measure)} (n={count})"
        for (part, measure), count in sizes.items()
    ]
    note = (
        "Each label set by itself, with its own lowest relevant grade; all other tables are of "
        f"the judgements of relevance, if the test queries have any. {SLICE_MARKS}"
    )
    return _slices_table(
        results, summary, "By label set", note, dict(zip(sizes, heads, strict=True))
    )


def slice_table(results: StudyResults, summary: Summary, measure: str) -> Table:
    """Tabulate one measure by slice; slices without a value are left out."""
    sizes = _sizes(summary, (measure,), of_labels=False)
    heads = {key: f"{key[0]} (n={count})" for key, count in sizes.items()}
    title = f"{measure_label(measure)} by slice"
    return _slices_table(results, summary, title, SLICE_MARKS, heads)


def _sizes(
    summary: Summary, measures: tuple[str, ...], *, of_labels: bool
) -> dict[tuple[str, str], int]:
    """Count queries by slice and measure, of the label sets or of all other slices."""
    sizes: dict[tuple[str, str], int] = {}
    for by_slice in summary.slices.values():
        for part, means in by_slice.items():
            for measure in measures if part.startswith(LABELS) == of_labels else ():
                if measure in means:
                    key = part, measure
                    sizes[key] = max(sizes.get(key, 0), means[measure].num_queries)
    return sizes


def _slices_table(
    results: StudyResults,
    summary: Summary,
    title: str,
    note: str,
    heads: dict[tuple[str, str], str],
) -> Table:
    """Tabulate variants by slice and measure; `heads` are the columns' titles."""

    def cell(mean: SliceMean | None) -> str:
        return NONE if mean is None else three_decimals(mean.mean) + SIGNS[mean.sign]

    return Table(
        title=title,
        note=note,
        head=("variant", *heads.values()),
        rows=tuple(
            (v.name, *(cell(summary.slices[v.name][part].get(measure)) for part, measure in heads))
            for v in results.variants
            if heads
        ),
        marked=_reference_row(results),
    )


def geometry_table(results: StudyResults) -> Table:
    """Tabulate modality gap and uniformity of the variants that have vectors."""

    def cells(found: list[Diagnostics]) -> list[str]:
        gap = _mean(d.modality_gap for d in found)
        spread = (_mean((d.uniformity or {}).get(name) for d in found) for name in SPACES)
        return [NONE if v is None else f"{v:.2f}" for v in (gap, *spread)]

    return Table(
        title="Geometry of the vectors",
        note=(
            "Gap: distance between the centroids of text and image vectors (arXiv:2203.02053). "
            "Uniformity: log E exp(-2 ||x - y||²), lower is more uniform (arXiv:2005.10242)."
        ),
        head=("variant", "gap", *(f"uniformity, {name}" for name in SPACES)),
        rows=_diagnosed_rows(results, cells),
    )


def gate_table(results: StudyResults) -> Table:
    """Tabulate the reference's mean expert weights by top-level category."""
    rows = [
        (category, str(count), *(f"{weight:.2f}" for weight in weights))
        for category, count, weights in gate_means(results)
    ]
    return Table(
        title=f"Gate weights of {results.reference}",
        note="Means over products with text and image, by top-level category.",
        head=("category", "products", "text", "both", "image"),
        rows=tuple(rows),
    )


def gate_means(results: StudyResults) -> list[tuple[str, int, tuple[float, float, float]]]:
    """Return category, products and mean weights (text, both, image) of the reference."""
    by_category: dict[str, list[tuple[float, float, float]]] = {}
    counts = {}
    for seed in results.variant(results.reference).seeds:
        for row in seed.diagnostics.gates if seed.diagnostics else ():
            by_category.setdefault(row.category, []).append((row.text, row.both, row.image))
            counts[row.category] = row.num_products
    means = {}
    for category, weights in by_category.items():
        text, both, image = (sum(column) / len(weights) for column in zip(*weights, strict=True))
        means[category] = text, both, image
    return [(category, counts[category], mean) for category, mean in means.items()]


def match_table(results: StudyResults) -> Table:
    """Tabulate relevant products that only the variant, or only text-only, ranks first."""
    diagnosed = _diagnosed(results).values()
    depths = sorted({match.depth for found in diagnosed for d in found for match in d.exclusive})

    def cells(found: list[Diagnostics]) -> list[str]:
        matches = {k: [m for d in found for m in d.exclusive if m.depth == k] for k in depths}
        return [_count(_mean(getattr(m, n) for m in matches[k])) for k in depths for n in MATCHES]

    return Table(
        title="Exclusive matches against text-only",
        note=(
            "Relevant products in the first k: gained are found by the variant and missed by "
            "text-only, lost the reverse, shared found by both. Means over seeds."
        ),
        head=("variant", *(f"{name}, k={depth}" for depth in depths for name in MATCHES)),
        rows=_diagnosed_rows(results, cells),
    )


def unretrieved_table(results: StudyResults) -> Table:
    """Tabulate the share of products that no query retrieves, by part of the catalogue."""
    keys: dict[tuple[str, int], int] = {}
    for found in _diagnosed(results).values():
        keys |= {(row.part, row.depth): row.num_products for d in found for row in d.unretrieved}

    def cells(found: list[Diagnostics]) -> list[str]:
        made = []
        for key in keys:
            missed = [r for d in found for r in d.unretrieved if (r.part, r.depth) == key]
            share, count = _mean(r.share for r in missed), _mean(r.count for r in missed)
            made.append(NONE if share is None else f"{_count(count)} ({share:.1%})")
        return made

    return Table(
        title="Products that no query retrieves",
        note=(
            "Products in no query's first k, and their share of the part; means over seeds. "
            f"{UNRETRIEVED_FILE} beside the report names those of every variant and seed."
        ),
        head=("variant", *(f"{p}, k={k} (of {size:,})" for (p, k), size in keys.items())),
        rows=_diagnosed_rows(results, cells),
    )


def gain(estimate: Estimate) -> str:
    """Return a difference with its interval."""
    return f"{_signed(estimate.mean)} [{_signed(estimate.low)}, {_signed(estimate.high)}]"


def p_text(p: float) -> str:
    """Return a p with three decimals, below .001 with four, and below .0001 the bound."""
    if p < 0.0001:
        return "<.0001"
    return f"{p:.4f}".removeprefix("0") if p < 0.001 else three_decimals(p)


def _signed(value: float) -> str:
    text = three_decimals(abs(value))
    return text if text == ".000" else ("-" if value < 0 else "+") + text


def _diagnosed(results: StudyResults) -> dict[str, list[Diagnostics]]:
    """Return the diagnostics of every seed, of the variants that have any."""
    found = {
        variant.name: [seed.diagnostics for seed in variant.seeds if seed.diagnostics is not None]
        for variant in results.variants
    }
    return {name: diagnostics for name, diagnostics in found.items() if diagnostics}


def _diagnosed_rows(
    results: StudyResults, cells: Callable[[list[Diagnostics]], list[str]]
) -> tuple[Part, ...]:
    """Return a row of cells for each diagnosed variant, without rows of empty cells."""
    rows = ((name, *cells(found)) for name, found in _diagnosed(results).items())
    return tuple(row for row in rows if set(row[1:]) - {NONE})


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _size(count: float | None) -> str:
    """Return a count of weights in thousands or millions."""
    if count is None or count < 1000:
        return _count(count)
    return f"{count / 1e6:.2f}M" if count >= 1e6 else f"{count / 1e3:.0f}k"


def _count(value: float | None) -> str:
    return NONE if value is None else f"{value:,.0f}"
