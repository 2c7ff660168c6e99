"""Evaluation as tables for a terminal of 80 columns."""

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from windowshop.config import FUSED, SERVED
from windowshop.evaluation.evaluator import Evaluation
from windowshop.evaluation.metrics import MEASURES, Estimate, measure_label, three_decimals
from windowshop.evaluation.slices import ALL, LABELS

HEADINGS = {measure: measure_label(measure).replace("Recall", "R") for measure in MEASURES}
GAIN_MEASURES = ("recall@100", "ndcg@10", "mrr@10")
SLICE_MEASURES = ("recall@100", "ndcg@10")
KIND_MEASURES = ("ndcg@1", "ndcg@10")
SHORT_MEASURES = ("ndcg@10",)
"""Measures of slices where there are more systems than MAX_SYSTEMS."""
MAX_SYSTEMS = 4
SYSTEMS = {
    SERVED: "served",
    "vectors": "vectors",
    "words": "words",
    "photo": "photo",
    FUSED: "fused",
    "text_only": "text",
    "image_only": "image",
    "bm25": "bm25",
}
"""Known systems in their order, with short names for the slice columns."""


def render_evaluation(evaluation: Evaluation) -> RenderableType:
    """Return tables of all queries, of the gains over the other systems, and of the slices."""
    parts: list[RenderableType] = [_overall(evaluation)]
    if len(evaluation.tables) > 1:
        parts.append(_gains(evaluation))
    if evaluation.labels:
        parts.append(_label_sets(evaluation))
    if _slice_names(evaluation):
        parts.append(_slices(evaluation))
    over = "queries alone: another seed of the training would move the figures further"
    if evaluation.num_seeds > 1:
        over = f"queries and {evaluation.num_seeds} seeds"
    footnote = (
        f"± half of the 95% interval over {over}. R is Recall; R and MRR count grades "
        f"from {evaluation.threshold} on. A slice of products counts only those as relevant; "
        "every ranking is over the full catalogue."
    )
    parts.append(Text(footnote, style="dim"))
    if evaluation.bm25:
        parts.append(Text(f"bm25: {evaluation.bm25}.", style="dim"))
    parts += [Text(note, style="yellow") for note in evaluation.notes]
    return Group(*parts)


def _overall(evaluation: Evaluation) -> Table:
    counts = f"{evaluation.num_queries:,} queries, {evaluation.num_products:,} products"
    if evaluation.num_synthetic:
        share = "all" if evaluation.num_synthetic == evaluation.num_queries else "some"
        counts += f", {share} queries synthetic"
    if evaluation.labels:
        counts += f", by {next(iter(evaluation.labels))} labels"
    table = _table(f"{evaluation.split}: {counts}", "system")
    for measure in MEASURES:
        table.add_column(HEADINGS[measure], justify="right", no_wrap=True)
    for system in _systems(evaluation):
        estimates = evaluation.tables[system][ALL]
        cells = [_cell(estimates.get(m), _best(evaluation, ALL, m)) for m in MEASURES]
        table.add_row(system, *cells, style="bold" if system == evaluation.reference else "")
    return table


def _gains(evaluation: Evaluation) -> Table:
    title = f"what {evaluation.reference} gains, paired by query (green: interval above 0)"
    table = _table(title, "over")
    for measure in GAIN_MEASURES:
        table.add_column(HEADINGS[measure], justify="right", no_wrap=True)
    for system in _systems(evaluation)[1:]:
        estimates = evaluation.gains[system][ALL]
        table.add_row(system, *[_gain(estimates.get(measure)) for measure in GAIN_MEASURES])
    return table


def _label_sets(evaluation: Evaluation) -> Table:
    """Tabulate nDCG by label set."""
    table = _table("by label set (green: the best)", "system")
    names = [f"{LABELS}{kind}" for kind in evaluation.labels]
    for kind in evaluation.labels:
        for place, measure in enumerate(KIND_MEASURES):
            heading = f"{kind} " if place == 0 else ""
            table.add_column(f"{heading}\n{HEADINGS[measure]}", justify="right", no_wrap=True)
    for system in _systems(evaluation):
        cells = [
            _cell(evaluation.tables[system][name].get(m), _best(evaluation, name, m))
            for name in names
            for m in KIND_MEASURES
        ]
        table.add_row(system, *cells, style="bold" if system == evaluation.reference else "")
    return table


def _slice_names(evaluation: Evaluation) -> list[str]:
    """Return the names of the slices by columns."""
    shown = {ALL, *(f"{LABELS}{kind}" for kind in evaluation.labels)}
    return [name for name in evaluation.tables[evaluation.reference] if name not in shown]


def _slices(evaluation: Evaluation) -> Table:
    table = _table("slices (green: the best)", "slice")
    table.add_column("n", justify="right", no_wrap=True)
    systems = _systems(evaluation)
    measures = SLICE_MEASURES if len(systems) <= MAX_SYSTEMS else SHORT_MEASURES
    for measure in measures:
        for place, system in enumerate(systems):
            heading = HEADINGS[measure] if place == 0 else ""
            label = f"{heading}\n{SYSTEMS.get(system, system)}"
            table.add_column(label, justify="right", no_wrap=True)
    for name in _slice_names(evaluation):
        estimates = evaluation.tables[evaluation.reference][name].values()
        cells = [
            _mean(evaluation.tables[s][name].get(m), _best(evaluation, name, m))
            for m in measures
            for s in systems
        ]
        table.add_row(name, str(max((e.n for e in estimates), default=0)), *cells)
    return table


def _table(title: str, first: str) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column(first, overflow="fold", vertical="bottom")
    return table


def _systems(evaluation: Evaluation) -> list[str]:
    known = [name for name in SYSTEMS if name in evaluation.tables]
    return known + [name for name in evaluation.tables if name not in known]


def _best(evaluation: Evaluation, part: str, measure: str) -> float | None:
    estimates = [tables[part].get(measure) for tables in evaluation.tables.values()]
    return max((estimate.mean for estimate in estimates if estimate), default=None)


def _mean(estimate: Estimate | None, best: float | None) -> Text:
    if estimate is None:
        return Text("-", style="dim")
    return Text(three_decimals(estimate.mean), style="green" if estimate.mean == best else "")


def _cell(estimate: Estimate | None, best: float | None) -> Text:
    mean = _mean(estimate, best)
    if estimate is not None:
        mean.append(f"±{three_decimals((estimate.high - estimate.low) / 2)}", style="dim")
    return mean


def _gain(estimate: Estimate | None) -> Text:
    if estimate is None:
        return Text("-", style="dim")
    style = "green" if estimate.low > 0 else "red" if estimate.high < 0 else ""
    span = f" [{_signed(estimate.low)}, {_signed(estimate.high)}]"
    return Text.assemble((_signed(estimate.mean), style), (span, "dim"))


def _signed(value: float) -> str:
    sign = "-" if value < 0 else "+"
    return sign + three_decimals(abs(value))
