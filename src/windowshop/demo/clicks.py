"""A simulated click log of a generated shop.

Shapes: Q queries, N products, W warm products, S sessions, K products shown in a session.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from windowshop.demo.products import VISIBLE_AXES, Product
from windowshop.demo.queries import Counts, Query, count_held

CLICK_CHANCE = (0.04, 0.2, 0.0, 0.6)
"""Chance by grade, at the first position, of an image that shows every fact asked for."""
EVENTS = (("impression", np.inf, 0), ("click", 1.0, 5), ("cart", 0.25, 40), ("purchase", 0.1, 300))
"""Event, its share of the clicks, seconds after the product was seen."""
LOG_START, LOG_DAYS, RESULTS_SHOWN = datetime(2024, 1, 1), 90, 10


def simulate_clicks(
    queries: Sequence[Query], products: Sequence[Product], grades_QN: Counts, seed: int
) -> pl.DataFrame:
    """Simulate a click log from position, grade and the facts that the image shows."""
    rng = np.random.default_rng([seed, 5])
    train = [number for number, query in enumerate(queries) if query.split == "train"]
    warm_W = np.array([n for n, product in enumerate(products) if not product.is_cold])
    query_S1 = rng.choice(train, len(products))[:, None]
    rank_SW = 2 * grades_QN[query_S1, warm_W] + rng.gumbel(size=(len(products), len(warm_W)))
    product_SK = warm_W[np.argsort(-rank_SW, axis=1)[:, :RESULTS_SHOWN]]
    seen_QN = count_held(queries, products, VISIBLE_AXES) * [
        product.has_image for product in products
    ]
    asked_Q = np.array([len(query.facts.keys() & set(VISIBLE_AXES)) for query in queries])
    chance_SK = np.take(CLICK_CHANCE, grades_QN[query_S1, product_SK])
    chance_SK *= 0.3 + 0.7 * seen_QN[query_S1, product_SK] / asked_Q[query_S1]
    chance_SK *= np.arange(1, RESULTS_SHOWN + 1) ** -0.7
    luck_SK = rng.random(product_SK.shape) / chance_SK
    start_S = np.sort(rng.integers(LOG_DAYS * 86_400, size=len(products)))
    tables = []
    for event, share, delay_s in EVENTS:
        session, place = np.nonzero(luck_SK < share)
        seconds = start_S[session] + 2 * place + delay_s
        columns = {
            "session_id": [f"s{number:05d}" for number in session],
            "query_id": [queries[number].query_id for number in query_S1[session, 0]],
            "product_id": [products[number].product_id for number in product_SK[session, place]],
            "position": place + 1,
            "event": event,
            "timestamp": [LOG_START + timedelta(seconds=int(passed)) for passed in seconds],
            "simulated": True,
        }
        tables.append(pl.DataFrame(columns))
    return pl.concat(tables).sort("timestamp", "session_id", "position", maintain_order=True)
