"""Search an index by text, with a filter: python examples/search_index.py INDEX "red dress"."""

import sys
from contextlib import closing
from pathlib import Path

from windowshop import SearchRequest, open_searcher


def main(index: Path, text: str) -> None:
    """Print the first ten results of a text."""
    with closing(open_searcher(index)) as searcher:
        answer = searcher.answer(SearchRequest(text=text, where="price < 1000", limit=10))
    for result in answer.results:
        print(f"{result.rank:3} {result.score:.3f} {result.product_id} {result.title}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
