"""Judgements: an append-only log of grades, and the tables that training reads.

    JUDGEMENTS/judgements.jsonl    every grade as it came; the latest of a pair and judge counts,
                                   null is none
    JUDGEMENTS/queries.jsonl       query_id, query
    JUDGEMENTS/qrels.jsonl         query_id, product_id, grade, kind: one row a pair

Where judges differ, the pair's grade is their mean, a half rounded up. A pair whose grades were all
taken away is in no table, nor is a query without pairs; without any pair there are no tables.
"""

import os
import threading
import time
from pathlib import Path
from typing import Any

import orjson
import xxhash

from windowshop.data import RELEVANCE
from windowshop.files import append_whole, write_atomic
from windowshop.service.http.requests import JudgementBody
from windowshop.service.logs.feedback import query_key

JUDGEMENTS_FOLDER = "judgements"
"""Folder inside an index folder."""
LOG_FILE, QUERIES_FILE, QRELS_FILE = "judgements.jsonl", "queries.jsonl", "qrels.jsonl"


class Judgements:
    """Judgements of a folder; one process, many threads."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._lock = threading.Lock()
        self._grades: dict[str, dict[str, dict[str, int]]] = {}
        """Query's key -> product -> judge -> grade."""
        self._texts: dict[str, str] = {}
        self._is_stale = False
        path = folder / LOG_FILE
        whole = path.read_bytes().rpartition(b"\n")[0] if path.exists() else b""
        for line in whole.splitlines():
            self._note(orjson.loads(line))
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        os.ftruncate(self._file, len(whole) + bool(whole))  # a line that a kill left half written

    def add(self, body: JudgementBody) -> None:
        """Append a grade, or its removal; on return it survives a SIGKILL."""
        row = body.model_dump() | {"query": body.query.strip(), "time": time.time()}
        with self._lock:
            append_whole(self._file, orjson.dumps(row) + b"\n")
            self._note(row)

    def of(self, query: str, judge: str | None = None) -> list[dict[str, Any]]:
        """Return the grades of a query by all judges, or by one, in the order of first grades."""
        with self._lock:
            products = self._grades.get(query_key(query), {})
            if judge is not None:
                products = {
                    name: {judge: by[judge]} for name, by in products.items() if judge in by
                }
            return [{"product_id": name, "grade": _joined(by)} for name, by in products.items()]

    def tick(self) -> None:
        """Write the tables where grades have changed."""
        with self._lock:
            if not self._is_stale:
                return
            self._is_stale = False
            judged = {self._texts[key]: products for key, products in self._grades.items()}
            queries = [{"query_id": query_id(text), "query": text} for text in judged]
            qrels = [
                {
                    "query_id": query_id(text),
                    "product_id": name,
                    "grade": _joined(by),
                    "kind": RELEVANCE,
                }
                for text, products in judged.items()
                for name, by in products.items()
            ]
        _write_lines(self._folder / QUERIES_FILE, queries)
        _write_lines(self._folder / QRELS_FILE, qrels)

    def close(self) -> None:
        """Write the tables and release the log."""
        self.tick()
        os.close(self._file)

    def _note(self, row: dict[str, Any]) -> None:
        self._is_stale = True
        key, name, judge = query_key(row["query"]), row["product_id"], row["judge"]
        if row["grade"] is not None:
            self._texts.setdefault(key, row["query"])
            self._grades.setdefault(key, {}).setdefault(name, {})[judge] = row["grade"]
            return
        products = self._grades.get(key, {})
        products.get(name, {}).pop(judge, None)
        if not products.get(name):
            products.pop(name, None)
        if not products:
            self._grades.pop(key, None)


def query_id(query: str) -> str:
    """Return the id of a query text; equal texts have one id."""
    return f"asked-{xxhash.xxh3_64_hexdigest(query_key(query).encode())}"


def _joined(by_judge: dict[str, int]) -> int:
    return int(sum(by_judge.values()) / len(by_judge) + 0.5)


def _write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    if not rows:
        path.unlink(missing_ok=True)
        return
    content = b"".join(orjson.dumps(row) + b"\n" for row in rows)
    write_atomic(path, lambda aside: aside.write_bytes(content))
