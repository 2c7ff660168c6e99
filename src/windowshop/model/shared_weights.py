"""Weights that two ONNX graphs have in common, moved to one file beside them."""

from pathlib import Path

import onnx
from onnx.external_data_helper import set_external_data

MIN_BYTES = 4096
"""Smaller weights stay in their graphs."""
ALIGNMENT = 4096
"""Bytes that each weight's place in the file is a multiple of, so that it can be mapped."""


def share_weights(one: Path, other: Path, weights: Path) -> None:
    """Move to `weights` what is in both graphs; each then reads it from there.

    The three files have to stay side by side. Where the graphs have nothing in common, there is no
    such file.
    """
    graphs = {path: onnx.load(path) for path in (one, other)}
    shared = _weights(graphs[one]) & _weights(graphs[other])
    if not shared:
        return
    offsets: dict[bytes, int] = {}
    with weights.open("wb") as file:
        for part in graphs[one].graph.initializer:  # whose order is the same at each export
            if part.raw_data in shared and part.raw_data not in offsets:
                file.write(bytes(-file.tell() % ALIGNMENT))
                offsets[part.raw_data] = file.tell()
                file.write(part.raw_data)
    for path, graph in graphs.items():
        for part in graph.graph.initializer:
            content = part.raw_data
            if content in offsets:
                set_external_data(part, weights.name, offsets[content], len(content))
                part.ClearField("raw_data")
        onnx.save(graph, path)


def _weights(graph: onnx.ModelProto) -> set[bytes]:
    contents = (part.raw_data for part in graph.graph.initializer)
    return {content for content in contents if len(content) >= MIN_BYTES}
