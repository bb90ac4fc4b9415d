"""The style of the pages for people: admitted by its hash, readable in every scheme."""

from __future__ import annotations

import base64
import hashlib
import re

from config_supervisor.observe import page_style, status_page
from tests.contrast import LEAST, contrast


def test_policy_admits_this_style_alone() -> None:
    page = status_page.unknown(()).decode()
    style = page.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

    assert f"style-src 'sha256-{digest}'" in page_style.POLICY
    assert "default-src 'none'" in page_style.POLICY
    assert "url(" not in style


def rgb(digits: str) -> list[int]:
    """The colour of `#rrggbb` or `#rgb`."""
    whole = digits if len(digits) == 6 else "".join(one * 2 for one in digits)
    return [int(whole[at : at + 2], 16) for at in (0, 2, 4)]


def test_each_text_has_enough_contrast_in_every_scheme() -> None:
    schemes = [
        dict(re.findall(r"--(\w+):#(\w+)", block))
        for block in re.findall(r":root\{([^}]*)\}", page_style.STYLE)
    ]
    used = set(re.findall(r"[{;\n]color:var\(--(\w+)\)", page_style.STYLE))

    assert 3 == len(schemes)
    assert {"text", "soft", "good", "bad", "link"} == used
    for scheme in schemes:
        for ground in ("ground", "note"):
            for ink in used:
                ratio = contrast(rgb(scheme[ink]), rgb(scheme[ground]))
                assert ratio >= LEAST, (scheme, ground, ink)
