import copy

import numpy as np
import pytest
import torch
from support.tiny_models import IMAGES, MAX_TOKENS, SIDE, WORDS
from torch import nn

from windowshop.config import FineTuningConfig
from windowshop.training.fine_tuning.gradient_cache import GradientCache, chunk_seed
from windowshop.training.fine_tuning.trainable import make_trainable

pytestmark = pytest.mark.slow

CONFIG = FineTuningConfig(lora_rank=2, image_side=SIDE)
RNG = np.random.default_rng(0)
MANY_TEXTS = [" ".join(RNG.choice(WORDS, n)) for n in RNG.integers(1, MAX_TOKENS - 2, size=15)]
MANY_IMAGES = [image.rotate(90 * turn) for turn in range(2) for image in IMAGES][:9]
ITEMS = {"text": MANY_TEXTS, "image": MANY_IMAGES}
ENCODERS = [
    ("text", "sentence"),
    ("text", "clip"),
    ("image", "siglip"),
    ("image", "efficientnet-lite0"),
]
CHUNKS = [1, 7, 15]


@pytest.fixture
def tuned_of(encoder_of):
    """A trainable copy of an encoder in float64, where equal sums differ by 1e-15 only."""

    def make(kind, name, how="full", dropout=0.0):
        encoder = copy.deepcopy(encoder_of(kind, name))
        original = encoder.prepare
        encoder.prepare = lambda *inputs: {
            key: tensor.double() if tensor.is_floating_point() else tensor
            for key, tensor in original(*inputs).items()
        }
        encoder.module.double()
        for module in encoder.module.modules():
            if isinstance(module, nn.Dropout):
                module.p = dropout
        return make_trainable(encoder, how, CONFIG)

    return make


def loss_of(features_BH):
    """Every row against every other one, so no chunk's gradient is that of the chunk alone."""
    unit_BH = nn.functional.normalize(features_BH - features_BH.mean(0), dim=1)
    target_B = torch.arange(len(unit_BH)).roll(1)
    return nn.functional.cross_entropy(5 * unit_BH @ unit_BH.T, target_B)


def gradients_of(tuned):
    found = [p.grad.clone() for p in tuned.parameters() if p.grad is not None]
    tuned.encoder.module.zero_grad()
    assert found
    assert max(float(g.abs().max()) for g in found) > 1e-4
    return found


def assert_equal_gradients(left, right):
    scale = max(float(g.abs().max()) for g in right)
    for a, b in zip(left, right, strict=True):
        assert torch.allclose(a, b, rtol=0, atol=1e-12 * max(1.0, scale))


@pytest.mark.parametrize("how", ["full", "lora"])
@pytest.mark.parametrize(("kind", "name"), ENCODERS)
def test_gradients_are_those_of_the_whole_batch(tuned_of, kind, name, how):
    tuned = tuned_of(kind, name, how)
    features_BH = tuned.features(ITEMS[kind])
    loss_of(features_BH).backward()
    plain = gradients_of(tuned)
    for chunk_size in CHUNKS:
        gradients = GradientCache(chunk_size, seed=3)
        cached_BH = gradients.features(tuned, ITEMS[kind])
        assert torch.allclose(cached_BH, features_BH, rtol=0, atol=1e-12)
        loss_of(cached_BH).backward()
        gradients.backward()
        assert_equal_gradients(gradients_of(tuned), plain)


@pytest.mark.parametrize("chunk_size", CHUNKS)
def test_dropout_is_the_same_in_both_passes(tuned_of, chunk_size):
    tuned = tuned_of("text", "sentence", dropout=0.2)
    order = np.argsort([len(text) for text in MANY_TEXTS], kind="stable")
    parts = []
    for number, start in enumerate(range(0, len(order), chunk_size)):
        torch.manual_seed(chunk_seed(3, 0, number))
        parts.append(tuned.features([MANY_TEXTS[i] for i in order[start : start + chunk_size]]))
    plain_BH = torch.cat(parts)[torch.from_numpy(np.argsort(order))]
    loss_of(plain_BH).backward()
    plain = gradients_of(tuned)
    gradients = GradientCache(chunk_size, seed=3)
    cached_BH = gradients.features(tuned, MANY_TEXTS)
    assert torch.equal(cached_BH, plain_BH)
    loss_of(cached_BH).backward()
    gradients.backward()
    assert_equal_gradients(gradients_of(tuned), plain)


