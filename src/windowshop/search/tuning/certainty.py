"""Fit the probability that a search has what was asked.

Queries that can be answered are the judged ones and texts made of the catalogue, as typed and with
typos. Those that cannot are wishes of other trades (`trades.yaml`), without what the catalogue
has by word or by meaning, and random letters. What is chosen and reported is of queries that the
fit has not seen: whole trades are left out.

Shapes: Q queries, F signs and numbers of the vector.
"""

import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from windowshop.data import words_of
from windowshop.errors import ConfigError
from windowshop.progress import Reporter
from windowshop.search.certainty.config import CertaintyConfig, SignWeights
from windowshop.search.certainty.signs import Signs
from windowshop.search.searcher import Searcher
from windowshop.search.understanding.spelling import ONE_TYPO
from windowshop.settings import read_yaml

SIGNS = tuple(asdict(SignWeights()))
NUM_FOLDS = 4
NUM_NONSENSE = 100
NUM_OWN = 200
"""Texts made of the catalogue, of each sort."""
MAX_JUDGED = 500
TITLE_WORDS = 6
MAX_HAD = 0.25
"""Share of a trade's wishes that the catalogue may have; beyond, it has the trade."""
SIGN_PENALTY, VECTOR_PENALTY = 0.001, 0.01
"""Ridge of the signs, and of the numbers of the vector, which are many."""
WANTED_TOLD = 0.985
"""Share of the queries without an answer beyond which a higher bound is not worth its risk."""
MISSPELT_TOLD = 0.03
"""Share of the misspelt queries that may be told for more than that."""
MIN_OFF_TOPIC, MIN_JUDGED = 50, 100
"""Least queries without an answer to fit, and least judged ones that choose a bound alone."""
JUDGED, MISSPELT, OWN, NONSENSE = "judged", "misspelt", "own", "nonsense"
OWN_MISSPELT = "own misspelt"
CHOOSING = (JUDGED, MISSPELT, OWN)
"""Sorts that choose the bound where few queries are judged."""
ANSWERED = (*CHOOSING, OWN_MISSPELT)
SHORT = 3
"""Most words of a text of the catalogue that is asked with typos too: judged queries are longer."""
DIGITS = 5


@dataclass(frozen=True, slots=True)
class CertaintyChoice:
    """Fitted probability, and what queries of other folds say of it."""

    config: CertaintyConfig
    num_judged: int
    num_off_topic: int
    told: float
    """Share of the queries without an answer that are said to be so, those of unseen trades."""
    told_wrongly: float
    """Share of the judged queries that are said to have no answer."""
    misspelt_wrongly: float
    """Share of the judged queries with typos that are."""
    own_trades: tuple[str, ...]
    """Trades that the catalogue has itself."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A text with its sort: one of `ANSWERED`, nonsense, or the name of a trade."""

    sort: str
    text: str


def fit_certainty(
    searcher: Searcher, judged: Sequence[str], max_told: float, reporter: Reporter
) -> CertaintyChoice | None:
    """Fit the probability for a searcher; at most `max_told` of the judged are told wrongly.

    Returns None where too few wishes of other trades are left, or nothing is searched by vectors.
    """
    asked = [*_answered(searcher, judged), *_off_topic(searcher)]
    signs: list[Signs] = []
    kept: list[Asked] = []
    with reporter.bar("Ask what cannot be found", len(asked)) as advance:
        for one in asked:
            found = searcher.signs(one.text)
            if found is not None:
                signs.append(found)
                kept.append(one)
            advance(1, "")
    own = _own_trades(searcher, kept, signs)
    places = [i for i, one in enumerate(kept) if not _has(searcher, one, own)]
    kept, signs = [kept[i] for i in places], [signs[i] for i in places]
    answered_Q = np.array([one.sort in ANSWERED for one in kept])
    if np.count_nonzero(~answered_Q) < MIN_OFF_TOPIC or not answered_Q.any():
        return None
    return _fitted(searcher.settings.certainty, kept, signs, max_told, tuple(sorted(own)))


def nonsense(count: int, seed: int = 0) -> list[str]:
    """Return random letters as queries of one to three words."""
    rng = np.random.default_rng(seed)
    rows = (string.ascii_lowercase, "asdfghjkl", "qwertyuiop")

    def word() -> str:
        row = rows[rng.choice(3, p=[0.6, 0.2, 0.2])]
        return "".join(row[i] for i in rng.integers(len(row), size=rng.integers(4, 11)))

    return [" ".join(word() for _ in range(rng.integers(1, 4))) for _ in range(count)]


