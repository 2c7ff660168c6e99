"""Tiny random models saved as Hugging Face folders, and inputs for the encoders that load them."""

import json

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from support.shops import image_bytes
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
)

from windowshop.data.images import decode
from windowshop.encoders.registry import load_image_encoder, load_text_encoder

MAX_TOKENS, SIDE = 12, 32
WORDS = ["a", "the", "red", "blue", "green", "shoe", "bag", "hat", "of", "photo", "with", "and"]
TOWER = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
PIXELS = {**TOWER, "image_size": SIDE, "patch_size": 16}
SPECIAL_TOKENS = {
    "clip": {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"},
    "siglip": {"pad_token": "</s>", "unk_token": "<unk>", "eos_token": "</s>"},
    "bert": {"pad_token": "[P]", "unk_token": "[U]", "cls_token": "[C]", "sep_token": "[S]"},
}
TEMPLATES = {"clip": "<s> $A </s>", "siglip": "$A </s>", "bert": "[C] $A [S]"}


def make_tokenizer(kind, words=WORDS):
    """One token a word, with the special tokens around it that models of this kind want."""
    special = SPECIAL_TOKENS[kind]
    vocabulary = {word: i for i, word in enumerate([*dict.fromkeys(special.values()), *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=special["unk_token"]))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    around = [word for word in TEMPLATES[kind].split() if word != "$A"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=TEMPLATES[kind], special_tokens=[(word, vocabulary[word]) for word in around]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=MAX_TOKENS, **special
    )


def text_settings(tokenizer):
    return {
        **TOWER,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": MAX_TOKENS,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }


def save_clip(folder, seed=0, dtype=torch.float32):
    tokenizer = make_tokenizer("clip")
    torch.manual_seed(seed)
    text = text_settings(tokenizer) | {"projection_dim": 8}
    pixels = PIXELS | {"projection_dim": 8}
    config = CLIPConfig(text_config=text, vision_config=pixels, projection_dim=8)
    CLIPModel(config).to(dtype).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessorPil(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
    ).save_pretrained(folder)
    return folder


def save_siglip(folder, seed=0):
    tokenizer = make_tokenizer("siglip")
    torch.manual_seed(seed)
    text = text_settings(tokenizer) | {"projection_size": 16, "bos_token_id": 0}
    SiglipModel(SiglipConfig(text_config=text, vision_config=PIXELS)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    return folder


def save_bert(folder, seed=0, words=WORDS, pooler=True):
    tokenizer = make_tokenizer("bert", words)
    torch.manual_seed(seed)
    model = BertModel(BertConfig(**text_settings(tokenizer)), add_pooling_layer=pooler)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_sentence_model(folder, bert, pooling="mean"):
    transformer = Transformer(str(bert))
    modules = [transformer, Pooling(transformer.get_embedding_dimension(), pooling_mode=pooling)]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder), create_model_card=False)
    return folder


EMBEDDED_IMAGE = ("efficientnet-lite0", "efficientnet-lite2")
TEXTS = ["red shoe", "The blue HAT with an image of a red bag and a green shoe", "hat", "größer 靴"]
LOADERS = {"text": load_text_encoder, "image": load_image_encoder}


def some_images(*sizes):
    return [decode(image_bytes(seed, size=size)) for seed, size in enumerate(sizes)]


IMAGES = some_images((40, 40), (64, 40), (30, 50), (40, 40), (300, 280))


def edit_json(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def inputs_of(kind):
    return TEXTS if kind == "text" else IMAGES
