"""Controls of a study: changed catalogues, made from the features of the real one.

N products. Only cut titles are encoded; every other change rearranges features.
"""

from dataclasses import replace

import numpy as np

from windowshop.data import FACTS, TITLE, product_views, starts_of
from windowshop.encoders import FeatureTable, FurtherTable, ProductFeatures
from windowshop.model import ProductSource, QuerySource
from windowshop.study.config import Change
from windowshop.training import PreparedData

NUM_WORDS = 3
"""Words that a cut title keeps."""


def apply_change(prepared: PreparedData, change: Change, seed: int) -> PreparedData:
    """Return the data as a control changes it, for training, dev scores and rankings."""
    features = prepared.data.products.features
    if change == "shuffled_photos":
        return _with_features(prepared, _shuffled(features, seed))
    if change == "text_as_photo":
        twice = replace(features, image=features.views[FACTS], further=None)
        return _without_query_images(
            replace(_with_features(prepared, twice), image_layout=prepared.cache.text.layout)
        )
    if change == "three_words":
        return with_cut_titles(prepared, 1.0, seed)
    if change == "no_text":
        absent = {name: _without_share(view, 1.0, seed) for name, view in features.views.items()}
        return _with_features(prepared, replace(features, views=absent))
    return prepared


def without_images(prepared: PreparedData, share: float, seed: int) -> PreparedData:
    """Return the data without the images of a random share of the products."""
    features = prepared.data.products.features
    # A product's further images do not count without its first one.
    return _with_features(
        prepared, replace(features, image=_without_share(features.image, share, seed))
    )


def with_cut_titles(prepared: PreparedData, share: float, seed: int) -> PreparedData:
    """Return the data with only the first title words as the text of a random share of products."""
    features, cut = prepared.data.products.features, encode_cut_titles(prepared)
    lost_N = _random_share(len(cut), share, seed)
    views = {name: _replaced(view, cut, lost_N) for name, view in features.views.items()}
    return _with_features(prepared, replace(features, views=views))


def encode_cut_titles(prepared: PreparedData) -> FeatureTable:
    """Return features of the first words of each title, encoding those not in the cache."""
    titles = product_views(prepared.dataset.products)[TITLE]
    cut = [" ".join(title.split()[:NUM_WORDS]) for title in titles]
    return prepared.cache.texts(cut, prepared.reporter, "Encode cut titles")


def _with_features(prepared: PreparedData, features: ProductFeatures) -> PreparedData:
    source = ProductSource(features)
    scorer = prepared.dev_scorer and replace(prepared.dev_scorer, product_source=source)
    return replace(prepared, data=replace(prepared.data, products=source), dev_scorer=scorer)


def _without_query_images(prepared: PreparedData) -> PreparedData:
    """Return the data without query images; their empty features are as wide as text features."""
    features = prepared.data.queries.features
    absent = replace(features.text, rows=np.full(len(features.text), -1))
    source = QuerySource(replace(features, image=absent))
    scorer = prepared.dev_scorer and replace(prepared.dev_scorer, query_source=source)
    return replace(prepared, data=replace(prepared.data, queries=source), dev_scorer=scorer)


def _shuffled(features: ProductFeatures, seed: int) -> ProductFeatures:
    """Permute the images, first and further, among the products that have one."""
    has = np.flatnonzero(features.image.rows >= 0)
    donor_N = np.arange(len(features.image))
    donor_N[has] = np.random.default_rng(seed).permutation(has)
    image = replace(features.image, rows=features.image.rows[donor_N])
    return replace(features, image=image, further=_further_of(features.further, donor_N))


def _further_of(further: FurtherTable | None, donor_N: np.ndarray) -> FurtherTable | None:
    """Return further images, each product's from its donor."""
    if further is None:
        return None
    rows, owner = further.entries(donor_N)
    return replace(further, start=starts_of(owner, len(donor_N)), rows=rows)


def _without_share(table: FeatureTable, share: float, seed: int) -> FeatureTable:
    return replace(table, rows=np.where(_random_share(len(table), share, seed), -1, table.rows))


def _replaced(table: FeatureTable, other: FeatureTable, mask_N: np.ndarray) -> FeatureTable:
    """Return the features of `other` where the mask holds; both tables share one store."""
    newest = other if len(other.stored) >= len(table.stored) else table
    return replace(newest, rows=np.where(mask_N, other.rows, table.rows), digest=table.digest)


def _random_share(count: int, share: float, seed: int) -> np.ndarray:
    """Draw a share of `count` items as a bool mask; a larger share includes a smaller one."""
    return np.random.default_rng([seed, count]).permutation(count) < round(share * count)
