"""Plain words: how docstrings begin, which names stand for images, how long files are."""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

import windowshop

SRC = Path(windowshop.__file__).parent
FILES = sorted(SRC.rglob("*.py"))
ROOT = Path(__file__).parents[1]
OTHERS = [
    p for name in ("tests", "benchmarks", "examples") for p in sorted((ROOT / name).rglob("*.py"))
]
MAX_LINES = 400
RIDDLES = re.compile(r"(What|Who|Whose|Which|That|The same|All that)\b")
ON_DISK_OR_WIRE = {
    "num_removed_photos",
    "photo",
    "photo_base64",
    "photo_product",
    "photo_query",
    "photo_url",
    "photo_weight",
    "text_and_photo",
}
"""Names that files and requests carry; all else says image."""


def docstrings(tree):
    """Docstrings of modules, classes, functions and fields, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            match node.value:
                case ast.Constant(value=str() as text):
                    yield node.lineno, text.strip()


def riddles(source):
    """Return the lines of docstrings that begin with no verb and no thing."""
    return [line for line, text in docstrings(ast.parse(source)) if RIDDLES.match(text)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_a_file_is_short_and_its_words_are_plain(path):
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= MAX_LINES
    assert riddles(source) == [], f"{path}: docstrings that begin with no verb and no thing"
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    names = {token.string for token in tokens if token.type == tokenize.NAME}
    assert {name for name in names if "photo" in name.lower()} <= ON_DISK_OR_WIRE


def test_words_of_tests_benchmarks_and_examples_are_plain():
    found = {str(path): riddles(path.read_text(encoding="utf-8")) for path in OTHERS}
    assert {path: lines for path, lines in found.items() if lines} == {}
