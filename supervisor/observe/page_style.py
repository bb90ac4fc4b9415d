"""The style of the pages for people, and the policy that admits it and nothing else.

Light or dark as the reader's system has it; narrow screens get a line for each cell. Each text has
a contrast of at least 4.5 on its ground (WCAG 2.2, 1.4.3).
"""

from __future__ import annotations

_COLOURS = """
:root{color-scheme:light dark;--ground:#fff;--text:#1b1b1b;--soft:#555;--good:#0b6127;
--bad:#a8071a;--link:#0b4fb3;--line:#c8c8c8;--note:#fff1e0}
@media (prefers-color-scheme:dark){:root{--ground:#141414;--text:#e8e8e8;--soft:#b4b4b4;
--good:#7ddc8f;--bad:#ff9a91;--link:#8ab4f8;--line:#4a4a4a;--note:#33230f}}
"""
_SCREEN = """
*{box-sizing:border-box}
body{margin:0 auto;max-width:60rem;padding:1rem;background:var(--ground);color:var(--text);
font:1rem/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;margin:0}
h2{font-size:1.15rem;margin:1.5rem 0 .25rem}
p{margin:.25rem 0}
header p,footer,thead{color:var(--soft)}
footer{margin-top:2rem;border-top:1px solid var(--line);font-size:.9rem}
a{color:var(--link)}
a:focus-visible{outline:3px solid var(--link);outline-offset:2px}
nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1rem;margin:.5rem 0;padding:0;list-style:none}
nav a{display:inline-block;padding:.25rem 0}
table{width:100%;border-collapse:collapse}
th,td{padding:.35rem .75rem .35rem 0;border-bottom:1px solid var(--line);text-align:left;
vertical-align:top}
tbody th{font-weight:600}
table:not(.wide) th{width:11rem;white-space:nowrap}
.wide tbody th{min-width:8rem}
bdi,code{overflow-wrap:anywhere}
pre{margin:0;overflow-wrap:anywhere;white-space:pre-wrap}
.good{color:var(--good)}
.bad{color:var(--bad)}
.warnings{margin-top:1rem;padding:.1rem 1rem .5rem;border-left:.4rem solid var(--bad);
background:var(--note)}
.warnings h2{margin-top:.5rem}
.warnings ul{margin:0;padding-left:1.2rem}
"""
_NARROW = """
@media (max-width:40rem){
table:not(.wide) th{width:7.5rem}
.wide thead{position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden}
.wide,.wide tbody,.wide tr,.wide th,.wide td{display:block}
.wide tr{padding:.35rem 0;border-bottom:1px solid var(--line)}
.wide th,.wide td{padding:0;border:0}
.wide td::before{content:attr(data-head) ": ";color:var(--soft)}}
"""
_PAPER = """
@media print{:root{--ground:#fff;--text:#000;--soft:#333;--good:#000;--bad:#000;--link:#000;
--line:#888;--note:#fff}
nav{display:none}
h2,tr{break-inside:avoid;break-after:auto}
td time::after{content:" (" attr(title) ")"}}
"""
STYLE = _COLOURS + _SCREEN + _NARROW + _PAPER
# The hash of the style, whose change changes it: a test computes it.
_HASH = "sha256-b4/KDU0ukhpSLemtAAx2MsTkfkG2N+S1dvST/8tPNd8="
POLICY = (
    f"default-src 'none'; style-src '{_HASH}'; img-src data:; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
