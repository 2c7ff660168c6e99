"""What the paired interval and test say about each claim that a study can refute."""

from dataclasses import dataclass
from typing import Literal

from windowshop.evaluation import Estimate
from windowshop.study.config import Falsifier

Answer = Literal["holds", "does not hold", "undecided", "not tested"]
ALPHA = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """A falsifier's answer and the difference that it rests on."""

    falsifier: Falsifier
    answer: Answer
    difference: Estimate | None
    """None where one of the two variants was not run, or they share no query."""
    num_seeds: tuple[int, int]
    """Of `better` and of `worse`."""
    p_holm: float | None
    """That the difference is the margin, corrected over all that the report tests beside it."""


def judge(
    falsifier: Falsifier,
    difference: Estimate | None,
    p_holm: float | None,
    num_seeds: tuple[int, int],
) -> Verdict:
    """Decide by the 95% interval of the difference and by the corrected p.

    Undecided where the margin lies inside the interval, or where p is not below ALPHA.
    """
    answer: Answer = "undecided"
    if difference is None or p_holm is None:
        answer = "not tested"
    elif p_holm >= ALPHA:
        pass
    elif difference.low > falsifier.margin:
        answer = "holds" if falsifier.expect == "better" else "does not hold"
    elif difference.high <= falsifier.margin:
        answer = "does not hold" if falsifier.expect == "better" else "holds"
    return Verdict(
        falsifier=falsifier,
        answer=answer,
        difference=difference,
        num_seeds=num_seeds,
        p_holm=p_holm,
    )
