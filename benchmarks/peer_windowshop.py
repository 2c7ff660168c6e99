"""windowshop's own systems: heads on frozen features, then encoders trained, and score fusions.

The heads of a fusion are trained once; the systems that train encoders too go on from them.
"""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from peer_shop import Fitted, Shop, ranked

from windowshop.config import FUSED, FineTuningConfig, FineTuningName, StageConfig
from windowshop.evaluation import product_vectors, query_vectors
from windowshop.study import Mix, lexical_ranker, score_fusion_run, shared_stages, with_separate
from windowshop.training import PreparedData, Trained, train_system, with_encoders

HOW: tuple[FineTuningName, ...] = ("full", "lora")
HEAD_RATE = 3e-4
"""Learning rate of heads that are trained already, while encoders are trained with them."""


def fit_bm25(shop: Shop) -> Fitted:
    """BM25 with the parameters that dev chose; nothing is trained."""
    bm25 = lexical_ranker(shop.prepared, shop.dev)
    return Fitted(bm25.run(shop.dev.texts), bm25.run(shop.test.texts), {})


def fit_heads(shop: Shop, name: str) -> Fitted:
    """The system `name` on frozen features: every stage of the config, dev checks included."""
    trained = _heads(shop, name)
    return _ranked(shop, shop.prepared, trained, {"heads": trained.state.seconds})


def fit_tuned(shop: Shop, name: str, how: FineTuningName) -> Fitted:
    """Return the configuration with one more fused stage that trains the text encoder too."""
    heads = _heads(shop, name)
    folder = shop.work / f"{name}-{how}"
    folder.mkdir()
    shutil.copy(_heads_folder(shop, name) / f"{name}.safetensors", folder)
    config = replace(shop.config, stages=(*shop.config.stages, fine_tuned_stage(shop, how)))
    trained = train_system(shop.prepared, config, name, folder)
    text, image = trained.system.text, trained.system.image
    prepared = with_encoders(shop.prepared, config, text, image)
    seconds = {
        "heads": heads.state.seconds,
        "encoders": trained.state.seconds - heads.state.seconds,
    }
    fitted = _ranked(shop, prepared, trained, seconds)
    if prepared.cache.place("text") != shop.prepared.cache.place("text"):
        shutil.rmtree(prepared.cache.place("text"))
    return fitted


def fit_score_fusion(shop: Shop, mix: Mix) -> Fitted:
    """Mixed cosines of towers that are aligned but not fused; the weight is chosen on dev."""
    data = shop.prepared.data
    stages = with_separate(shop.config.stages, len(data.products), len(data.pairs))
    config = replace(shop.config, stages=stages)
    config = replace(config, stages=stages[: shared_stages(config)])
    trained = train_system(shop.prepared, config, FUSED, shop.work / "aligned")
    towers = trained.system.towers
    dev, test = (
        score_fusion_run(shop.prepared, towers, mix, shop.dev, queries)
        for queries in (shop.dev, shop.test)
    )
    return Fitted(dev, test, {"heads": trained.state.seconds})


def fine_tuned_stage(shop: Shop, how: FineTuningName) -> StageConfig:
    """As many steps as the peers have, and as many queries and products in each."""
    return StageConfig(
        name="fused",
        steps=shop.budget.steps,
        min_epochs=0,
        batch_queries=shop.budget.batch,
        products_per_query=1,
        learning_rate=HEAD_RATE,
        warmup_steps=shop.budget.warmup_steps,
        fine_tuning=FineTuningConfig(text=how),
    )


def _heads(shop: Shop, name: str) -> Trained:
    """Trained at the first call, read from the scratch folder afterwards."""
    return train_system(shop.prepared, shop.config, name, _heads_folder(shop, name))


def _heads_folder(shop: Shop, name: str) -> Path:
    return shop.work / f"{name}-heads"


def _ranked(
    shop: Shop, prepared: PreparedData, trained: Trained, seconds: dict[str, float]
) -> Fitted:
    towers, data = trained.system.towers, prepared.data
    product_ND = product_vectors(towers, data.products, np.arange(len(data.products)))
    return ranked(
        shop,
        product_ND,
        lambda queries: query_vectors(towers, data.queries, queries.rows),
        seconds,
    )
