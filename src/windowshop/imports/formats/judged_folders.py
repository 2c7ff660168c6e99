"""Judged sets of several files: ESCI, WANDS, BEIR, TREC."""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from windowshop.imports.column_map import guess_map
from windowshop.imports.encodings import detect_encoding, open_text
from windowshop.imports.formats.format import FolderFormat, Found, Job
from windowshop.imports.formats.judged_tables import Grades
from windowshop.imports.formats.table import record_of
from windowshop.imports.record import JudgedQuery, Judgement, Record
from windowshop.imports.report import ImportReport
from windowshop.imports.source import Source

SPLITS = {
    "train": "train",
    "dev": "dev",
    "valid": "dev",
    "val": "dev",
    "validation": "dev",
    "test": "test",
}
_QREL = re.compile(r"^(\S+)\s+(\S+)\s+(\S+)\s+(-?\d+)\s*$")
_TOPIC = re.compile(r"<top>(.*?)</top>", re.S | re.I)
Items = Iterator[Record | JudgedQuery | Judgement]


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))


def _named(folder: Path, pattern: str) -> list[Path]:
    return [path for path in _files(folder) if re.search(pattern, path.name, re.IGNORECASE)]


def _esci_files(folder: Path) -> tuple[list[Path], list[Path]]:
    products = _named(folder, r"products.*\.(?:parquet|csv|jsonl)(?:\.gz)?$")
    examples = _named(folder, r"examples.*\.(?:parquet|csv|jsonl)(?:\.gz)?$")
    return products, examples


def _is_esci(folder: Path) -> Found | None:
    products, examples = _esci_files(folder)
    if not examples or not products:
        return None
    if not {"query", "product_id", "esci_label"} <= {*Source(examples[0]).header}:
        return None
    return Found(0.98, ("files of products and of examples with esci_label",))


def _read_esci(folder: Path, job: Job) -> Items:
    products, examples = _esci_files(folder)
    grades = Grades(())
    for path in products:
        source = Source(path)
        for number, row in source.rows(job.report):
            yield _esci_product(number, row)
    for path in examples:
        for number, row in Source(path).rows(job.report):
            grade = grades.grade(row.get("esci_label"))
            if grade is None:
                job.report.add("bad-grade", number, row.get("esci_label"))
                continue
            query_id, split = str(row.get("query_id")), SPLITS.get(str(row.get("split")), "")
            locale = {"locale": row["product_locale"]} if row.get("product_locale") else {}
            yield JudgedQuery(query_id, str(row.get("query")), split, locale)
            yield Judgement(query_id, str(row.get("product_id")), grade, number)


def _esci_product(number: int, row: Mapping[str, Any]) -> Record:
    points = row.get("product_bullet_point")
    record = Record(
        number,
        {
            "product_id": row.get("product_id"),
            "title": row.get("product_title"),
            "description": [text for text in (points, row.get("product_description")) if text],
            "brand": row.get("product_brand"),
        },
    )
    if row.get("product_color"):
        record.options["color"] = row["product_color"]
    if row.get("product_locale"):
        record.columns["locale"] = row["product_locale"]
        record.fallback_id = f"{row.get('product_id')}-{row['product_locale']}"
    return record


def _wands_files(folder: Path) -> tuple[Path, Path, Path] | None:
    found = [
        _named(folder, rf"^{name}s?\.(?:csv|tsv)(?:\.gz)?$")
        for name in ("product", "query", "label")
    ]
    queries = found[1] or _named(folder, r"^queries\.(?:csv|tsv)$")
    return (found[0][0], queries[0], found[2][0]) if found[0] and queries and found[2] else None


def _is_wands(folder: Path) -> Found | None:
    files = _wands_files(folder)
    if files is None:
        return None
    headers = [{*Source(path).header} for path in files]
    if {"product_id"} <= headers[0] and {"query_id", "query"} <= headers[1] and {
        "query_id", "product_id", "label"
    } <= headers[2]:  # fmt: skip
        return Found(0.97, ("files product, query and label",))
    return None


