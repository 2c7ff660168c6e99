"""Report of a download: what came, what failed and why, what was not used, what looks alike."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

MAX_EXAMPLES = 3
MAX_ALIKE = 20
"""Groups of near-duplicates that a report lists."""


@dataclass(frozen=True, slots=True)
class Example:
    """One address of a kind: the product that names it, and details."""

    product_id: str
    url: str
    detail: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Addresses of one kind: how many, and the first of them."""

    kind: str
    count: int
    examples: tuple[Example, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchReport:
    """Result of `fetch_images`."""

    table: Path
    """The table that was written."""
    num_products: int
    num_with_image: int
    num_urls: int
    num_fetched: int
    """Addresses whose image came in this run."""
    num_unchanged: int
    """Addresses whose host said that the image is as known (304)."""
    num_known: int
    """Addresses that were not asked, because their image is fresh."""
    num_bytes: int
    """Bytes of the answers of this run."""
    failures: tuple[Finding, ...]
    placeholders: tuple[Finding, ...]
    alike: tuple[tuple[str, ...], ...]
    """Ids of products of different groups whose first images look alike; the first groups."""
    num_alike: int
    """Number of such groups."""
    num_grouped: int
    """Products that were given another group."""
    num_unused: int = 0
    """Stored images that no product names any more."""
    removed_unused: bool = False
    """Whether these were removed."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), "table": str(self.table)}


def findings(found: Iterable[tuple[str, Example]]) -> tuple[Finding, ...]:
    """Count by kind, the most frequent first."""
    by_kind: dict[str, list[Example]] = {}
    for kind, example in found:
        by_kind.setdefault(kind, []).append(example)
    ordered = sorted(by_kind.items(), key=lambda item: -len(item[1]))
    return tuple(Finding(kind, len(e), tuple(e[:MAX_EXAMPLES])) for kind, e in ordered)


def render_fetch(report: FetchReport) -> RenderableType:
    """Render a report for a terminal."""
    lines = [
        f"{report.table}: {report.num_with_image} of {report.num_products} products have an image",
        f"{report.num_urls} addresses: {report.num_fetched} fetched "
        f"({report.num_bytes / 2**20:.1f} MiB), {report.num_unchanged} unchanged, "
        f"{report.num_known} fresh from before",
    ]
    if report.num_unused:
        done = "removed" if report.removed_unused else "--remove-unused removes them"
        lines.append(f"{report.num_unused} stored images that no product names: {done}")
    parts: list[RenderableType] = [Text("\n".join(lines))]
    for title, kinds in (
        ("No image from", report.failures),
        ("Pictures that show no product, not used", report.placeholders),
    ):
        if kinds:
            parts.append(_kinds(title, kinds))
    if report.num_alike:
        shown = [f"  {', '.join(ids[:6])}{' ...' if len(ids) > 6 else ''}" for ids in report.alike]
        done = (
            f"{report.num_grouped} products were given another group."
            if report.num_grouped
            else "Give variants one group with --group-near-duplicates, or by hand."
        )
        first = f"Products of different groups with nearly the same image: {report.num_alike} sets."
        parts.append(Text("\n".join([f"{first} {done}", *shown[:MAX_EXAMPLES]])))
    return Group(*parts)


def _kinds(title: str, kinds: Iterable[Finding]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("reason")
    table.add_column("count", justify="right")
    table.add_column("for example")
    for finding in kinds:
        shown = [f"{e.product_id}: {e.url} {e.detail}".strip() for e in finding.examples]
        table.add_row(Text(finding.kind), str(finding.count), Text("\n".join(shown)))
    return table
