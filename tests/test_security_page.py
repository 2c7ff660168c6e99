"""docs/security.md names files and tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = re.compile(r"`((?:src|tests|tools|deploy|requirements)/[\w./-]+|Makefile)(?:::(\w+))?`")


def rows():
    """Cells of the rows of each table, by its heading."""
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        heading, _, text = section.partition("\n")
        for line in text.splitlines():
            if line.startswith("| ") and not line.startswith("| what may come"):
                yield heading, [cell.strip() for cell in line.strip("|").split(" | ")]


def test_every_file_and_test_exists():
    named = NAMED.findall(PAGE)
    assert len(named) > 60
    for file, test in named:
        assert (ROOT / file).is_file(), file
        if test:
            found = re.search(rf"^(async )?def {test}\(", (ROOT / file).read_text(), re.MULTILINE)
            assert found, f"{file} has no {test}"


def test_every_promise_says_where_it_is_kept_and_how_it_is_tested():
    found = list(rows())
    assert {heading for heading, _ in found} >= {"Feed", "Images", "HTTP", "Page", "Logs"}
    for heading, cells in found:
        assert len(cells) == 4, (heading, cells)
        _, _, kept, tested = cells
        assert all(not file.startswith("tests/") for file, _ in NAMED.findall(kept))
        assert NAMED.search(kept), (heading, cells)
        assert "tests/" in tested or "`make dist`" in tested, (heading, cells)
