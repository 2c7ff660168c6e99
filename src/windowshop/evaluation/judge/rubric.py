"""Rubric of a judge: what each grade means, from 0 on."""

from dataclasses import dataclass
from pathlib import Path

from windowshop.data import MAX_GRADE, RELEVANCE, Dataset
from windowshop.errors import ConfigError

WORKBENCH = (
    "not what was asked for",
    "all but one thing that was asked for",
    "good: what was asked for, with a small difference",
    "exactly all that was asked for",
)
"""Grades of the workbench, 0 to 3."""


@dataclass(frozen=True, slots=True)
class Rubric:
    """Meaning of every grade, the lowest first."""

    levels: tuple[str, ...]

    @property
    def highest(self) -> int:
        """Return the highest grade."""
        return len(self.levels) - 1

    def text(self) -> str:
        """Return a line for each grade."""
        return "\n".join(f"{grade}: {meaning}" for grade, meaning in enumerate(self.levels))


def rubric_for(dataset: Dataset, file: Path | None = None) -> Rubric:
    """Return the rubric of a file, a line for each grade from 0 on, or else the workbench's.

    Raises ConfigError where people's grades in the data are on another scale.
    """
    levels = WORKBENCH if file is None else _levels(file)
    given = dataset.qrels.filter(kind=RELEVANCE)["grade"].max()
    if isinstance(given, int) and given != len(levels) - 1:
        raise ConfigError(
            f"{file or 'the rubric of the workbench'}: grades go to {len(levels) - 1}, and those "
            f"of people in {dataset.root} to {given}. State by --rubric FILE what each of theirs "
            "means, a line for each grade from 0 on."
        )
    return Rubric(levels)


def _levels(file: Path) -> tuple[str, ...]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read ({error}).") from None
    levels = tuple(" ".join(line.split()) for line in lines if line.strip())
    if not 2 <= len(levels) <= MAX_GRADE + 1:
        raise ConfigError(
            f"{file}: {len(levels)} lines; write one for each grade from 0 on, 2 to "
            f"{MAX_GRADE + 1} of them."
        )
    return levels
