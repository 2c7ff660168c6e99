"""Search: a request in, an answer out."""

from windowshop.search.answer import Answer, Result
from windowshop.search.request import SearchRequest
from windowshop.search.searcher import Searcher, open_searcher

__all__ = ["Answer", "Result", "SearchRequest", "Searcher", "open_searcher"]
