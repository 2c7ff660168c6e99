"""Drawn product images from kind, colours and pattern.

A kind is a list of parts on a grid of 100 x 100, painted in order. Each part is a path as in SVG:
`M` and `L` go to a point, `Q` bends by a control point to a point, `E` is an ellipse (centre,
radii). Variation comes from the generator that is passed in, so equal looks give unequal pictures.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageDraw, ImageFilter

# Shapes: H, W pixels of the supersampled canvas; P points of an outline.
RGB = tuple[int, int, int]
Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Fill = Literal["pattern", "main", "trim", "inside", "seam", "wood"]

SUPERSAMPLE = 2
"""Factor by which images are drawn larger, then scaled down to smooth the edges."""
MIN_CONTRAST = 180.0
"""Least RGB distance of two colours that may share a pattern."""
GRID = 100.0
CURVE_STEPS = 12
OUTLINE_WIDTH = 0.9
WOOD: RGB = (150, 112, 78)
BLACK: RGB = (0, 0, 0)
WHITE: RGB = (255, 255, 255)

PALETTE: dict[str, RGB] = {
    "red": (203, 32, 39),
    "orange": (242, 130, 26),
    "yellow": (248, 210, 48),
    "green": (44, 140, 66),
    "blue": (36, 92, 196),
    "purple": (116, 56, 152),
    "pink": (244, 142, 182),
    "brown": (112, 68, 38),
    "black": (36, 36, 40),
    "white": (247, 246, 242),
}


@dataclass(frozen=True, slots=True)
class Look:
    """Visible facts of a product."""

    kind: str
    colour: str
    pattern: str
    accent: str | None
    """The pattern's colour; None for a plain product."""


@dataclass(frozen=True, slots=True)
class Part:
    """One painted area or stroke of a kind."""

    fill: Fill
    path: str
    width: float = 0.0
    """Stroke width on the grid; 0 fills the path."""
    mirrored: bool = False
    """The path is the right half, from top to bottom; the left half is its mirror image."""


@dataclass(frozen=True, slots=True)
class Fills:
    """Paints of one product."""

    textured: Image.Image
    """Full canvas of the pattern."""
    flat: dict[Fill, RGB]


def _half(fill: Fill, path: str) -> Part:
    return Part(fill, path, mirrored=True)


def _seams(*paths: str) -> tuple[Part, ...]:
    return tuple(Part("seam", path, width=0.9) for path in paths)