@cache
def trades() -> Mapping[str, tuple[str, ...]]:
    """Return the wishes of many trades, by trade."""
    path = Path(__file__).with_name("trades.yaml")
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: need lists of wishes by trade.")
    return {str(name): tuple(map(str, wishes)) for name, wishes in content.items()}


def _answered(searcher: Searcher, judged: Sequence[str]) -> list[Asked]:
    rng = np.random.default_rng(0)
    chosen = [judged[i] for i in np.sort(rng.permutation(len(judged))[:MAX_JUDGED])]
    found = [Asked(JUDGED, text) for text in chosen]
    found += [Asked(MISSPELT, _misspelt(text, rng)) for text in chosen]
    own = _of_catalogue(searcher, rng)
    typos = [_misspelt(text, rng) for text in own if len(text.split()) <= SHORT]
    found += [Asked(OWN_MISSPELT, text) for text in typos if text not in own]
    return found + [Asked(OWN, text) for text in own]


def _off_topic(searcher: Searcher) -> list[Asked]:
    found = [Asked(trade, wish) for trade, wishes in trades().items() for wish in wishes]
    return found + [Asked(NONSENSE, text) for text in nonsense(NUM_NONSENSE)]


def _of_catalogue(searcher: Searcher, rng: np.random.Generator) -> list[str]:
    """Return names of the catalogue, titles, and two facts of a product, as queries."""
    with searcher.state() as state:
        names = state.lexicon.vocabulary.names(NUM_OWN)
        columns = state.view.columns
        keys = rng.permutation(columns.allowed(None).keys())[: 2 * NUM_OWN]
        rows = list(columns.select(keys, ["title", "brand", "category"]).iter_rows(named=True))
    titles = [" ".join((row.get("title") or "").split()[:TITLE_WORDS]) for row in rows[:NUM_OWN]]
    facts = []
    for row in rows[NUM_OWN:]:
        leaf = (row.get("category") or "").split(">")[-1].strip()
        facts.append(f"{row.get('brand') or ''} {leaf}".strip())
    return [text for text in dict.fromkeys([*names, *titles, *facts]) if text]


def _misspelt(text: str, rng: np.random.Generator) -> str:
    """Return a text with a typo in each word that is long enough."""
    return " ".join(_with_typo(word, rng) for word in text.split())


def _with_typo(word: str, rng: np.random.Generator) -> str:
    if len(word) < ONE_TYPO or not word.isalpha():
        return word
    i = int(rng.integers(len(word) - 1))
    typos: tuple[Callable[[], str], ...] = (
        lambda: word[:i] + word[i + 1] + word[i] + word[i + 2 :],
        lambda: word[:i] + word[i + 1 :],
        lambda: word[: i + 1] + word[i:],
    )
    return typos[rng.integers(len(typos))]()


def _own_trades(searcher: Searcher, asked: Sequence[Asked], signs: Sequence[Signs]) -> set[str]:
    """Return the trades of which the catalogue has many wishes, by words or by meaning."""
    cosine: dict[str, list[float]] = {name: [] for name in (JUDGED, OWN, *trades())}
    had: dict[str, list[bool]] = {name: [] for name in trades()}
    for one, found in zip(asked, signs, strict=True):
        if one.sort in cosine:
            cosine[one.sort].append(found.values["cosine"])
        if one.sort in had:
            had[one.sort].append(_is_had(searcher, one.text))
    typical = float(np.median(cosine[JUDGED] or cosine[OWN] or [1.0]))
    return {
        name
        for name, own in had.items()
        if own and (np.mean(own) > MAX_HAD or np.median(cosine[name]) >= typical)
    }


def _has(searcher: Searcher, one: Asked, own_trades: set[str]) -> bool:
    """Return whether the catalogue has a wish of another trade."""
    if one.sort in ANSWERED or one.sort == NONSENSE:
        return False
    return one.sort in own_trades or _is_had(searcher, one.text)


def _is_had(searcher: Searcher, text: str) -> bool:
    """Return whether a product has every word."""
    with searcher.state() as state:
        return bool(len(state.lexicon.lexical.having(words_of(text))))


