"""Losses, steps and trainings by as many processes as there are, with small shards."""

import copy
import os
import signal
import time
from dataclasses import replace
from unittest import mock

import numpy as np
import torch

from windowshop.config import LossConfig, StageConfig
from windowshop.data.dataset import read_dataset
from windowshop.encoders.layout import Layout
from windowshop.model.two_tower import TwoTower
from windowshop.training import distributed, loop, losses
from windowshop.training.fit import train
from windowshop.training.losses import contrastive, make_targets
from windowshop.training.negatives.table import HardNegatives
from windowshop.training.objectives import OBJECTIVES, Step, sampling_correction

SHARDS = 4


def towers(config, fusion):
    """Towers in training with random weights, so that every part of them takes part."""
    torch.manual_seed(0)
    model = TwoTower(replace(config, fusion=fusion), Layout((6,)), Layout((5,)))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "scale" not in name:
                parameter.normal_(std=0.5)
    return model.train()


def each(function, cases):
    """Call a function with the arguments of each case, all by the same processes."""
    with distributed.joined("cpu"):
        return [function(*case) for case in cases]


def shared_step(data, config, stage, fusion, loss, settings):
    """Return the loss of a step, and the gradients by parameter."""
    model = towers(config, fusion)
    correction = LossConfig(**loss).sampling_correction
    step = Step(
        stage=StageConfig(name=stage, steps=1, **settings),
        loss=LossConfig(**loss),
        rng=np.random.default_rng(3),
        negatives=HardNegatives(np.arange(13), np.arange(12) + 2, 0),
        guide=copy.deepcopy(model).eval() if loss.get("guide_margin") else None,
        log_share_N=sampling_correction(data.pairs, 2) if correction else None,
        max_shards=SHARDS,
    )
    with mock.patch.object(distributed, "MIN_SHARD_ROWS", 2):
        value = OBJECTIVES[stage](model, data, step)
    value.backward()
    distributed.sum_gradients(list(model.parameters()))
    gradients = {
        name: None if parameter.grad is None else parameter.grad.numpy()
        for name, parameter in model.named_parameters()
    }
    return float(distributed.total(value)), gradients


def shared_loss(batch, given, form, num_shards):
    """Return the loss of a batch, the gradients of all its vectors, and of scale and bias."""
    query_BD, product_CD = (torch.from_numpy(x) for x in batch)
    scale = torch.tensor(7.0, dtype=torch.float64, requires_grad=True)
    bias = torch.tensor(-2.0, dtype=torch.float64, requires_grad=True)
    with mock.patch.object(distributed, "MIN_SHARD_ROWS", 1):
        of_queries = distributed.cut(len(query_BD), num_shards)
        of_products = distributed.cut(len(product_CD), num_shards)
    own = of_queries.own
    query_RD = query_BD[own].clone().requires_grad_()
    own_RD = product_CD[of_products.own].clone().requires_grad_()
    (gathered_CD,) = of_products.gather(own_RD)
    tensors = {name: torch.from_numpy(x) for name, x in given.items()}
    rows = {name: x if name == "log_share_C" else x[own] for name, x in tensors.items()}
    value = contrastive(query_RD, gathered_CD, make_targets(form=form, **rows), scale, bias)
    value.backward()
    parts = [torch.zeros_like(x) if x.grad is None else x.grad for x in (scale, bias)]
    return [
        float(distributed.total(value)),
        distributed.everyones(query_RD.grad)[0].numpy(),
        distributed.everyones(own_RD.grad)[0].numpy(),
        *(float(distributed.total(part)) for part in parts),
    ]


def in_blocks(cells, *given):
    """Return `shared_loss` with so many logits in memory at a time."""
    with mock.patch.object(losses, "CELLS", cells):
        return shared_loss(*given)


def shared_training(place, out, config, dies=None):
    """Train on the data in a folder; `dies`, a rank and a number of steps, kills that process."""
    num_steps = 0
    sum_gradients = loop.sum_gradients

    def counted(parameters):
        nonlocal num_steps
        num_steps += 1
        if dies == (distributed.rank(), num_steps):
            os.kill(os.getpid(), signal.SIGKILL)
        sum_gradients(parameters)

    with (
        mock.patch.object(distributed, "MIN_SHARD_ROWS", 2),
        mock.patch.object(loop, "sum_gradients", counted),
    ):
        return train(read_dataset(place / "data"), out, config, place / "cache")


def differing():
    """Join with data that is another process's own."""
    with distributed.joined("cpu"):
        distributed.require_same("training data", f"data of process {distributed.rank()}")


def in_turn_on_two_machines():
    """Times of this process' turn, where the first machine has three processes, the other two."""
    os.environ["LOCAL_RANK"] = str(int(os.environ["RANK"]) % 3)
    with distributed.joined("cpu"), distributed.in_turn():
        began = time.monotonic()
        time.sleep(0.5)
        return began, time.monotonic()