SHAPES: dict[str, tuple[Part, ...]] = {
    "t-shirt": (
        _half("inside", "M50 15 Q57 15 64 16 L62 24 Q58 30 50 30"),
        _half("pattern", "M50 28 Q60 27 63 15 L70 17 L95 34 L85 51 L75 44 L76 87 Q63 90 50 90"),
        _half("trim", "M50 32 Q64 31 66.5 16 L63 15 Q60 27 50 28"),
        *_seams("M75 44 L73 33", "M25 44 L27 33", "M24 84 Q50 88 76 84"),
    ),
    "shirt": (
        _half("inside", "M50 11 L58 11 L60 18 L50 26"),
        _half("pattern", "M50 24 L61 13 L72 17 Q81 20 84 30 L95 76 L84 79 L75 48 L76 88 L50 92"),
        Part("trim", "M93.4 69 L82 72 L84 79 L95 76"),
        Part("trim", "M6.6 69 L18 72 L16 79 L5 76"),
        Part("trim", "M50 25 L57 36 L66 16 L60 9 L57 12 L50 25"),
        Part("trim", "M50 25 L43 36 L34 16 L40 9 L43 12 L50 25"),
        *_seams("M47 31 L47 91", "M53 31 L53 91", "M75 48 L73 36", "M25 48 L27 36"),
        *(Part("inside", f"E50 {y} 1.3 1.3") for y in (40, 51, 62, 73, 84)),
    ),
    "dress": (
        _half("inside", "M50 20 L58 12 L61 18 L58 28 L50 30"),
        _half("pattern", "M50 27 Q58 26 60 7 L65 7 Q64 20 70 27 Q66 36 63 45 L86 89 Q68 96 50 96"),
        _half("trim", "M50 44 L63.2 43 L64.5 49 L50 50"),
        *_seams("M45 50 L36 94", "M55 50 L64 94"),
    ),
    "skirt": (
        _half("pattern", "M50 22 L67 22 L90 84 Q72 91 50 91"),
        _half("trim", "M50 14 L66 14 L67.5 22 L50 22.5"),
        *_seams("M42 23 L32 89", "M50 23 L50 91", "M58 23 L68 89"),
    ),
    "socks": (
        Part(
            "pattern", "M48 12 L70 12 L70 50 L81 59 Q94 65 93 73 Q91 82 78 79 L56 71 Q47 67 48 56"
        ),
        Part("trim", "M47 6 L71 6 L70.5 16 L47.5 16"),
        Part("trim", "M81 59 Q94 65 93 73 Q91 82 78 79 Q76 68 81 59"),
        Part(
            "pattern", "M14 20 L38 20 L38 60 L49 69 Q63 75 62 84 Q60 94 46 91 L23 82 Q13 77 14 66"
        ),
        Part("trim", "M13 14 L39 14 L38.5 25 L13.5 25"),
        Part("trim", "M49 69 Q63 75 62 84 Q60 94 46 91 Q44 79 49 69"),
    ),
    "cap": (
        Part("trim", "M38 66 Q58 54 76 58 Q97 62 98 72 Q80 66 62 70 Q46 73 38 66"),
        Part("pattern", "M12 64 Q10 28 44 26 Q74 27 77 58 Q58 56 40 67 Q24 69 12 64"),
        Part("trim", "E44 25.5 4 2"),
        *_seams("M44 26 Q34 44 36 67", "M44 26 Q62 36 66 58", "M44 26 Q22 36 18 65"),
    ),
    "tote bag": (
        Part("trim", "M36 44 Q36 7 50 7 Q64 7 64 44", width=4.5),
        _half("pattern", "M50 36 L80 36 L86 93 Q68 95 50 95"),
        _half("trim", "M50 36 L80 36 L80.6 41 L50 41"),
        Part("trim", "M36 36 L36 48", width=4.5),
        Part("trim", "M64 36 L64 48", width=4.5),
    ),
    "umbrella": (
        Part("wood", "M50 50 L50 86 Q50 94 43 94 Q36 94 36 86", width=3.4),
        Part("wood", "M50 8 L50 16", width=2.4),
        _half("pattern", "M50 14 Q92 18 97 60 Q89 51 81 59 Q73 50 65 59 Q58 51 50 58"),
        *_seams("M50 14 Q80 24 81 59", "M50 14 Q66 30 65 59"),
        *_seams("M50 14 Q34 30 35 59", "M50 14 Q20 24 19 59"),
    ),
    "mug": (
        Part("main", "M66 40 Q93 34 92 55 Q91 77 64 76", width=7.0),
        Part("pattern", "M16 24 L17 82 Q18 91 30 91 L56 91 Q68 91 69 82 L70 24"),
        Part("main", "E43 24 27 6.5"),
        Part("inside", "E43 24 24 4.8"),
    ),
    "vase": (
        _half("pattern", "M50 10 L62 10 Q59 24 57 33 Q82 48 77 70 Q74 88 62 93 L50 93"),
        Part("main", "E50 10 12.5 3.4"),
        Part("inside", "E50 10 10.3 2.3"),
    ),
    "cushion": (
        _half("pattern", "M50 18 Q74 19 92 10 Q86 30 86 50 Q86 70 92 90 Q74 81 50 82"),
        Part(
            "trim",
            "M50 18 Q74 19 92 10 Q86 30 86 50 Q86 70 92 90 Q74 81 50 82",
            width=1.8,
            mirrored=True,
        ),
    ),
    "lamp": (
        Part("wood", "M50 50 L50 88", width=5.0),
        Part("wood", "E50 90 20 4.5"),
        Part("wood", "E50 70 8 10"),
        _half("pattern", "M50 12 L68 12 L88 55 Q70 60 50 60"),
        _half("trim", "M50 56 Q70 56 86.5 51.5 L88 55 Q70 60 50 60"),
        _half("trim", "M50 11 L68 11 L69 15 L50 15.5"),
    ),
}
ROUND = ("mug", "vase", "lamp")
"""Kinds that are shaded as bodies of rotation; the others are cloth."""


def contrasting(colour: str) -> list[str]:
    """Return the colours that stand out on `colour`, in the palette's order."""
    main = np.array(PALETTE[colour], dtype=np.float64)
    return [n for n, rgb in PALETTE.items() if np.linalg.norm(main - rgb) >= MIN_CONTRAST]


