import copy
import itertools

import numpy as np
import pytest
import torch
from support.tiny_models import IMAGES, LOADERS, SIDE, inputs_of
from torch import nn

from windowshop.config import FineTuningConfig
from windowshop.errors import EncoderError
from windowshop.model import layers
from windowshop.training.fine_tuning import trainable as tuning
from windowshop.training.fine_tuning.gradient_cache import GradientCache
from windowshop.training.fine_tuning.trainable import make_trainable

pytestmark = pytest.mark.slow

CONFIG = FineTuningConfig(learning_rate=0.01, lora_rank=2, chunk_size=2, image_side=SIDE)
TRAINED = [
    ("text", "sentence"),
    ("text", "clip"),
    ("image", "clip"),
    ("text", "siglip"),
    ("image", "siglip"),
    ("image", "efficientnet-lite0"),
]
WAYS = ["lora", "partial", "full"]


@pytest.fixture
def fresh(encoder_of):
    """An encoder of the test's own, to change."""
    return lambda kind, name: copy.deepcopy(encoder_of(kind, name))


def few(kind):
    return inputs_of(kind)[:3]


def take_steps(tuned, items, num_steps=1, size=CONFIG.learning_rate):
    """Plain descent on the features' sum of squares."""
    for step in range(num_steps):
        gradients = GradientCache(CONFIG.chunk_size, step)
        gradients.features(tuned, items).square().sum().backward()
        gradients.backward()
        with torch.no_grad():
            for parameter in tuned.parameters():
                if parameter.grad is not None:
                    parameter -= size * parameter.grad / (parameter.grad.norm() + 1e-6)
                    parameter.grad = None


def weights_of(encoder):
    return {name: tensor.clone() for name, tensor in encoder.module.state_dict().items()}


def equal_weights(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[n], right[n]) for n in left)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize(("kind", "name"), TRAINED)
def test_a_tuned_encoder_is_another_and_is_saved_to_the_bit(fresh, tmp_path, kind, name, how):
    encoder = fresh(kind, name)
    before_BH, print_before = encoder.encode(few(kind)), encoder.fingerprint
    tuned = make_trainable(encoder, how, CONFIG)
    take_steps(tuned, few(kind), num_steps=2)
    trained_BH = encoder.encode(few(kind))
    tuned.finish()
    after_BH = encoder.encode(few(kind))
    assert np.abs(after_BH - before_BH).max() > 1e-3
    assert np.allclose(after_BH, trained_BH, atol=1e-4)  # merging LoRA only rounds
    assert encoder.fingerprint != print_before
    encoder.save(tmp_path / "saved")
    loaded = LOADERS[kind](str(tmp_path / "saved"), "cpu")
    assert loaded.fingerprint == encoder.fingerprint
    assert np.array_equal(loaded.encode(few(kind)), after_BH)


@pytest.mark.parametrize(("kind", "name"), TRAINED)
def test_a_tuned_encoder_can_be_loaded_and_saved_again(fresh, tmp_path, kind, name):
    encoder = fresh(kind, name)
    tuned = make_trainable(encoder, "partial", CONFIG)
    take_steps(tuned, few(kind))
    tuned.finish()
    for folder in (tmp_path / "saved", tmp_path / "again"):
        encoder.save(folder)
        loaded = LOADERS[kind](str(folder), "cpu")
        assert loaded.fingerprint == encoder.fingerprint
        encoder = loaded


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize(("kind", "name"), TRAINED)
def test_mixes_run_from_the_old_weights_to_the_tuned_ones(fresh, kind, name, how):
    encoder = fresh(kind, name)
    old, print_old = weights_of(encoder), encoder.fingerprint
    tuned = make_trainable(encoder, how, CONFIG)
    take_steps(tuned, few(kind))
    tuned.finish()
    new, print_new = weights_of(encoder), encoder.fingerprint
    changed = [n for n in old if not torch.equal(old[n], new[n])]
    tuned.interpolate(0.25)
    quarter = weights_of(encoder)
    for n in old:
        assert torch.allclose(quarter[n], 0.75 * old[n] + 0.25 * new[n], atol=1e-6)
    assert any(not torch.equal(quarter[n], new[n]) for n in changed)
    tuned.interpolate(1.0)
    assert equal_weights(weights_of(encoder), new)
    assert encoder.fingerprint == print_new
    tuned.interpolate(0.0)
    assert equal_weights(weights_of(encoder), old)
    assert encoder.fingerprint == print_old


