"""Tables of README and docs, each made of files in benchmarks/results by one function.

A document has a table between `<!-- table: NAME -->` and `<!-- end -->`; `figures.py` writes it.
Rows are texts, the head first.
"""

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from published import Results, figure, written

from windowshop.study import load_regime_results, report_parts

Rows = list[list[str]]
SYSTEMS = {"fused": "**fused**", "text_only": "text only", "image_only": "image only"}
SYSTEMS["bm25"] = "BM25"
FASHION = "headline_fashion.json"
REGIMES = "study_regimes"
CLAIMS = "study_claims/report.md"
SHOWN_STORAGES = (("exact", "float32"), ("flat", "4bit"), ("zvec", "int8"))


def fashion(results: Results) -> Rows:
    """The default on fashion beside its baselines, with what only an image shows."""
    parts = ("kind=visual", "text_quality=sparse", "cold=True+text_quality=sparse")
    names = ("visual queries", "sparse texts", "sparse and unseen")
    rows = [["system", "Recall@100", "nDCG@10", *(f"Recall@100, {name}" for name in names)]]
    for system, name in SYSTEMS.items():
        found = results.at(FASHION, f"systems.{system}")
        whole = [figure(found["all"][m], ".123 ±") for m in ("recall@100", "ndcg@10")]
        rows.append(
            [name, *whole, *(figure(found["slices"][p]["recall@100"], ".123") for p in parts)]
        )
    return rows


def generated(results: Results) -> Rows:
    """The default and its baselines on the generated shop."""
    found = results.at("headline_demo.json", "")
    measures = ("recall@100", "ndcg@10")
    head = ["system", "Recall@100", "nDCG@10"]
    rows = [[*head, "fused − it, Recall@100", "fused − it, nDCG@10"]]
    for system in (name for name in SYSTEMS if name in found["systems"]):
        cells = [figure(found["systems"][system]["all"][m], ".123 ±") for m in measures]
        minus = found["fused_minus"].get(system)
        gains = [figure(minus["all"][m], "+.123 [") if minus else "–" for m in measures]
        rows.append([SYSTEMS[system], *cells, *gains])
    return rows


def few(results: Results) -> Rows:
    """The default where judgements are few: as served, by vectors alone, and BM25."""
    names = ("as served, nDCG@10", "vectors", "BM25", "served − vectors", "served − BM25")
    rows = [["judged training queries", "seeds", *names, "vectors, Recall@100", "BM25"]]
    for count in ("0", "30", "100", "300"):
        found = results.at(f"few_{count}.json", "")
        systems, minus = found["systems"], found["served_minus"]
        cells = [
            figure(systems[n]["all"]["ndcg@10"], ".123 ±") for n in ("served", "fused", "bm25")
        ]
        cells += [figure(minus[n]["all"]["ndcg@10"], "+.123 [") for n in ("fused", "bm25")]
        cells += [figure(systems[n]["all"]["recall@100"], ".123 ±") for n in ("fused", "bm25")]
        rows.append([count, str(found["num_seeds"]), *cells])
    return rows


def shuffled(results: Results) -> Rows:
    """Gain of the image over text alone, and what is left where images are dealt out at random."""
    trainings = {
        "the real images": "trained on real photos",
        "images shuffled in the index": "trained on real photos, shuffled in the index",
        "images shuffled in training too": "trained on shuffled photos",
    }
    parts = {"all": "all", "seen=True": "judged in training", "seen=False": "not judged in it"}
    rows = [["", *(f"products: {name}" for name in parts.values())]]
    for name, key in trainings.items():
        addresses = (f"{key}: {part}: fused minus text_only.recall@100" for part in parts)
        cells = (results.at("shuffled_images.json", address) for address in addresses)
        rows.append([name, *(figure(cell, "+.123 [") for cell in cells)])
    return rows


def claims(results: Results) -> Rows:
    """Every claim of the study of claims."""
    rows = [["claim", "compared", "difference", "p", "detectable", "answer"]]
    for found in results.claims(CLAIMS):
        pair = f"`{found.better}` − `{found.worse}`"
        cells = (found.difference, found.p, found.detectable or "–", found.answer)
        rows.append([found.claim, pair, *cells])
    return rows


def variants(results: Results) -> Rows:
    """Variants of the study of claims, beside the default and baselines."""
    columns = ("nDCG@10", "Recall@100", "Δ nDCG@10", "p", "seconds")
    rows = [["variant", *columns[:2], "minus the default", *columns[3:]]]
    names = ("text_tower_experts", "query_experts", "concat_mlp", "one_stage")
    for name in (*names, "bm25_negatives", "text_twice", "text_only", "image_only", "bm25"):
        cells = (results.cell(CLAIMS, name, column) for column in columns)
        rows.append([f"`{name}`", *cells])
    return rows


def peers(results: Results) -> Rows:
    """Other systems that one would train, each from the run that has it."""
    rows = [["system", "nDCG@10", "Recall@100", "seconds"]]
    few = "60 steps of 64 pairs"
    shown = (
        ("peers.json", "ours", "**windowshop**"),
        ("peers.json", "score_tuned", "tuned score fusion of windowshop's text and image towers"),
        ("peers.json", "score_raw", "raw sum of the same scores"),
        ("peers.json", "score_centred", "mean-centred sum"),
        ("peers.json", "clip_style_frozen", "CLIP-like projections, text and image averaged"),
        ("peers_text.json", "ours_text_only_frozen", "windowshop, text only"),
        ("peers_text.json", "st_text_only", f"sentence-transformers, same text encoder ({few})"),
        ("peers_text.json", "ours_text_only", f"windowshop, text only, encoder trained ({few})"),
        ("peers_encoders.json", "clip_style", f"CLIP-like training of both encoders ({few})"),
    )
    for file, system, name in shown:
        found = results.at(file, f"systems.{system}")
        cells = [figure(found["all"][measure], ".123") for measure in ("ndcg@10", "recall@100")]
        rows.append([name, *cells, written(found["training_s"], "1")])
    return rows