def draw(look: Look, side: int, rng: np.random.Generator) -> Image.Image:
    """Draw the product on a light ground, `side` pixels square, RGB."""
    size = side * SUPERSAMPLE
    fills = _fills(look, size, rng)
    image = Image.new("RGBA", (size, size))
    for part, outline_P2 in _posed(look.kind, size, rng):
        _paint(image, part, outline_P2, fills)
    silhouette = image.getchannel("A")
    light = Image.fromarray(_light(look.kind in ROUND, size, rng))
    lit = ImageChops.multiply(image.convert("RGB"), Image.merge("RGB", (light, light, light)))
    ground = _ground(silhouette, rng)
    ground.paste(lit, mask=silhouette)
    return ground.reduce(SUPERSAMPLE)


def _fills(look: Look, size: int, rng: np.random.Generator) -> Fills:
    main = _shade(PALETTE[look.colour], rng)
    accent = _shade(PALETTE[look.accent], rng) if look.accent else main
    share_HW = _pattern(look.pattern, size, rng)
    channels = [
        Image.fromarray((a + share_HW * (b - a)).astype(np.uint8))
        for a, b in zip(main, accent, strict=True)
    ]
    flat: dict[Fill, RGB] = {
        "main": main,
        "trim": accent if look.accent else _mix(main, BLACK, 0.16),
        "inside": _mix(main, BLACK, 0.45),
        "seam": _mix(main, WHITE if sum(main) < 200 else BLACK, 0.3),
        "wood": WOOD,
    }
    return Fills(Image.merge("RGB", channels), flat)


def _paint(image: Image.Image, part: Part, outline_P2: Floats, fills: Fills) -> None:
    """Paint one part; areas get an outline."""
    points = [(float(x), float(y)) for x, y in outline_P2]
    unit = image.width / GRID
    pen = ImageDraw.Draw(image)
    if part.width:
        width = max(1, round(part.width * unit))
        pen.line(points, fill=fills.flat[part.fill], width=width, joint="curve")
        return
    if part.fill == "pattern":
        stencil = Image.new("L", image.size)
        ImageDraw.Draw(stencil).polygon(points, fill=255)
        image.paste(fills.textured, mask=stencil)
    else:
        pen.polygon(points, fill=fills.flat[part.fill])
    width = max(1, round(OUTLINE_WIDTH * unit))
    pen.line([*points, points[0]], fill=fills.flat["seam"], width=width, joint="curve")


def _posed(kind: str, size: int, rng: np.random.Generator) -> list[tuple[Part, Floats]]:
    """Return parts with outlines in pixels, scaled, turned, shifted and perhaps mirrored."""
    scale = rng.uniform(0.8, 0.95) * rng.uniform(0.96, 1.04, 2)
    angle = rng.normal(0.0, 0.05)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.diag(scale * (rng.choice((-1, 1)), 1)) * (size / GRID)
    shift = (GRID / 2 + rng.uniform(-3.0, 3.0, 2)) * (size / GRID)
    return [
        (part, ((_outline(part) - GRID / 2) @ matrix.T + shift).astype(np.float32))
        for part in SHAPES[kind]
    ]


@cache
def _outline(part: Part) -> Floats:
    """Return the points of a part's path on the grid, curves cut into short lines; (P, 2)."""
    points: list[npt.NDArray[np.float64]] = []
    for command, numbers in re.findall(r"([MLQE])([^MLQE]*)", part.path):
        at = np.array(numbers.split(), dtype=np.float64).reshape(-1, 2)
        if command == "Q":
            t = np.linspace(0, 1, CURVE_STEPS + 1)[1:, None]
            points.extend((1 - t) ** 2 * points[-1] + 2 * t * (1 - t) * at[0] + t**2 * at[1])
        elif command == "E":
            t = np.linspace(0, 2 * np.pi, 4 * CURVE_STEPS, endpoint=False)[:, None]
            points.extend(at[0] + at[1] * np.hstack([np.cos(t), np.sin(t)]))
        else:
            points.append(at[0])
    if part.mirrored:
        points.extend([np.array([GRID - x, y]) for x, y in reversed(points)])
    return np.array(points, dtype=np.float32)


