"""The contrast of two colours, as guidelines for readable pages count it: WCAG 2.2, 1.4.3."""

from __future__ import annotations

from collections.abc import Sequence

LEAST = 4.5  # of a text and its ground


def contrast(one: Sequence[float], other: Sequence[float]) -> float:
    """The ratio of two colours in red, green and blue, 0 to 255; 1 to 21.

    https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio
    """
    low, high = sorted(map(_luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: Sequence[float]) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    parts = [part / 255 for part in colour[:3]]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
