"""Sentences of a study's report: its verdict, and the figures behind each claim."""

from windowshop.evaluation import Corrected, measure_label, three_decimals
from windowshop.study.report.comparison import MAIN_MEASURE, Summary, Verdict
from windowshop.study.report.tables import gain, p_text

MAX_NAMED = 4
"""Variants that the verdict names, beyond which it counts them."""


def headline(summary: Summary) -> str:
    """Return the verdict in one sentence, from the tests of all variants against the reference."""
    results, label = summary.shown, measure_label(MAIN_MEASURE)
    reference = results.reference
    by_sign: dict[int, list[str]] = {1: [], 0: [], -1: []}
    for name, tested in summary.main.items():
        by_sign[tested.sign].append(name)
    above, undecided, below = by_sign[-1], by_sign[0], by_sign[1]
    if not summary.main:
        return f"Nothing can be said of {reference}: no other variant shares queries with it."
    num_all, parts = len(summary.main), list[str]()
    for words, names in (
        ("better than {}", above),
        ("worse than {}", below),
        ("not to be told from {} by this study", undecided),
    ):
        if names:
            parts.append(words.format(_named(names, num_all, first=not parts)))
    num_queries = max(item.comparison.difference.n for item in summary.main.values())
    seeds = len(results.variant(reference).seeds)
    over = "one seed, so over queries alone" if seeds == 1 else f"{seeds} seeds"
    return (
        f"By {label} on {num_queries:,} {results.split} queries ({over}), {reference} is "
        f"{_listed(parts)}."
    )


def _named(names: list[str], num_all: int, *, first: bool) -> str:
    """Return the names, or their number where they are many."""
    if len(names) == num_all > 1:
        return f"all {num_all} other variants"
    if len(names) > MAX_NAMED:
        return f"{len(names)} of the {num_all} other variants" if first else str(len(names))
    return _listed(names)


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)


def verdict_sentence(verdict: Verdict) -> str:
    """Return a sentence with the figures that an answer rests on."""
    falsifier, tested = verdict.falsifier, verdict.tested
    if tested is None:
        missing = "was not run, or they share fewer than two queries"
        return f"{falsifier.better} or {falsifier.worse} {missing}."
    found = tested.comparison
    where = "" if falsifier.slice == "all" else f" on {falsifier.slice}"
    margin = f", margin {falsifier.margin:g}" if falsifier.margin else ""
    seeds = sorted(set(verdict.num_seeds))
    seed_count = " and ".join(map(str, seeds)) + (" seed" if seeds == [1] else " seeds")
    return (
        f"{falsifier.better} minus {falsifier.worse} is {gain(found.difference)} "
        f"{measure_label(falsifier.measure)}{where} "
        f"({found.difference.n:,} queries, {seed_count}, p {p_text(tested.p_holm)}{margin}, "
        f"detectable {three_decimals(found.detectable)}).{_remarks(verdict, tested)}"
    )


def _remarks(verdict: Verdict, tested: Corrected) -> str:
    """Return what limits an answer, as further sentences."""
    remarks = ""
    if verdict.answer == "undecided":
        small = "Too small to be seen by this study."
        remarks += f" {small}" if tested.too_small else " Not significant after the correction."
    if max(verdict.num_seeds) == 1:
        remarks += " One seed: over queries alone."
    if verdict.falsifier.chosen_on != "before":
        remarks += f" Chosen on {verdict.falsifier.chosen_on}."
    return remarks
