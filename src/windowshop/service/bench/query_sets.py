"""Sets of queries: judged ones, those of the log, and those that people pasted.

Grades of a set come from its own judgements; those that were given in the workbench count more.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

import polars as pl

from windowshop.data import query_key
from windowshop.errors import DataError
from windowshop.evaluation import Qrels, relevance_threshold
from windowshop.index import Database
from windowshop.service.bench.judged_data import JudgedData, JudgedSplit
from windowshop.service.bench.kept_files import KeptFiles
from windowshop.service.bench.latest import Latest
from windowshop.service.bench.query_text import Grouped, grouped, read_pairs
from windowshop.service.http.errors import ServiceError
from windowshop.service.logs.feedback import RECENT_SEARCHES
from windowshop.service.logs.judgements import Judgements
from windowshop.service.logs.tables import LogDatabase

Kind: TypeAlias = Literal["judged", "data", "endpoint", "frequent", "empty", "own"]
MAX_QUERIES = 2_000
"""Most queries of a set; of a larger one every second is taken, or every third."""
NUM_LOGGED = 500
"""Queries of a set of the log."""
NUM_KEPT = 4
"""Sets of their own that stay in memory."""
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
NO_GRADES: Grouped = Grouped([], {})


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
    rests_on: str = ""
    """Sentence beside every figure, where the grades are not of people."""

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
class Listed:
    """Sets to choose from, and why there are no more."""

    heads: list[dict[str, Any]]
    """Of each set that has a query."""
    problems: list[str]
    """Why others cannot be read."""


class QuerySets:
    """Sets of an index; for many threads."""

    def __init__(
        self, index: Path, log: LogDatabase, judgements: Judgements, data: JudgedData | None
    ) -> None:
        self._log, self._judgements = log, judgements
        self._data = JudgedSplit(data) if data else None
        self._kept = KeptFiles(index, "sets", head=_kept_head)
        self._given_latest: Latest[Grouped] = Latest()
        self._lock = threading.Lock()
        self._own: OrderedDict[str, tuple[int, Grouped]] = OrderedDict()
        """Latest sets of their own, with the times of their files."""

    def listed(self) -> Listed:
        """Return the sets to choose from; one that cannot be read hides no other."""
        ids = ["judged", "frequent", "empty"]
        if self._data is not None:
            ids[1:1] = ["data", *(["endpoint"] if self._data.has_model else [])]
        here = self._given()
        kept, problems = self._kept.heads()
        heads = []
        for set_id in ids:
            try:
                heads.append(self._of(set_id, here).head())
            except ServiceError as error:
                problems.append(str(error))
        heads += [_head_of_own(head, here) for head in kept]
        return Listed([head for head in heads if head["num_queries"]], problems)

    def get(self, set_id: str) -> QuerySet:
        """Return a set with all grades so far; raises ServiceError 404 for an unknown one."""
        return self._of(set_id, self._given())

    def grades(self, set_id: str, text: str) -> dict[str, int]:
        """Return the grades of a query's products in a set; raises ServiceError 404 as `get`."""
        _, read, _ = self._parts(set_id, NO_GRADES)
        given = self._judgements.of(text)
        own = read.grades.get(query_key(text), {})
        return {**own, **{row["product_id"]: row["grade"] for row in given}}

    def regraded(self, queries: QuerySet) -> QuerySet:
        """Return the same queries with all grades so far."""
        return replace(queries, qrels=_joined(queries.texts, queries.own, self._given().grades))

    def _given(self) -> Grouped:
        """Return the grades that were given here, read again once there are others."""
        state = self._judgements.state()
        return self._given_latest.of(state, lambda: grouped([*self._judgements.pairs()]))

    def _of(self, set_id: str, here: Grouped) -> QuerySet:
        kind = set_id.partition(":")[0]
        title, read, rests_on = self._parts(set_id, here)
        counts: dict[str, int] = {}
        if kind in ("frequent", "empty"):
            counts = _searched(self._log(), found_nothing=kind == "empty")
            read = Grouped(list(counts), {})
        texts = _chosen(read.texts)
        return QuerySet(
            id=set_id,
            title=title,
            kind=kind,  # type: ignore[arg-type]
            texts=texts,
            own=read.grades,
            qrels=_joined(texts, read.grades, here.grades),
            counts=counts,
            num_all=len(read.texts),
            rests_on=rests_on,
        )

    def _parts(self, set_id: str, here: Grouped) -> tuple[str, Grouped, str]:
        """Return title, texts with their own grades, and what these rest on, but not the log's."""
        kind, _, name = set_id.partition(":")
        if kind == "judged":
            return TITLES["judged"], Grouped(here.texts, {}), ""
        if kind in ("frequent", "empty"):
            return TITLES[kind], NO_GRADES, ""  # type: ignore[index]
        if kind == "own":
            return name, self._of_file(name), ""
        if kind == "data" and self._data is not None:
            return self._data.data.title, self._data.people(), ""
        if kind == "endpoint" and self._data is not None and self._data.has_model:
            found = self._data.model()
            return f"{self._data.data.title}, by {found.model}", found.queries, found.rests_on
        raise ServiceError(404, "unknown_set", f"There is no set {set_id!r}.", where="set")

    def _of_file(self, name: str) -> Grouped:
        written = self._kept.written(name)
        with self._lock:
            known = self._own.get(name)
            if known is not None and known[0] == written:
                self._own.move_to_end(name)
                return known[1]
        content = self._kept.read(name)
        read = Grouped(content["texts"], content["grades"])
        with self._lock:
            self._own[name] = (written, read)
            while len(self._own) > NUM_KEPT:
                self._own.popitem(last=False)
        return read

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


def _chosen(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the texts that are measured, evenly over all of them."""
    return tuple(texts[:: -(-len(texts) // MAX_QUERIES)]) if texts else ()


def _kept_head(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what stays in memory of a set's file: its size, and the queries without a grade."""
    keys = [query_key(text) for text in _chosen(content["texts"])]
    return {
        "name": content["name"],
        "num_all": len(content["texts"]),
        "num_queries": len(keys),
        "ungraded": [key for key in keys if not content["grades"].get(key)],
    }


def _head_of_own(kept: Mapping[str, Any], here: Grouped) -> dict[str, Any]:
    ungraded = sum(not here.grades.get(key) for key in kept["ungraded"])
    return {
        "id": f"own:{kept['name']}",
        "title": kept["name"],
        "kind": "own",
        "num_all": kept["num_all"],
        "num_queries": kept["num_queries"],
        "num_judged": kept["num_queries"] - ungraded,
    }


def _joined(texts: Iterable[str], own: Qrels, given: Qrels) -> Qrels:
    """Return the grades of queries; those that were given here count more than a set's own."""
    keys = map(query_key, texts)
    return {key: {**own.get(key, {}), **given.get(key, {})} for key in keys}


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