def _fitted(
    base: CertaintyConfig,
    asked: Sequence[Asked],
    signs: Sequence[Signs],
    max_told: float,
    own_trades: tuple[str, ...],
) -> CertaintyChoice:
    x_QF = np.array([[*(s.values[name] for name in SIGNS), *s.vector_D] for s in signs])
    sort_Q = np.array([one.sort for one in asked])
    answered_Q = np.isin(sort_Q, ANSWERED)
    fold_Q = _folds(sort_Q)
    logit_Q = np.empty(len(asked))
    for fold in range(NUM_FOLDS):
        rest_Q = fold_Q != fold
        weight_F, intercept = _regression(x_QF[rest_Q], answered_Q[rest_Q])
        logit_Q[~rest_Q] = x_QF[~rest_Q] @ weight_F + intercept
    judged_Q = sort_Q == JUDGED
    enough = np.count_nonzero(judged_Q) >= MIN_JUDGED
    choosing_Q = judged_Q if enough else np.isin(sort_Q, CHOOSING)
    bound = _bound(logit_Q[choosing_Q], logit_Q[sort_Q == MISSPELT], logit_Q[~answered_Q], max_told)
    weight_F, intercept = _regression(x_QF, answered_Q)
    weights = dict(zip(SIGNS, map(_rounded, weight_F.tolist()), strict=False))
    told_Q = logit_Q < bound
    return CertaintyChoice(
        config=replace(
            base,
            weights=SignWeights(**weights),
            intercept=_rounded(intercept),
            direction=tuple(map(_rounded, weight_F[len(SIGNS) :].tolist())),
            min_probability=_rounded(float(expit(bound))),
        ),
        num_judged=int(np.count_nonzero(judged_Q)),
        num_off_topic=int(np.count_nonzero(~answered_Q)),
        told=_share(told_Q[~answered_Q]),
        told_wrongly=_share(told_Q[judged_Q]),
        misspelt_wrongly=_share(told_Q[sort_Q == MISSPELT]),
        own_trades=own_trades,
    )


def _folds(sort_Q: np.ndarray) -> np.ndarray:
    """Return a fold for each query: by turns, and one for the whole of a trade."""
    fold_Q = np.arange(len(sort_Q)) % NUM_FOLDS
    others = [name for name in dict.fromkeys(sort_Q.tolist()) if name in trades()]
    for place, name in enumerate(others):
        fold_Q[sort_Q == name] = place % NUM_FOLDS
    return fold_Q


def _regression(x_QF: np.ndarray, answered_Q: np.ndarray) -> tuple[np.ndarray, float]:
    """Fit a logistic regression in which both classes weigh alike; returns (F,) and intercept."""
    mean_F, spread_F = x_QF.mean(axis=0), x_QF.std(axis=0)
    spread_F = np.where(spread_F > 0, spread_F, 1.0)
    z_QF = (x_QF - mean_F) / spread_F
    num = int(np.count_nonzero(answered_Q))
    weight_Q = np.where(answered_Q, 0.5 / max(num, 1), 0.5 / max(len(answered_Q) - num, 1))
    penalty_F = np.full(x_QF.shape[1], VECTOR_PENALTY)
    penalty_F[: len(SIGNS)] = SIGN_PENALTY

    def loss(b_F: np.ndarray) -> tuple[float, np.ndarray]:
        logit_Q = z_QF @ b_F[:-1] + b_F[-1]
        residual_Q = weight_Q * (expit(logit_Q) - answered_Q)
        total = weight_Q @ (np.logaddexp(0, logit_Q) - answered_Q * logit_Q)
        gradient_F = z_QF.T @ residual_Q + penalty_F * b_F[:-1]
        ridge = 0.5 * float(penalty_F @ b_F[:-1] ** 2)
        return float(total) + ridge, np.append(gradient_F, residual_Q.sum())

    fitted = minimize(loss, np.zeros(x_QF.shape[1] + 1), jac=True, method="L-BFGS-B").x
    weight_F = fitted[:-1] / spread_F
    return weight_F, float(fitted[-1] - weight_F @ mean_F)


def _bound(
    answered: np.ndarray, misspelt: np.ndarray, off_topic: np.ndarray, max_told: float
) -> float:
    """Return the logit below which a query counts as not found.

    The highest that tells at most `max_told` of the answered, where one more told must still be
    within the share. What tells enough of those without an answer is lower: then midway, or as far
    up as few of the misspelt are told.
    """
    ordered = np.sort(answered)
    num_told = int(max_told * (len(ordered) + 1)) - 1
    highest = ordered[num_told] if num_told >= 0 else ordered[0] - 0.5
    lowest = float(np.quantile(off_topic, WANTED_TOLD))
    middle = (highest + lowest) / 2
    if len(misspelt):
        middle = min(middle, max(lowest, float(np.quantile(misspelt, MISSPELT_TOLD))))
    return float(min(highest, middle))


def _share(told: np.ndarray) -> float:
    return float(told.mean()) if len(told) else 0.0


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
