"""Table of what the fitted ranker gains, and by which features, for the terminal."""

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from windowshop.evaluation import Comparison
from windowshop.search.tuning.ranker import RankerTuning


def render_ranker(ranker: RankerTuning) -> RenderableType:
    """Return what the ranker gains on queries that it was not fitted on, and by which features."""
    done = "used" if ranker.used else "not used"
    parts: list[RenderableType] = [
        Text(f"Learned ranker: {done}, as {ranker.why} ({ranker.num_queries} queries)."),
        Text(
            f"nDCG@10 {ranker.trial.ranker:.4f}, mix {ranker.mix:.4f}: {_change(ranker.trial.gain)}"
        ),
    ]
    if ranker.trial.recall_gain is not None:
        parts.append(Text(f"Recall@100 {_change(ranker.trial.recall_gain)}"))
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("without the features of")
    for name in ("features", "nDCG@10 lost"):
        table.add_column(name, justify="right")
    for row in ranker.groups:
        table.add_row(Text(row.group), str(row.num_features), _change(row.loss))
    parts.append(table)
    parts += [
        Text(f"{name}: {change:+.4f} on {count} queries")
        for name, (count, change) in ranker.trial.slices.items()
    ]
    return Group(*parts)


def _change(found: Comparison | None) -> str:
    if found is None:
        return "too few queries to compare"
    change = found.difference
    return f"{change.mean:+.4f} [{change.low:+.4f}, {change.high:+.4f}], p = {found.p_value:.3g}"