def search(results: Results) -> Rows:
    """The tuned search beside each of its channels."""
    modes = ("hybrid", "vectors", "words")
    rows = [["queries", *modes, "hybrid − vectors, nDCG@10", "hybrid − vectors, Recall@100"]]
    parts = {"all": "quality.all", "mixed": "quality.kind=mixed"}
    parts |= {"textual": "quality.kind=textual", "visual": "quality.kind=visual"}
    parts["all, one or two typos a word"] = "typos.all"
    for name, address in parts.items():
        found = results.at("hybrid.json", address)
        means = [
            " / ".join(figure(found["means"][mode][m], ".123") for m in ("ndcg@10", "recall@100"))
            for mode in modes
        ]
        gains = (found["gains"][f"hybrid minus vectors: {m}"] for m in ("ndcg@10", "recall@100"))
        rows.append([name, *means, *(figure(gain["difference"], "+.123 [") for gain in gains)])
    return rows


def composed(results: Results) -> Rows:
    """A text with an image, beside each alone."""
    rows = [["asked by", "nDCG@10", "Recall@100"]]
    for key, name in (("both", "image and text"), ("photo", "image"), ("text", "text")):
        found = results.at("composed.json", f"test.{key}")
        rows.append([name, *(figure(found[m], ".123 ±") for m in ("ndcg@10", "recall@100"))])
    return rows


def service(results: Results) -> Rows:
    """Answer times over HTTP beside what one would put together."""
    names = {
        "windowshop": "windowshop",
        "stock": "FastAPI, MiniLM in torch, same engine; vectors and words merged",
        "stock_vectors_alone": "the same, vectors alone",
    }
    rows = [["server", "median, ms", "99th percentile, ms", "answers a second, 16 clients"]]
    for key, name in names.items():
        found = results.at("service.json", key)
        one, many = found["one_client"], found["many_clients"]
        times = [written(one[k], "1.0") for k in ("p50_ms", "p99_ms")]
        rows.append([name, *times, written(many["requests_per_second"], "1")])
    return rows


def faults(results: Results) -> Rows:
    """Faults that were tried for this version, by kind and by what they hit."""
    rows = [["fault", "of", "tried", "at commit"]]
    for key, name in (("kills", "kill"), ("damages", "damage"), ("full_disks", "full disk")):
        for found in results.at("faults.json", key):
            rows.append([name, found["name"], f"{found['count']:,}", found["commit"]])
    return rows


def engines(results: Results) -> Rows:
    """Lowest share of true neighbours and longest time of each engine, over filters and changes."""
    rows = [["engine", "lowest recall of the true 100", "ms, no filter", "ms, slowest filter"]]
    states: dict[str, Any] = results.at("engines.json", "states")
    for name in states["fresh"]["all"]:
        found = [by[name] for state in states.values() for by in state.values()]
        lowest = min(item["recall"] for item in found)
        slowest = max(item["ms"] for item in found)
        unfiltered = states["fresh"]["all"][name]["ms"]
        times = [written(ms, "1.0") for ms in (unfiltered, slowest)]
        rows.append([name, f"{math.floor(lowest * 10_000) / 10_000:.4f}", *times])
    return rows


def widths(results: Results) -> Rows:
    """Quality and bytes of each width that a model was trained for, in some engines' storage."""
    measures = {"ndcg@10": "nDCG@10", "recall@100": "Recall@100"}
    head = ["width", "engine, storage", "bytes compared", "bytes on disk"]
    rows = [[*head, *(cell for name in measures.values() for cell in (name, "− full"))]]
    found = results.at("bytes.json", "")
    for name, cost in found["settings"].items():
        if (cost["engine"], cost["storage"]) not in SHOWN_STORAGES:
            continue
        size = [f"{cost[key]:,.0f}" for key in ("scored_bytes", "disk_bytes")]
        cells = [f"{cost['width']}", f"`{cost['engine']}`, {cost['storage']}", *size]
        for measure in measures:
            cells.append(figure(found["systems"][name]["all"][measure], ".123"))
            cells.append(figure(cost["minus_reference"][measure], "+.123 ["))
        rows.append(cells)
    return rows


def regimes_map(results: Results) -> Rows:
    """Gain of each ingredient by regime."""
    return _of_regimes(results, "Which ingredient pays when")


def regimes_best(results: Results) -> Rows:
    """The training that dev chooses in each regime, beside BM25 and the encoder as it comes."""
    return _of_regimes(results, "Best training of each regime, beside BM25")


TABLES: dict[str, Callable[[Results], Rows]] = {
    table.__name__: table
    for table in (
        *(generated, fashion, few, shuffled, claims, variants, peers),
        *(search, composed, service, faults, engines, widths, regimes_map, regimes_best),
    )
}


def _of_regimes(results: Results, title: str) -> Rows:
    """Return a table of the study of regimes, made again from its figures and scores."""
    results.at(f"{REGIMES}/results.json", "environment")  # noted as used
    head, rows = _regime_tables(results.folder / REGIMES)[title]
    return [list(head), *(list(row) for row in rows)]


@cache
def _regime_tables(folder: Path) -> dict[str, tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]]:
    tables = report_parts(load_regime_results(folder)).tables
    return {table.title: (table.head, table.rows) for table in tables}