def _read_wands(folder: Path, job: Job) -> Items:
    files = _wands_files(folder)
    assert files is not None
    source = Source(files[0])
    found, _ = guess_map(source.header, source.sample)
    known = {
        "product_name": "title",
        "product_description": "description",
        "product_id": "product_id",
    }
    for number, row in source.rows(job.report):
        plain = {n: v for n, v in row.items() if n in known}
        record = record_of(number, plain, found)
        record.fields |= {target: row[name] for name, target in known.items() if name in row}
        path = str(row.get("category hierarchy") or row.get("category_hierarchy") or "")
        paths = [" > ".join(part.strip() for part in path.split("/") if part.strip())]
        record.fields["category"] = [*paths, *([] if paths[0] else [row.get("product_class", "")])]
        record.attributes = _features(str(row.get("product_features") or ""))
        for name, value in row.items():
            if name not in (*known, "category hierarchy", "category_hierarchy", "product_features"):
                record.columns[name] = value
        yield record
    for _, row in Source(files[1]).rows(job.report):
        more = {"query_class": row["query_class"]} if row.get("query_class") else {}
        yield JudgedQuery(str(row["query_id"]), str(row.get("query", "")), "", more)
    grades = Grades(())
    for number, row in Source(files[2]).rows(job.report):
        grade = grades.grade(row.get("label"))
        if grade is None:
            job.report.add("bad-grade", number, row.get("label"))
        else:
            yield Judgement(str(row.get("query_id")), str(row.get("product_id")), grade, number)


def _features(text: str) -> dict[str, Any]:
    """Return facts of `name : value|name : value`; repeated names have several values."""
    facts: dict[str, Any] = {}
    for part in text.split("|"):
        name, sign, value = (piece.strip() for piece in part.partition(":"))
        if sign and name and value:
            held = facts.get(name)
            if held is None:
                facts[name] = value
            else:
                held = held if isinstance(held, list) else [held]
                facts[name] = [*held, *([] if value in held else [value])]
    return facts


def _beir_files(folder: Path) -> tuple[list[Path], list[Path], list[Path]]:
    return (
        _named(folder, r"^corpus.*\.(?:jsonl|parquet)(?:\.gz)?$"),
        _named(folder, r"^queries.*\.(?:jsonl|parquet)(?:\.gz)?$"),
        [path for path in _files(folder) if path.parent.name == "qrels" or "qrels" in path.name],
    )


def _is_beir(folder: Path) -> Found | None:
    corpus, queries, qrels = _beir_files(folder)
    return Found(0.97, ("corpus, queries and qrels",)) if corpus and queries and qrels else None


def _read_beir(folder: Path, job: Job) -> Items:
    corpus, queries, qrels = _beir_files(folder)
    for path in corpus:
        for number, row in Source(path).rows(job.report):
            facts = row.get("metadata") if isinstance(row.get("metadata"), dict) else {}
            text = row.get("text")
            record = Record(number, {"product_id": row.get("_id") or row.get("id"),
                                     "title": row.get("title") or str(text or "")[:200],
                                     "description": text})  # fmt: skip
            assert isinstance(facts, dict)
            record.attributes = {n: v for n, v in facts.items() if n not in ("image", "price")}
            record.fields |= {n: facts[n] for n in ("price", "brand", "category") if facts.get(n)}
            yield record
    splits: dict[str, str] = {}
    judged: list[Judgement] = []
    for path in qrels:
        split = SPLITS.get(re.split(r"[._-]", path.name)[0], "")
        for judgement in _qrels(path, job):
            judged.append(judgement)
            if split:
                splits.setdefault(judgement.query_id, split)
    for path in queries:
        for _, row in Source(path).rows(job.report):
            query_id = str(row.get("_id") or row.get("id"))
            if query_id in splits or not splits:
                yield JudgedQuery(query_id, str(row.get("text", "")), splits.get(query_id, ""))
    yield from judged


