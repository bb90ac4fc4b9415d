"""Summaries of samples, their JSON, and Markdown tables.

Only summaries are kept: a later reader compares them, and the file stays small. Must not know the
measures.
"""

from __future__ import annotations

import json
import math
import os
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from config_supervisor.core.record import Record
from tests.bench.bench import Result
from tests.bench.candidates import PYTHON

_HUNDRED = 100  # with fewer samples a p99 is just the greatest


class Summary(Record):
    """Of the samples of a candidate."""

    count: int
    least: float
    median: float
    p99: float
    most: float


class Table(Record):
    """A result: a summary and a kind per candidate, with date and commit of the run."""

    key: str
    title: str
    unit: str
    rows: dict[str, Summary]
    kinds: dict[str, str]
    note: str
    failed: dict[str, str]
    when: str

    def median(self, name: str) -> float:
        """NaN for a candidate without samples."""
        return self.figure("median", name)

    def figure(self, figure: str, name: str) -> float:
        """A field of the candidate's summary; NaN without samples, and for a p99 of few samples."""
        row = self.rows.get(name)
        if row is None or (figure == "p99" and row.count < _HUNDRED):
            return math.nan
        found: float = getattr(row, figure)
        return found


def summarize(result: Result, when: str) -> Table:
    rows = {name: _summary(samples) for name, samples in result.samples.items() if samples}
    failed = {name: why.partition("\n")[0] for name, why in result.failed.items()}
    return Table(
        result.key, result.title, result.unit, rows, result.kinds, result.note, failed, when
    )


def _summary(samples: Sequence[float]) -> Summary:
    ordered = sorted(samples)
    p99 = ordered[math.ceil(0.99 * len(ordered)) - 1]
    return Summary(len(ordered), ordered[0], statistics.median(ordered), p99, ordered[-1])


def load(path: str) -> dict[str, Table]:
    """The tables of an earlier run, by key; none if there was none."""
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        kept: list[dict[str, Any]] = json.load(file)
    found = {}
    for one in kept:
        rows = {name: Summary(*values) for name, values in one.pop("rows").items()}
        found[one["key"]] = Table(rows=rows, **one)
    return found


def save(path: str, tables: Iterable[Table]) -> None:
    """Write them with four significant digits, a candidate a line."""
    kept = []
    for table in tables:
        rows = {name: _values(row) for name, row in table.rows.items()}
        kept.append(
            {
                name: rows if name == "rows" else getattr(table, name)
                for name in Table.__match_args__
            }
        )
    with open(path, "w", encoding="utf-8") as file:
        file.write(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")


def _values(row: Summary) -> list[float]:
    return [
        row.count,
        *(float(f"{value:.4g}") for value in (row.least, row.median, row.p99, row.most)),
    ]


def render(table: Table) -> str:
    """Markdown: a heading, the table, its note, and who could not be measured."""
    medians = {name: row.median for name, row in table.rows.items()}
    best = min((value for value in medians.values() if value > 0), default=math.nan)
    peers = [
        value for name, value in medians.items() if table.kinds.get(name) == PYTHON and value > 0
    ]
    peer = min(peers, default=math.nan)
    head = ["", "n", "min", "median", "p99", "max", "to the best", "to the nearest Python peer"]
    lines = [
        [name, *_cells(row), ratio(row.median, best), ratio(row.median, peer)]
        for name, row in table.rows.items()
    ]
    text = f"### {table.title}, {table.unit}\n"
    if lines:
        text += f"\n{grid(head, lines)}\n"
    if table.note:
        text += f"\n{table.note}\n"
    for name, why in table.failed.items():
        text += f"\nNot measured: {name}: {why}.\n"
    return f"{text}\nMeasured {table.when}.\n"


def _cells(row: Summary) -> list[str]:
    p99 = number(row.p99) if row.count >= _HUNDRED else "-"  # else it is but the greatest
    return [str(row.count), number(row.least), number(row.median), p99, number(row.most)]


def grid(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table that reads well as plain text too."""
    widths = [max(2, *(len(row[column]) for row in [head, *lines])) for column in range(len(head))]
    rule = ["-" * widths[0]] + ["-" * (width - 1) + ":" for width in widths[1:]]

    def line(cells: Sequence[str]) -> str:
        first, *others = cells
        return (
            "| " + " | ".join([first.ljust(widths[0]), *map(str.rjust, others, widths[1:])]) + " |"
        )

    return "\n".join(map(line, [head, rule, *lines]))


def number(value: float) -> str:
    """Three significant digits, thousands with a comma, whole numbers without a point."""
    if math.isnan(value):
        return "-"
    if value == 0:
        return "0"
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{digits}f}"


def ratio(value: float, to: float) -> str:
    if math.isnan(to) or not value:
        return "-"
    share = value / to
    return f"1/{number(1 / share)}" if share < 0.1 else f"{number(share)} x"