@pytest.mark.parametrize(("kind", "name"), TRAINED)
def test_blocks_hold_every_weight_behind_the_features_once(fresh, kind, name):
    encoder = fresh(kind, name)
    encoder.module.requires_grad_(True)
    encoder.features(encoder.prepare(few(kind)[:2])).square().sum().backward()
    reached = {id(p) for p in encoder.module.parameters() if p.grad is not None}
    blocks = encoder.blocks()
    held = [id(p) for block in blocks for p in block.parameters()]
    assert len(held) == len(set(held))
    assert reached <= set(held)
    layers = {"efficientnet-lite0": 16}.get(name, 2)
    assert len(blocks) == 1 + layers


@pytest.mark.parametrize(("kind", "name"), TRAINED)
def test_blocks_come_in_the_order_of_depth(fresh, kind, name):
    encoder = fresh(kind, name)
    called = []
    for index, block in enumerate(encoder.blocks()):
        for module in block.modules():
            if isinstance(module, nn.Linear | nn.Conv2d | nn.Embedding):
                module.register_forward_hook(lambda *_, index=index: called.append(index))
    encoder.features(encoder.prepare(few(kind)[:1]))
    if name == "sentence":
        called = called[1:]  # the word pieces' own look-up, for the features' second half
    assert called == sorted(called)
    assert set(called) == set(range(len(encoder.blocks())))


def test_partial_trains_the_last_blocks_only(fresh):
    encoder = fresh("text", "sentence")
    old = weights_of(encoder)
    tuned = make_trainable(encoder, "partial", FineTuningConfig(partial_blocks=1, chunk_size=2))
    take_steps(tuned, inputs_of("text"))
    new = weights_of(encoder)
    changed = {n for n in old if not torch.equal(old[n], new[n])}
    assert changed
    assert all("layer.1." in n for n in changed)


def test_frozen_trains_nothing(fresh):
    encoder = fresh("text", "clip")
    print_before = encoder.fingerprint
    tuned = make_trainable(encoder, "frozen", CONFIG)
    assert tuned.parameters() == []
    assert tuned.param_groups(0.1) == []
    assert tuned.trainable_state() == {}
    tuned.finish()
    assert encoder.fingerprint == print_before


def test_earlier_blocks_learn_slower_and_vectors_do_not_decay(fresh):
    encoder = fresh("text", "sentence")
    config = FineTuningConfig(learning_rate=1e-3, layer_decay=0.5)
    tuned = make_trainable(encoder, "full", config)
    groups = tuned.param_groups(0.1)
    assert {g["lr"] for g in groups} == {1e-3, 5e-4, 2.5e-4}
    by_weight = {id(p): group for group in groups for p in group["params"]}
    words = encoder.module[0].auto_model.get_input_embeddings().weight
    assert by_weight[id(words)]["lr"] == 2.5e-4
    for group, parameter in [(g, p) for g in groups for p in g["params"]]:
        assert group["weight_decay"] == (0.1 if parameter.ndim > 1 else 0.0)
        assert group["initial_lr"] == group["lr"]
    grouped = [id(p) for g in groups for p in g["params"]]
    assert sorted(grouped) == sorted(id(p) for p in tuned.parameters())


def test_lora_learns_at_one_rate(fresh):
    tuned = make_trainable(fresh("text", "sentence"), "lora", FineTuningConfig(learning_rate=1e-3))
    assert {g["lr"] for g in tuned.param_groups(0.1)} == {1e-2}
    assert {p.ndim for p in tuned.parameters()} == {2}


@pytest.mark.parametrize(("kind", "name"), TRAINED)
def test_lora_starts_at_the_encoder_s_own_features(fresh, features_of, kind, name):
    encoder = fresh(kind, name)
    tuned = make_trainable(encoder, "lora", CONFIG)
    assert np.array_equal(encoder.encode(inputs_of(kind)), features_of(kind, name))
    ranks = {min(p.shape[:2]) for p in tuned.parameters()}
    assert ranks == {CONFIG.lora_rank}


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize(("kind", "name"), TRAINED)
def test_a_resumed_encoder_goes_on_to_the_bit(fresh, kind, name, how):
    whole, first, second = (fresh(kind, name) for _ in range(3))
    tuned = make_trainable(whole, how, CONFIG)
    take_steps(tuned, few(kind), num_steps=2)
    tuned = make_trainable(first, how, CONFIG)
    take_steps(tuned, few(kind))
    state = tuned.trainable_state()
    take_steps(tuned, few(kind))  # the state is a copy: later steps leave it as it is
    tuned = make_trainable(second, how, CONFIG, seed=7)
    tuned.load_trainable_state(state)
    gradients = GradientCache(CONFIG.chunk_size, 1)  # the second of two steps, by hand
    gradients.features(tuned, few(kind)).square().sum().backward()
    gradients.backward()
    with torch.no_grad():
        for p in tuned.parameters():
            if p.grad is not None:
                p -= CONFIG.learning_rate * p.grad / (p.grad.norm() + 1e-6)
    assert equal_weights(weights_of(second), weights_of(whole))