def _qrels(path: Path, job: Job) -> Iterator[Judgement]:
    """Read judgements of TREC's four columns, or of three with a header."""
    with open_text(path, detect_encoding(path)) as file:
        for number, line in enumerate(file, start=1):
            parts = line.split()
            if not parts or (number == 1 and not re.fullmatch(r"-?\d+(?:\.\d+)?", parts[-1])):
                continue
            if len(parts) not in (3, 4) or not re.fullmatch(r"-?\d+(?:\.\d+)?", parts[-1]):
                job.report.add("bad-grade", number, line.strip())
                continue
            yield Judgement(parts[0], parts[-2], max(0, min(10, round(float(parts[-1])))), number)


def _trec_files(folder: Path) -> tuple[list[Path], list[Path], list[Path]]:
    files = _files(folder)
    qrels = [p for p in files if "qrel" in p.name.lower() and _looks_qrels(p)]
    topics = [p for p in files if re.search(r"topic|quer", p.name, re.I) and p not in qrels]
    rest = [p for p in files if p not in qrels and p not in topics]
    products = [
        p for p in rest if re.search(r"\.(?:jsonl?|tsv|csv|parquet|xml)(?:\.gz)?$", p.name, re.I)
    ]
    return qrels, topics, products


def _looks_qrels(path: Path) -> bool:
    try:
        with open_text(path, "utf-8") as file:
            lines = [line for line in islice(file, 5) if line.strip()]
    except OSError:
        return False
    return bool(lines) and all(_QREL.match(line) for line in lines)


def _is_trec(folder: Path) -> Found | None:
    qrels, topics, products = _trec_files(folder)
    if not qrels or not topics:
        return None
    held = f", {products[0].name}" if products else ""
    return Found(0.9, (f"{qrels[0].name} in four columns, {topics[0].name}{held}",))


def _read_trec(folder: Path, job: Job) -> Items:
    qrels, topics, products = _trec_files(folder)
    for path in products:
        source = Source(path)
        found, _ = guess_map(source.header, source.sample)
        for number, row in source.rows(job.report):
            yield record_of(number, row, found)
    for path in topics:
        split = next((name for word, name in SPLITS.items() if word in path.name.lower()), "")
        for query_id, text in _topics(path):
            yield JudgedQuery(query_id, text, split)
    for path in qrels:
        yield from _qrels(path, job)


def _topics(path: Path) -> Iterator[tuple[str, str]]:
    """Yield ids and texts of topics: TREC's own form, JSON lines, or a table of two columns."""
    with open_text(path, detect_encoding(path)) as file:
        text = file.read()
    tops = _TOPIC.findall(text)
    for top in tops:
        number = re.search(r"<num>\s*(?:Number:)?\s*([^\s<]+)", top, re.I)
        title = re.search(r"<(?:title|query)>\s*(?:Topic:)?\s*([^<]+)", top, re.I)
        if number and title:
            yield number[1], " ".join(title[1].split())
    if tops:
        return
    if text.lstrip().startswith(("{", "[")):
        for _, row in Source(path).rows(ImportReport(source="")):
            query_id = next(
                (row[n] for n in ("_id", "id", "qid", "query_id", "number") if n in row), ""
            )
            words = next((row[n] for n in ("text", "query", "title") if n in row), "")
            yield str(query_id), str(words)
        return
    for line in text.splitlines():
        parts = re.split(r"\t|,(?=\S)|\s{2,}|:(?=\S)", line.strip(), maxsplit=1)
        if len(parts) == 2 and parts[0].lower() not in ("qid", "query_id", "id", "query-id"):
            yield parts[0].strip(), parts[1].strip().strip('"')


ESCI = FolderFormat(
    title="ESCI", recognise=_is_esci, read=_read_esci,
    files=lambda folder: [p for group in _esci_files(folder) for p in group],
)  # fmt: skip
WANDS = FolderFormat(
    title="WANDS", recognise=_is_wands, read=_read_wands,
    files=lambda folder: [*(_wands_files(folder) or ())],
)  # fmt: skip
BEIR = FolderFormat(
    title="BEIR", recognise=_is_beir, read=_read_beir,
    files=lambda folder: [p for group in _beir_files(folder) for p in group],
)  # fmt: skip
TREC = FolderFormat(
    title="TREC", recognise=_is_trec, read=_read_trec,
    files=lambda folder: [p for group in _trec_files(folder) for p in group],
)  # fmt: skip
