"""The features and judged pairs that the stages of a training draw from."""

from dataclasses import dataclass

from windowshop.model import ProductSource, QuerySource
from windowshop.training.judged_pairs import Pairs


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Products, queries and judged pairs of a training."""

    products: ProductSource
    queries: QuerySource
    pairs: Pairs
