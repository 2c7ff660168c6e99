"""A wrong path is answered before anything heavy is imported."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

HEAVY = ["torch", "transformers", "polars", "numpy", "PIL", "scipy", "onnxruntime", "fastapi"]
RUN = """
import contextlib, io, json, sys
from windowshop.cli import main
told = []
for args in json.loads(sys.argv[1]):
    sys.argv = ["windowshop", *args]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code
    heavy = [name for name in {heavy} if name in sys.modules]
    told.append([args, code, out.getvalue() + err.getvalue(), heavy])
print(json.dumps(told))
"""


def run_all(commands):
    """Run commands in one process; returns each with exit code, output and heavy imports."""
    done = subprocess.run(
        [sys.executable, "-c", RUN.replace("{heavy}", repr(HEAVY)), json.dumps(commands)],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_a_wrong_path_is_answered_first(tmp_path):
    gone, out = str(tmp_path / "gone"), str(tmp_path / "out")
    data = tmp_path / "data"
    data.mkdir()
    (data / "products.csv").write_text("product_id,title\np1,red shoe\n")
    model, index = tmp_path / "model", tmp_path / "index"
    for folder in (model, index):
        folder.mkdir()
        (folder / "manifest.json").write_text("{}")
    data, model, index = str(data), str(model), str(index)
    commands = [
        ["check", gone],
        ["train", gone, "--out", out],
        ["train", data, "--out", out, "--config", gone],
        ["train", data, "--out", out, "--negatives", gone],
        ["evaluate", gone, data],
        ["evaluate", model, gone],
        ["mine-negatives", gone, data, "--out", out],
        ["mine-negatives", model, gone, "--out", out],
        ["compare", gone, "--out", out],
        ["compare", data, "--out", out, "--study", gone],
        ["index", gone, data, "--out", out],
        ["index", model, gone, "--out", out],
        ["revert-index", gone],
        ["tune", gone, data],
        ["tune", index, gone],
        ["export-onnx", gone, "--data", data],
        ["export-onnx", model, "--data", gone],
        ["search", gone, "red shoe"],
        ["search", index, "--image", gone],
        ["serve", gone],
        ["serve", index, "--keys", gone],
        ["queries", gone],
        ["queries", data, "--suggestions", gone],
        ["judgements", gone, "--out", out],
        ["judgements", data, "--shop", gone, "--out", out],
    ]
    told = run_all(commands)
    assert [args for args, *_ in told] == commands
    for args, code, output, heavy in told:
        assert (args, code, heavy) == (args, 1, [])
        assert output.startswith("error: "), args
        assert gone in output


def test_help_is_light():
    commands = [["--help"], ["--version"], *([name, "--help"] for name in ("train", "search"))]
    for _, code, output, heavy in run_all(commands):
        assert (code, heavy) == (0, [])
        assert output