def _pattern(name: str, size: int, rng: np.random.Generator) -> Floats:
    """Return the share of the accent colour in each pixel, 0 to 1; (H, W)."""
    period = rng.uniform(11.0, 15.0)
    angle = rng.normal(0.0, 0.04)
    du, dv = rng.random(2)
    if name == "striped" and rng.random() < 0.4:
        angle += np.pi / 2
    axis = np.arange(size, dtype=np.float32) * np.float32(GRID / size / period)
    x, y = axis[None, :], axis[:, None]
    u = x * np.float32(np.cos(angle)) - y * np.float32(np.sin(angle)) + np.float32(du)
    v = x * np.float32(np.sin(angle)) + y * np.float32(np.cos(angle)) + np.float32(dv)
    return PATTERN_RULES[name](u, v).astype(np.float32)


def _checks(u: Floats, v: Floats) -> npt.NDArray[np.floating]:
    """Return bands both ways, solid where they cross."""
    return ((u % 1 < 0.37).astype(np.float32) + (v % 1 < 0.37)) / 2


def _dots(u: Floats, v: Floats) -> Mask:
    """Return discs, every other row shifted by half."""
    radius: Floats = np.hypot((u + np.floor(v) % 2 / 2) % 1 - 0.5, v % 1 - 0.5)
    return radius < 0.29


def _flowers(u: Floats, v: Floats) -> Mask:
    """Return flowers of five petals, each turned by its own angle."""
    row = np.floor(0.72 * v)
    column = 0.72 * u + row % 2 / 2
    x, y = column % 1 - 0.5, 0.72 * v - row - 0.5
    turn = 2.4 * np.floor(column) + 1.7 * row
    petals: Floats = 0.28 + 0.15 * np.cos(5 * np.arctan2(y, x) + turn)
    radius: Floats = np.hypot(x, y)
    return (radius < petals) & (radius > 0.09)


PATTERN_RULES: dict[str, Callable[[Floats, Floats], npt.NDArray[np.floating] | Mask]] = {
    "plain": lambda u, _: np.zeros_like(u),
    "striped": lambda _, v: v % 1 < 0.38,
    "checked": _checks,
    "dotted": _dots,
    "zigzag": lambda u, v: (v + 0.55 * np.abs(u % 1 * 2 - 1)) % 1 < 0.36,
    "floral": _flowers,
}
PATTERNS = tuple(PATTERN_RULES)


def _light(is_round: bool, size: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Return the brightness of each pixel up to 255, with the shading of a body or of cloth."""
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    x, y = axis[None, :], axis[:, None]
    if is_round:
        level = 1 - 0.3 * (x + rng.uniform(0.1, 0.3)) ** 2 + 0 * y
    else:
        lean, phase = rng.uniform(-2.0, 2.0), rng.uniform(0, 2 * np.pi)
        level = 0.95 - 0.05 * y + 0.04 * np.sin(5 * x + lean * y + phase)
    light: npt.NDArray[np.uint8] = (np.clip(level, 0, 1) * 255).astype(np.uint8)
    return light


def _ground(silhouette: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Draw a light tinted ground with the product's soft shadow."""
    size = silhouette.width
    tint = rng.uniform(228, 252) + rng.uniform(-5, 5, 3)
    fade = np.linspace(0, -rng.uniform(4, 14), size)[:, None, None]
    column_H13 = np.clip(tint + fade, 0, 255).astype(np.uint8)
    ground = Image.fromarray(column_H13).resize((size, size), Image.Resampling.NEAREST)
    small = silhouette.reduce(4).filter(ImageFilter.GaussianBlur(size / 120))
    shadow = ImageChops.offset(small.resize(silhouette.size), 0, round(size * 0.015))
    ground.paste((92, 92, 104), mask=shadow.point(lambda value: value * 0.45))
    return ground


def _shade(rgb: RGB, rng: np.random.Generator) -> RGB:
    """Return a slightly different tone of the colour."""
    moved = np.array(rgb) * rng.uniform(0.94, 1.05) + rng.uniform(-7, 7, 3)
    red, green, blue = np.clip(moved, 0, 252).astype(int).tolist()
    return red, green, blue


def _mix(rgb: RGB, other: RGB, share: float) -> RGB:
    red, green, blue = (round(a + share * (b - a)) for a, b in zip(rgb, other, strict=True))
    return red, green, blue
