"""Sets of queries: judged ones, those of the log, and those that people pasted.

Grades of a set come from its own judgements; those that were given in the workbench count more.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

import polars as pl

from windowshop.data import query_key, read_dataset
from windowshop.errors import DataError
from windowshop.evaluation import Qrels, relevance_threshold, split_kinds
from windowshop.index import Database
from windowshop.service.bench.kept_files import KeptFiles
from windowshop.service.bench.query_text import Grouped, grouped, read_pairs
from windowshop.service.http.errors import ServiceError
from windowshop.service.logs.feedback import RECENT_SEARCHES
from windowshop.service.logs.judgements import Judgements
from windowshop.service.logs.tables import LogDatabase

Kind: TypeAlias = Literal["judged", "data", "frequent", "empty", "own"]
MAX_QUERIES = 2_000
"""Most queries of a set; of a larger one every second is taken, or every third."""
NUM_LOGGED = 500
"""Queries of a set of the log."""
TITLES: dict[Kind, str] = {
    "judged": "Judged here",
    "frequent": "Searched most",
    "empty": "Nothing found",
}
OF_LOG = (
    "SELECT text, count(*) FROM searches WHERE number > (SELECT coalesce(max(number), 0) FROM "
    "searches) - ? AND text != '' AND offset = 0 AND NOT follow_up AND NOT photo AND "
    "filter_text IS NULL AND (total = 0) = ? GROUP BY text"
)


@dataclass(frozen=True, kw_only=True)
class QuerySet:
    """Queries to measure a search on, with what is known of their products."""

    id: str
    title: str
    kind: Kind
    texts: tuple[str, ...]
    own: Qrels
    """Grades of the set itself, by query key and product."""
    qrels: Qrels
    """Those with the grades that were given here."""
    counts: Mapping[str, int]
    """How often each text was searched, where the set is of the log."""
    num_all: int
    """Number of queries before the set was cut to MAX_QUERIES."""

    @cached_property
    def threshold(self) -> int:
        """Lowest grade that is relevant."""
        grades = [grade for judged in self.qrels.values() for grade in judged.values()]
        return relevance_threshold(pl.DataFrame({"grade": grades or [0]}))

    def head(self) -> dict[str, Any]:
        """Return what a list of sets says of it."""
        judged = sum(bool(self.qrels.get(query_key(text))) for text in self.texts)
        about = {"id": self.id, "title": self.title, "kind": self.kind, "num_all": self.num_all}
        return {**about, "num_queries": len(self.texts), "num_judged": judged}


@dataclass(frozen=True, slots=True)
class JudgedData:
    """Data folder whose judged split is a set."""

    folder: Path
    split: str = "test"


class QuerySets:
    """Sets of an index; for many threads."""

    def __init__(
        self, index: Path, log: LogDatabase, judgements: Judgements, data: JudgedData | None
    ) -> None:
        self._log, self._judgements, self._data = log, judgements, data
        self._kept = KeptFiles(index, "sets")
        self._read: Grouped | None = None

    def heads(self) -> list[dict[str, Any]]:
        """Return what there is to choose from; sets without a query are left out."""
        ids = ["judged", *(["data"] if self._data else []), "frequent", "empty"]
        ids += [f"own:{head['name']}" for head in self._kept.heads()]
        here = self._given()
        heads = [self._of(set_id, here).head() for set_id in ids]
        return [head for head in heads if head["num_queries"]]

    def get(self, set_id: str) -> QuerySet:
        """Return a set with all grades so far; raises ServiceError 404 for an unknown one."""
        return self._of(set_id, self._given())

    def regraded(self, queries: QuerySet) -> QuerySet:
        """Return the same queries with all grades so far."""
        return replace(queries, qrels=_joined(queries.texts, queries.own, self._given().grades))

    def _given(self) -> Grouped:
        return grouped([*self._judgements.pairs()])

    def _of(self, set_id: str, here: Grouped) -> QuerySet:
        kind, _, name = set_id.partition(":")
        counts: dict[str, int] = {}
        own: Qrels = {}
        title = TITLES.get(kind, name)  # type: ignore[call-overload]
        if kind == "judged":
            texts = here.texts
        elif kind == "data" and self._data is not None:
            read = self._of_data(self._data)
            texts, own = read.texts, read.grades
            title = f"{self._data.folder.resolve().name}, {self._data.split}"
        elif kind in ("frequent", "empty"):
            counts = _searched(self._log(), found_nothing=kind == "empty")
            texts = list(counts)
        elif kind == "own":
            content = self._kept.read(name)
            texts, own = content["texts"], content["grades"]
        else:
            raise ServiceError(404, "unknown_set", f"There is no set {set_id!r}.", where="set")
        chosen = tuple(texts[:: -(-len(texts) // MAX_QUERIES)]) if texts else ()
        return QuerySet(
            id=set_id,
            title=title,
            kind=kind,  # type: ignore[arg-type]
            texts=chosen,
            own=own,
            qrels=_joined(chosen, own, here.grades),
            counts=counts,
            num_all=len(texts),
        )

    def add(self, name: str, content: str) -> QuerySet:
        """Keep a set that was pasted or uploaded; raises ServiceError 422 if it cannot be read."""
        try:
            read = grouped(read_pairs(content))
        except DataError as error:
            raise ServiceError(422, "bad_set", str(error), where="content") from None
        self._kept.write(name, asdict(read))
        return self.get(f"own:{name}")

    def delete(self, name: str) -> None:
        """Delete a set of its own; raises ServiceError 404 where there is none."""
        self._kept.delete(name)

    def _of_data(self, data: JudgedData) -> Grouped:
        if self._read is None:
            self._read = _judged_split(data)
        return self._read


def _joined(texts: Iterable[str], own: Qrels, given: Qrels) -> Qrels:
    """Return the grades of queries; those that were given here count more than a set's own."""
    keys = map(query_key, texts)
    return {key: {**own.get(key, {}), **given.get(key, {})} for key in keys}


def _judged_split(data: JudgedData) -> Grouped:
    """Return the texts of a split and their grades, by people where there are any."""
    dataset = read_dataset(data.folder)
    rows = dataset.split(data.split)
    by_kind = split_kinds(dataset.qrels_of(rows))
    qrels = next(iter(by_kind.values()), dataset.qrels.clear())
    texts = rows.filter(
        pl.col("query").fill_null("").str.strip_chars() != "", pl.col("image").is_null()
    )
    pairs = texts.join(qrels, "query_id").select("query", "product_id", "grade").iter_rows()
    return grouped(list(pairs))


def _searched(database: Database, *, found_nothing: bool) -> dict[str, int]:
    """Return texts of the log by how often they were searched, the commonest first."""
    with database.reading() as connection:
        rows = connection.execute(OF_LOG, (RECENT_SEARCHES, found_nothing)).fetchall()
    counts: dict[str, int] = {}
    texts: dict[str, str] = {}
    for text, count in rows:
        key = query_key(text)
        texts.setdefault(key, text.strip())
        counts[key] = counts.get(key, 0) + count
    most = sorted(counts, key=lambda key: (-counts[key], key))[:NUM_LOGGED]
    return {texts[key]: counts[key] for key in most if key}
