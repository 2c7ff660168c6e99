"""A shop's accent colour in shades that text can be read by, for light and dark pages."""

Colour = tuple[float, float, float]
PAPERS = {
    "light": ("#faf9f6", "#ffffff", "#f0ede6"),
    "dark": ("#161513", "#211f1c", "#262420"),
}
"""Grounds on which the accent stands (base.css)."""
CONTRAST = 4.6
"""Least contrast, a little above the 4.5 of WCAG AA."""
STEPS = 40


def accents(accent: str) -> dict[str, dict[str, str]]:
    """Return `accent`, `on-accent` and `accent-tint` for light and dark; nothing for no accent."""
    return {scheme: _shades(accent, scheme) for scheme in PAPERS} if accent else {}


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, 1 to 21 (WCAG 2.2)."""
    dark, light = sorted([_luminance(_parsed(one)), _luminance(_parsed(other))])
    return (light + 0.05) / (dark + 0.05)


def _shades(accent: str, scheme: str) -> dict[str, str]:
    """Move the accent towards black or white until it and its tint can be read."""
    end = "#000000" if scheme == "light" else "#ffffff"
    shade = accent
    for step in range(STEPS + 1):
        shade = _mixed(accent, end, step / STEPS)
        tint = _mixed(PAPERS[scheme][1], shade, 0.12)
        if min(contrast(shade, ground) for ground in (*PAPERS[scheme], tint)) >= CONTRAST:
            break
    on_accent = max(("#ffffff", "#10100f"), key=lambda text: contrast(shade, text))
    return {"accent": shade, "on-accent": on_accent, "accent-tint": tint}


def _mixed(one: str, other: str, share: float) -> str:
    pairs = zip(_parsed(one), _parsed(other), strict=True)
    return "#" + "".join(f"{round(255 * (a + (b - a) * share)):02x}" for a, b in pairs)


def _parsed(colour: str) -> Colour:
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def _luminance(colour: Colour) -> float:
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
