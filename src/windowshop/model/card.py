"""Model card: what a model was made from, how it scores by its own evaluation, and its limits."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from windowshop.config import CONFIG_FILE, FUSED, load_config
from windowshop.errors import DataError
from windowshop.model.checkpoint import Manifest, load_manifest

MEASURES = ("ndcg@10", "recall@10", "recall@100", "mrr@10")
"""Measures of the card's table, of those that there are."""


def model_card(folder: Path, evaluation: Path | None = None) -> str:
    """Return a README with metadata; `evaluation` is the JSON of `windowshop evaluate`.

    Raises DataError where the evaluation is unreadable, or of another model.
    """
    manifest = load_manifest(folder)
    figures = None if evaluation is None else _read(evaluation, manifest)
    return "\n".join([*_metadata(manifest, figures), *_body(folder, manifest, figures), ""])


def _read(path: Path, manifest: Manifest) -> dict[str, Any]:
    try:
        figures = {**json.loads(path.read_text(encoding="utf-8"))}
        systems = {**figures["systems"]}
        key = figures["model"]["run_key"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"{path}: is no evaluation of a model ({error!r}). Write one with "
            "`windowshop evaluate MODEL DATA --json FILE`."
        ) from None
    if key != manifest.run_key or FUSED not in systems:
        raise DataError(
            f"{path}: is of another model ({key[:12]}, not {manifest.run_key[:12]}). "
            "Evaluate this one with `windowshop evaluate`."
        )
    return figures


def _metadata(manifest: Manifest, figures: Mapping[str, Any] | None) -> Iterator[str]:
    content: dict[str, Any] = {
        "library_name": "sentence-transformers",
        "pipeline_tag": "sentence-similarity",
        "tags": ["windowshop", "product-search", "two-tower", "multimodal"],
    }
    if figures is not None:
        results = [
            {"type": name, "value": round(estimate["mean"], 4)}
            for name, estimate in figures["systems"][FUSED]["all"].items()
            if name in MEASURES
        ]
        task = {"type": "information-retrieval", "name": "product search"}
        data = {"type": manifest.data.get("products", ""), "name": "own data"}
        data["split"] = figures["split"]
        result = {"task": task, "dataset": data, "metrics": results}
        content["model-index"] = [{"name": "windowshop", "results": [result]}]
    yield "---"
    yield yaml.safe_dump(content, sort_keys=False, allow_unicode=True).rstrip()
    yield "---"


def _body(folder: Path, manifest: Manifest, figures: Mapping[str, Any] | None) -> Iterator[str]:
    config = load_config(folder / CONFIG_FILE)
    yield "# Two-tower product search model\n"
    yield (
        "Queries (text, image, or both) and products (text and images) as unit vectors that are "
        "compared by their dot product. Made by `windowshop train`.\n"
    )
    yield "## Made from\n"
    yield "| what | value |\n|---|---|"
    for name, count in manifest.counts.items():
        yield f"| {name.replace('_', ' ')} | {count:,} |"
    for name, digest in manifest.data.items():
        yield f"| content hash of {name.replace('_', ' ')} | `{digest}` |"
    yield f"| text encoder | {config.text_encoder} (`{manifest.text_encoder}`) |"
    yield f"| image encoder | {config.image_encoder} (`{manifest.image_encoder}`) |"
    yield f"| fusion | {config.model.fusion} |"
    yield f"| seed | {manifest.seed} |"
    yield f"| run key | `{manifest.run_key}` |"
    yield from (f"| {name} | {value} |" for name, value in manifest.environment.items())
    yield "\n## Figures\n"
    yield from _figures(manifest, figures)
    yield "\n## Limits\n"
    yield from (f"- {text}" for text in _limits(manifest, figures))
    yield "\n## Use\n"
    yield (
        "```python\nfrom windowshop.model import open_sentence_model\n\n"
        'model = open_sentence_model("FOLDER")  # a sentence_transformers.SentenceTransformer\n'
        'queries = model.encode_query(["blue checked shirt"])\n'
        'products = model.encode_document([{"text": "Shirt, blue", "image": "shirt.jpg"}])\n```'
    )


def _figures(manifest: Manifest, figures: Mapping[str, Any] | None) -> Iterator[str]:
    if figures is None:
        if not manifest.dev:
            yield "Not evaluated: the data had no dev queries."
            return
        yield (
            "On the dev queries that chose the weights, so they flatter the model; "
            "evaluate it on test.\n"
        )
        yield "| system | nDCG@10 | Recall@100 |\n|---|---|---|"
        for system, dev in manifest.dev.items():
            yield f"| {system} | {dev['ndcg@10']:.3f} | {dev['recall@100']:.3f} |"
        return
    yield (
        f"On {figures['num_queries']:,} queries of the split `{figures['split']}` among "
        f"{figures['num_products']:,} products, with 95% intervals over "
        f"{figures['intervals_over']}.\n"
    )
    found = [name for name in MEASURES if name in figures["systems"][FUSED]["all"]]
    yield f"| system | {' | '.join(found)} |\n|---{'|---' * len(found)}|"
    for system, tables in figures["systems"].items():
        cells = (tables["all"][name] for name in found)
        shown = " | ".join(f"{c['mean']:.3f} ({c['low']:.3f} to {c['high']:.3f})" for c in cells)
        yield f"| {system} | {shown} |"
    yield from (f"\n{note}" for note in figures["notes"])


def _limits(manifest: Manifest, figures: Mapping[str, Any] | None) -> Iterator[str]:
    yield "It knows the catalogue that it was trained on; measure it on another before using it."
    if manifest.counts.get("qrels", 0) == 0:
        yield "No judgement of people or shoppers was used."
    if manifest.broken_images:
        broken = ", ".join(f"{n} {kind}" for kind, n in manifest.broken_images.items())
        yield f"Images that could not be used: {broken}."
    if figures is not None and figures["split"] != "test":
        yield f"The figures are of the split {figures['split']}, which training may have seen."
    yield "A text in a language that the text encoder does not read gives a meaningless vector."
