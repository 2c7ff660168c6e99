"""Tables of a study of regimes."""

from collections.abc import Iterable, Sequence

from windowshop.evaluation import Corrected, measure_label, three_decimals
from windowshop.study.regimes.answers import Answer, Best, CellScores
from windowshop.study.regimes.cells import BASELINES, MEASURES, baseline_name
from windowshop.study.regimes.regime import Regime
from windowshop.study.regimes.results import RegimeResults
from windowshop.study.report.tables import NONE, Table, gain, p_text

MARKS = {1: "▲", 0: "·", -1: "▼"}
HOLM = (
    "Intervals and p are over queries and seeds together, p Holm corrected over this table. "
    "▲ pays, ▼ harms, · undecided: p is .05 or more, or the difference is below what such a test "
    "would find with 80% power."
)


def all_tables(
    results: RegimeResults, answers: Sequence[Answer], best: Sequence[Best]
) -> list[Table]:
    """Return every table in reading order."""
    return [
        map_table(results, answers),
        best_table(results, best),
        *(answer_table(answer) for answer in answers),
        cell_table(results),
    ]


def map_table(results: RegimeResults, answers: Sequence[Answer]) -> Table:
    """Tabulate which ingredient pays in which regime."""
    regimes = ordered(regime for answer in answers for regime in answer.regimes)
    rows = [
        (
            answer.question.name,
            row,
            *(short(answer.tested.get((row, regime))) for regime in regimes),
        )
        for answer in answers
        for row in answer.rows
    ]
    return Table(
        title="Which ingredient pays when",
        note=(
            f"Difference in {measure_label(MEASURES[0])} on test, by training queries and "
            f"judgements. Each question is corrected by itself. {HOLM}"
        ),
        head=("ingredient", "difference", *(regime.name for regime in regimes)),
        rows=tuple(rows),
        num_words=2,
    )


def best_table(results: RegimeResults, best: Sequence[Best]) -> Table:
    """Tabulate the training that dev chooses in each regime, beside the baselines."""
    scores, (measure, recall) = CellScores(results.scores), MEASURES
    rows = []
    for item in sorted(best, key=lambda item: regime_order(item.regime)):
        names = [baseline_name(name, item.regime.category) for name in BASELINES]
        means = [mean(scores, name, measure) for name in (*names, item.cell.name)]
        own = item.cell.name.removeprefix(f"{item.regime.name} / ")
        found = item.against_bm25
        rows.append(
            (
                item.regime.name,
                own,
                *means,
                f"{gain(found.comparison.difference)} {MARKS[found.sign]}",
                p_text(found.p_holm),
                mean(scores, item.cell.name, recall),
            )
        )
    label = measure_label(measure)
    return Table(
        title="Best training of each regime, beside BM25",
        note=f"Chosen on dev, scored on test. Δ is against BM25 with k1 and b from dev. {HOLM}",
        head=(
            *("training queries, judgements", "best on dev"),
            *(f"{label} {name}" for name in BASELINES),
            *(label, "Δ to BM25", "p", measure_label(recall)),
        ),
        rows=tuple(rows),
        num_words=2,
    )


def answer_table(answer: Answer) -> Table:
    """Tabulate the differences of one question, with intervals."""
    rows = [
        (
            row,
            regime.name,
            str(answer.num_seeds[row, regime]),
            f"{gain(tested.comparison.difference)} {MARKS[tested.sign]}",
            p_text(tested.p_holm),
            three_decimals(tested.comparison.detectable),
        )
        for (row, regime), tested in answer.tested.items()
    ]
    return Table(
        title=answer.question.claim,
        note=HOLM,
        head=("difference", "training queries, judgements", "seeds", "Δ", "p", "detectable"),
        rows=tuple(rows),
        num_words=2,
    )


def cell_table(results: RegimeResults) -> Table:
    """Tabulate every cell."""
    scores = CellScores(results.scores)
    rows = []
    for figures in sorted(results.cells, key=lambda item: regime_order(item.cell.regime)):
        cell = figures.cell
        dev = [seed.dev["ndcg@10"] for seed in figures.seeds if "ndcg@10" in seed.dev]
        seconds = sum(seed.seconds for seed in figures.seeds) / len(figures.seeds)
        rows.append(
            (
                *(cell.regime.name, cell.fusion, cell.schedule, cell.option),
                str(len(figures.seeds)),
                three_decimals(sum(dev) / len(dev)) if dev else NONE,
                *(mean(scores, cell.name, measure) for measure in MEASURES),
                f"{seconds:.0f}",
            )
        )
    labels = tuple(map(measure_label, MEASURES))
    return Table(
        title="All cells",
        note="Means over seeds and test queries. Seconds count trainings that cells share in each.",
        head=(
            *("training queries, judgements", "fusion", "schedule", "option", "seeds"),
            *(f"dev {labels[0]}", *labels, "seconds"),
        ),
        rows=tuple(rows),
        num_words=4,
    )


def mean(scores: CellScores, name: str, measure: str) -> str:
    """Return the mean of a name's scores as text."""
    return three_decimals(float(scores.of(name, measure).value_SQ.mean()))


def short(tested: Corrected | None) -> str:
    """Return a difference with its mark."""
    if tested is None:
        return NONE
    return f"{gain(tested.comparison.difference).split(' ')[0]} {MARKS[tested.sign]}"


def ordered(regimes: Iterable[Regime]) -> list[Regime]:
    """Return distinct regimes, plain ones first, then by judgements and size."""
    return sorted(set(regimes), key=regime_order)


def regime_order(regime: Regime) -> tuple[bool, str, float, int, float]:
    """Return a key that puts plain regimes first, by judgements and size."""
    kinds = ("two", "all", "fifth", "clicks")
    size = float("inf") if regime.queries is None else regime.queries
    place = kinds.index(regime.judgements)
    return bool(regime.category), regime.category, regime.missing_images, place, size