def test_dropout_differs_between_steps_calls_and_chunks(tuned_of):
    tuned = tuned_of("text", "sentence", dropout=0.2)
    gradients = GradientCache(1, seed=3)
    same = ["red shoe", "red shoe"]
    first_BH, second_BH = gradients.features(tuned, same), gradients.features(tuned, same)
    other_BH, again_BH = (
        GradientCache(1, 4).features(tuned, same),
        GradientCache(1, 3).features(tuned, same),
    )
    assert torch.equal(first_BH, again_BH)
    rows = torch.cat([first_BH, second_BH, other_BH]).detach()
    assert len(rows.unique(dim=0)) == 6


def test_the_gradient_cache_leaves_torch_s_random_numbers_alone(tuned_of):
    tuned = tuned_of("text", "sentence", dropout=0.2)
    state = torch.get_rng_state()
    gradients = GradientCache(2, seed=3)
    gradients.features(tuned, MANY_TEXTS).sum().backward()
    gradients.backward()
    assert torch.equal(torch.get_rng_state(), state)


def test_gradients_of_several_leaves_add_up(tuned_of):
    """Texts that are queries and products at once, and images whose features no loss reads."""
    text, images = tuned_of("text", "clip"), tuned_of("image", "siglip")
    both_BH = text.features(MANY_TEXTS + MANY_TEXTS[:5])
    (both_BH[:15].T @ both_BH[:15]).square().sum().add(both_BH[15:].pow(3).sum()).backward()
    plain = gradients_of(text)
    gradients = GradientCache(4, seed=0)
    first_BH = gradients.features(text, MANY_TEXTS)
    gradients.features(images, MANY_IMAGES)
    second_BH = gradients.features(text, MANY_TEXTS[:5])
    (first_BH.T @ first_BH).square().sum().add(second_BH.pow(3).sum()).backward()
    gradients.backward()
    assert_equal_gradients(gradients_of(text), plain)
    assert all(p.grad is None for p in images.parameters())


def test_an_empty_batch_has_no_rows(tuned_of):
    tuned = tuned_of("text", "clip")
    gradients = GradientCache(4, seed=0)
    features_BH = gradients.features(tuned, [])
    features_BH.sum().backward()
    gradients.backward()
    assert features_BH.shape == (0, tuned.encoder.layout.width)


@pytest.mark.parametrize(("kind", "name"), ENCODERS)
def test_one_chunk_at_a_time_has_a_graph(tuned_of, kind, name):
    """Counts the bytes that graphs keep: with the gradients, never more than a single chunk's."""
    tuned, items = tuned_of(kind, name), ITEMS[kind]
    weights = {p.untyped_storage().data_ptr() for p in tuned.parameters()}

    def peak_of(step):
        kept = {"now": 0, "peak": 0}

        class Saved:
            def __init__(self, tensor):
                is_weight = tensor.untyped_storage().data_ptr() in weights
                self.tensor, self.size = tensor, 0 if is_weight else tensor.nbytes
                kept["now"] += self.size
                kept["peak"] = max(kept["peak"], kept["now"])

            def __del__(self):
                kept["now"] -= self.size

        with torch.autograd.graph.saved_tensors_hooks(Saved, lambda saved: saved.tensor):
            step()
        return kept["peak"]

    def plain(rows):
        return lambda: tuned.features(rows).sum().backward()

    def cached():
        gradients = GradientCache(3, seed=0)
        features_BH = gradients.features(tuned, items)
        features_BH.sum().backward()
        gradients.backward()

    chunk = peak_of(plain(sorted(items, key=len)[-3:] if kind == "text" else items[:3]))
    assert 0 < peak_of(cached) <= 1.1 * chunk
    assert peak_of(plain(items)) > 2.5 * chunk  # the hooks do see what is kept
