"""The report of --check: the verdicts and the plan, as plain columns or as JSON.

Pure. It decides nothing: what is refused stands in the verdicts.
"""

from __future__ import annotations

from ..core.quoting import encodable_tree, legible
from ..core.record import Record
from . import plan_graph
from .plan import Condition, Plan, Service

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .verdicts import Verdicts

_HEAD = ("tier", "service", "starts", "restart", "essential", "needs")


def text(plan: Plan | None, verdicts: Verdicts) -> str:
    """A line for each verdict, then a line for each service in the order of the starts."""
    lines = [f"{one.level:<6}  {legible(str(one))}" for one in verdicts]
    if plan is None:
        return "".join(f"{line}\n" for line in lines)
    if lines:
        lines.append("")
    tiers = _tiers(plan)
    lines.append(
        f"{_counted(len(plan.services), 'service')} in {_counted(len(tiers), 'tier')};"
        " a tier starts when the services it needs are ready, and stops before them"
    )
    lines += _columns([_HEAD, *_rows(tiers)])
    return "".join(f"{line}\n" for line in lines)


def json_text(plan: Plan | None, verdicts: Verdicts) -> str:
    """The same as JSON. Passwords and variables are left out."""
    import json

    found = {
        "verdicts": [
            {
                "level": one.level,
                "file": one.place.file,
                "line": one.place.line,
                "section": one.place.section,
                "key": one.place.key,
                "message": one.message,
            }
            for one in verdicts
        ],
        "tiers": [[_plain(one) for one in tier] for tier in _tiers(plan)] if plan else None,
    }
    return json.dumps(encodable_tree(found), indent=2) + "\n"


def _tiers(plan: Plan) -> list[list[Service]]:
    services = {one.identity: one for one in plan.services}
    tiers = plan_graph.tiers(plan_graph.graph_of(plan))
    return [[services[identity] for identity in tier] for tier in tiers]


def _rows(tiers: Sequence[Sequence[Service]]) -> Iterable[Sequence[str]]:
    for number, tier in enumerate(tiers, start=1):
        for one in tier:
            needs = [
                need.service + ("" if need.condition is Condition.READY else f":{need.condition}")
                for need in one.depends_on
            ]
            yield (
                str(number),
                legible(one.identity),
                "at once" if one.autostart else "by order",
                one.restart,
                "main" if one.main else _yes(one.essential),
                ", ".join(map(legible, needs)) or "-",
            )


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


_SECRET = frozenset({"environment", "settings"})


def _plain(value: object) -> object:
    if isinstance(value, Record):
        return {
            name: _plain(getattr(value, name))
            for name in value.__match_args__
            if name not in _SECRET
        }
    return [_plain(one) for one in value] if isinstance(value, tuple) else value