def test_a_state_of_other_settings_is_refused(fresh):
    state = make_trainable(fresh("text", "clip"), "full", CONFIG).trainable_state()
    other = make_trainable(fresh("text", "clip"), "lora", CONFIG)
    with pytest.raises(EncoderError, match="fine_tuning='lora'"):
        other.load_trainable_state(state)


@pytest.mark.parametrize("name", ["clip", "siglip", "efficientnet-lite0"])
def test_images_can_be_trained_at_another_side(fresh, name):
    encoder = fresh("image", name)
    for side in (32, 48, 64):
        batch = encoder.prepare(IMAGES[:2], side)
        assert batch["pixel_values"].shape == (2, 3, side, side)
        assert encoder.features(batch).shape == (2, encoder.layout.width)
    own, named = encoder.prepare(IMAGES[:2]), encoder.prepare(IMAGES[:2], encoder.side)
    assert torch.equal(own["pixel_values"], named["pixel_values"])


@pytest.mark.parametrize(("name", "need"), [("clip", "16"), ("efficientnet-lite0", "32")])
def test_a_side_that_shows_nothing_is_refused(fresh, name, need):
    with pytest.raises(EncoderError, match=f"image side 8: .*{need} pixels"):
        fresh("image", name).prepare(IMAGES[:1], 8)


@pytest.mark.parametrize("how", WAYS)
def test_a_flat_image_gives_finite_gradients(fresh, how):
    """Its channels have no variance, where the slope of the root is infinite."""
    tuned = make_trainable(fresh("image", "efficientnet-lite0"), how, CONFIG)
    white = IMAGES[0].resize((SIDE, SIDE)).point(lambda _: 255)
    gradients = GradientCache(2, 0)
    gradients.features(tuned, [white, IMAGES[1]]).square().sum().backward()
    gradients.backward()
    gradients = [p.grad for p in tuned.parameters() if p.grad is not None]
    assert gradients
    assert all(bool(g.isfinite().all()) for g in gradients)


def test_two_stages_follow_each_other(fresh):
    """A second stage starts from the first one's mix, and LoRA leaves no trace."""
    encoder = fresh("text", "clip")
    names = list(encoder.module.state_dict())
    for how in itertools.chain(WAYS, ["lora"]):
        tuned = make_trainable(encoder, how, CONFIG)
        before = weights_of(encoder) if how != "lora" else None
        take_steps(tuned, inputs_of("text"))
        tuned.finish()
        assert list(encoder.module.state_dict()) == names
        if before is not None:
            tuned.interpolate(0.0)
            assert equal_weights(weights_of(encoder), before)
            tuned.interpolate(0.5)
    assert all(p.grad is None for p in encoder.module.parameters())


def gradient(encoder, kind, monkeypatch, dtype):
    """The gradient of the features' sum of squares, and how often a product ran in bfloat16."""
    monkeypatch.setattr(tuning, "fast_dtype", lambda: dtype)
    tuned = make_trainable(encoder, "full", CONFIG)
    reduced = []
    for module in encoder.module.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            module.register_forward_hook(lambda m, i, out: reduced.append(out.dtype))
    torch.manual_seed(0)  # the same dropout
    tuned.features(few(kind)).float().square().sum().backward()
    flat = [p.grad.flatten() for p in tuned.parameters() if p.grad is not None]
    return torch.cat(flat), reduced.count(torch.bfloat16)


@pytest.mark.parametrize(("kind", "name"), TRAINED)
def test_mixed_precision_is_on_where_it_pays_and_keeps_the_gradient(fresh, monkeypatch, kind, name):
    exact, none = gradient(fresh(kind, name), kind, monkeypatch, torch.float32)
    close, some = gradient(fresh(kind, name), kind, monkeypatch, torch.bfloat16)
    assert none == 0
    assert (some > 0) == ("efficientnet" not in name)
    assert torch.equal(close, exact) == (some == 0)
    assert torch.cosine_similarity(close, exact, dim=0) > 0.99


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_towers_multiply_in_mixed_precision_while_training_alone(monkeypatch, dtype):
    monkeypatch.setattr(layers, "fast_dtype", lambda device: dtype)
    torch.manual_seed(0)
    network, x = layers.ZeroStartMLP(32, 32, 8, 0.0), torch.randn(16, 32)
    nn.init.normal_(network[-1].weight)
    exact = network[-1](network[1](network[0](x)))
    training, searching = network.train()(x), network.eval()(x)
    assert torch.equal(searching, exact)
    assert torch.equal(training, exact) == (dtype == torch.float32)
    assert training.dtype == torch.float32
    torch.testing.assert_close(training, exact, atol=0.1, rtol=0.02)
