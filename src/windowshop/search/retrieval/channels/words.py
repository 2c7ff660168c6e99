"""Search channel of the words of products, by BM25 with synonyms and typos."""

import numpy as np

from windowshop.engines import Allowed
from windowshop.search.retrieval.channel import TextChannel
from windowshop.search.retrieval.lexicon import SearchState


def search(
    state: SearchState, text: str, depth: int, allowed: Allowed
) -> tuple[np.ndarray, np.ndarray]:
    """Score products in shares of the highest possible score, comparable across queries."""
    lexicon = state.lexicon
    found = lexicon.lexical.search(text, depth, allowed, lexicon.synonyms, corrects=state.corrects)
    return found.keys, found.scores / np.float32(found.ceiling or 1.0)


CHANNEL = TextChannel(search=search)
