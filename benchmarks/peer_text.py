"""sentence-transformers as its users train it: its own trainer and its own loss, text alone.

Shapes: Q queries, N products, D sentence width.
"""

import shutil
from functools import partial
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from peer_shop import Fitted, Shop, ranked
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sentence_transformers.sentence_transformer.training_args import BatchSamplers
from transformers import PrinterCallback, TrainerCallback

from windowshop.errors import ConfigError
from windowshop.model import fast_dtype
from windowshop.progress import Advance
from windowshop.study import Queries

MAX_TOKENS = 128


def fit_sentence_transformer(shop: Shop, rate: float) -> Fitted:
    """Fine-tune the text encoder on pairs of a query and a relevant product's text."""
    model = _load(shop)
    model.max_seq_length = MAX_TOKENS
    with shop.prepared.reporter.bar(f"Train st_text_only: {rate:g}", shop.budget.steps) as advance:
        trainer = SentenceTransformerTrainer(
            model=model,
            args=_arguments(shop, model, rate),
            train_dataset=_pairs(shop),
            loss=MultipleNegativesRankingLoss(model),
            callbacks=[_Progress(advance)],
        )
        trainer.remove_callback(PrinterCallback)
        seconds = trainer.train().metrics["train_runtime"]
    encode = partial(
        model.encode, batch_size=32, normalize_embeddings=True, show_progress_bar=False
    )
    has_text = np.array([bool(text) for text in shop.product_texts])
    product_ND = np.asarray(encode(shop.product_texts)) * has_text[:, None]

    def embed(queries: Queries) -> np.ndarray:
        return np.asarray(encode([shop.query_text(row) for row in queries.rows]))

    return ranked(shop, product_ND, embed, {"encoders": seconds})


def _load(shop: Shop) -> Any:  # noqa: ANN401
    """The shop's text encoder as a sentence-transformers model of its own."""
    encoder = shop.prepared.cache.text
    if not isinstance(encoder.module, SentenceTransformer):
        raise ConfigError(
            f"text encoder {shop.config.text_encoder!r} is not a sentence-transformers model; "
            "leave st_text_only out of --systems, or use such a model."
        )
    folder = shop.work / "sentence-transformer"
    encoder.save(folder)
    device = str(next(encoder.module.parameters()).device)
    return SentenceTransformer(str(folder), device=device, local_files_only=True)


def _pairs(shop: Shop) -> Dataset:
    """The training pairs of products that have text, as the trainer's two columns."""
    shown = [(q, p) for q, p in shop.pairs.tolist() if shop.product_texts[p]]
    return Dataset.from_dict(
        {
            "anchor": [shop.query_text(query) for query, _ in shown],
            "positive": [shop.product_texts[product] for _, product in shown],
        }
    )


def _arguments(
    shop: Shop, model: torch.nn.Module, rate: float
) -> SentenceTransformerTrainingArguments:
    """The library's defaults, but for the budget; precision is that of windowshop's training."""
    output = shop.work / "trainer"
    shutil.rmtree(output, ignore_errors=True)
    on_gpu = next(model.parameters()).device.type == "cuda"
    bfloat16 = torch.cuda.is_bf16_supported() if on_gpu else fast_dtype() == torch.bfloat16
    return SentenceTransformerTrainingArguments(
        output_dir=str(output),
        max_steps=shop.budget.steps,
        per_device_train_batch_size=shop.budget.batch,
        learning_rate=rate,
        warmup_steps=shop.budget.warmup_steps,
        batch_sampler=BatchSamplers.NO_DUPLICATES,
        seed=shop.config.seed,
        bf16=bfloat16,
        use_cpu=not on_gpu,
        dataloader_pin_memory=False,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


class _Progress(TrainerCallback):
    """Tells the reporter of each step."""

    def __init__(self, advance: Advance) -> None:
        self._advance = advance

    def on_step_end(self, *args: object, **kwargs: object) -> None:
        self._advance(1, "")
