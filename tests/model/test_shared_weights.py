"""Weights that two graphs have in common lie in one file, and the graphs give what they gave."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from windowshop.encoders import open_session
from windowshop.model.shared_weights import ALIGNMENT, share_weights

WIDTH = 40


def matrix(seed):
    return np.random.default_rng(seed).normal(size=(WIDTH, WIDTH)).astype(np.float32)


def write_graph(path, *seeds):
    """A graph of matrix products, one a seed."""
    names = ["x", *(f"y{i}" for i in range(len(seeds)))]
    pairs = zip(names, names[1:], seeds, strict=False)
    nodes = [helper.make_node("MatMul", [a, f"w{s}-{b}"], [b]) for a, b, s in pairs]
    weights = [
        numpy_helper.from_array(matrix(s), f"w{s}-{b}")
        for b, s in zip(names[1:], seeds, strict=True)
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", WIDTH])
        for name in ("x", names[-1])
    ]
    graph = helper.make_graph(nodes, "products", ends[:1], ends[1:], weights)
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)


def output(path):
    x_BW = np.random.default_rng(9).normal(size=(3, WIDTH)).astype(np.float32)
    return open_session(path).run(None, {"x": x_BW})[0]


@pytest.fixture
def graphs(tmp_path):
    write_graph(tmp_path / "one.onnx", 1, 2, 3, 2)
    write_graph(tmp_path / "other.onnx", 4, 3, 2)
    return tmp_path / "one.onnx", tmp_path / "other.onnx"


def test_what_is_shared_is_kept_once_and_nothing_changes(graphs, tmp_path):
    expected = [output(path) for path in graphs]
    share_weights(*graphs, tmp_path / "some.weights")
    for path, before in zip(graphs, expected, strict=True):
        np.testing.assert_array_equal(output(path), before)
    places = {
        entry.value
        for path in graphs
        for part in onnx.load(path, load_external_data=False).graph.initializer
        for entry in part.external_data
        if entry.key == "offset"
    }
    assert places == {"0", str(2 * ALIGNMENT)}  # 2 and 3, the former twice in one graph
    assert (tmp_path / "some.weights").stat().st_size == 2 * ALIGNMENT + matrix(0).nbytes
    own = matrix(0).nbytes  # 1 and 4 stay where they are
    assert all(own < path.stat().st_size < 1.5 * own for path in graphs)


def test_graphs_move_together_with_their_weights(graphs, tmp_path):
    share_weights(*graphs, tmp_path / "some.weights")
    before = output(graphs[0])
    (tmp_path / "moved").mkdir()
    for name in ("one.onnx", "some.weights"):
        (tmp_path / name).rename(tmp_path / "moved" / name)
    np.testing.assert_array_equal(output(tmp_path / "moved" / "one.onnx"), before)


def test_graphs_that_share_nothing_stay_as_they_are(tmp_path):
    paths = [tmp_path / "one.onnx", tmp_path / "other.onnx"]
    for seed, path in enumerate(paths):
        write_graph(path, seed)
    before = [path.read_bytes() for path in paths]
    share_weights(*paths, tmp_path / "some.weights")
    assert [path.read_bytes() for path in paths] == before
    assert not (tmp_path / "some.weights").exists()
