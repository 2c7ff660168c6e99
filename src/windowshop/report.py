"""An evaluation as tables for the terminal."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from windowshop.evaluate import ALL, Evaluation
from windowshop.metrics import MEASURES, Estimate

LABELS = {
    "recall@10": "Recall@10",
    "recall@50": "Recall@50",
    "recall@100": "Recall@100",
    "ndcg@1": "nDCG@1",
    "ndcg@10": "nDCG@10",
    "mrr@10": "MRR@10",
}
SLICE_MEASURES = ("recall@100", "ndcg@10")
ORDER = ("fused", "text_only", "image_only", "bm25")


def render_evaluation(evaluation: Evaluation) -> RenderableType:
    """All queries first, then what the photo gains, then the slices."""
    parts: list[RenderableType] = [_overall(evaluation), _gains(evaluation)]
    slices = [name for name in next(iter(evaluation.tables.values())) if name != ALL]
    if slices:
        parts.append(_slices(evaluation, slices))
    parts.append(
        Text(
            "± is half of the 95% bootstrap interval over queries; Recall and MRR count grades "
            f"from {evaluation.threshold}. In slices of products, only those products count as "
            "relevant; the ranking is always over the full catalogue.",
            style="dim",
        )
    )
    parts += [Text(note, style="yellow") for note in evaluation.notes]
    return Group(*parts)


def _overall(evaluation: Evaluation) -> Table:
    table = Table(
        title=f"{evaluation.split} split: {evaluation.num_queries} queries over "
        f"{evaluation.num_products} products",
        title_justify="left",
        title_style="bold",
    )
    table.add_column("system")
    for measure in MEASURES:
        table.add_column(LABELS[measure], justify="right")
    best = {
        measure: max(t[ALL][measure].mean for t in evaluation.tables.values() if measure in t[ALL])
        for measure in MEASURES
        if any(measure in t[ALL] for t in evaluation.tables.values())
    }
    for system in _systems(evaluation):
        estimates = evaluation.tables[system][ALL]
        cells = [_cell(estimates.get(m), best=best.get(m)) for m in MEASURES]
        table.add_row(system, *cells, style="bold" if system == "fused" else "")
    return table


def _gains(evaluation: Evaluation) -> Table:
    table = Table(
        title="fused minus the other system, paired by query (green: interval above 0)",
        title_justify="left",
        title_style="bold",
    )
    table.add_column("against")
    for measure in MEASURES:
        table.add_column(LABELS[measure], justify="right")
    for system in _systems(evaluation)[1:]:
        estimates = evaluation.gains[system][ALL]
        table.add_row(system, *[_gain(estimates.get(measure)) for measure in MEASURES])
    return table


def _slices(evaluation: Evaluation, slices: list[str]) -> Table:
    table = Table(title="slices", title_justify="left", title_style="bold")
    systems = _systems(evaluation)
    table.add_column("slice", overflow="fold")
    table.add_column("n", justify="right")
    for measure in SLICE_MEASURES:
        for system in systems:
            table.add_column(f"{LABELS[measure]}\n{system}", justify="right")
    for name in slices:
        cells = []
        for measure in SLICE_MEASURES:
            estimates = [evaluation.tables[system][name].get(measure) for system in systems]
            best = max((e.mean for e in estimates if e), default=None)
            cells += [_cell(estimate, best=best) for estimate in estimates]
        counts = [e.n for e in evaluation.tables["fused"][name].values()]
        table.add_row(name, str(max(counts, default=0)), *cells)
    return table


def _systems(evaluation: Evaluation) -> list[str]:
    known = [name for name in ORDER if name in evaluation.tables]
    return known + [name for name in evaluation.tables if name not in known]


def _cell(estimate: Estimate | None, best: float | None) -> Text:
    if estimate is None:
        return Text("-", style="dim")
    half = (estimate.high - estimate.low) / 2
    style = "green" if best is not None and estimate.mean >= best else ""
    return Text.assemble((f"{estimate.mean:.3f}", style), (f" ±{half:.3f}", "dim"))


def _gain(estimate: Estimate | None) -> Text:
    if estimate is None:
        return Text("-", style="dim")
    style = "green" if estimate.low > 0 else "red" if estimate.high < 0 else ""
    span = f" [{estimate.low:+.3f}, {estimate.high:+.3f}]"
    return Text.assemble((f"{estimate.mean:+.3f}", style), (span, "dim"))
