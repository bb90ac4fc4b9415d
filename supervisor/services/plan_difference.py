"""The difference of two plans: the groups that `reread` reports and `update` applies.

Pure. Only groups take part: [supervisord] and the sockets are read at a start, as supervisord
does it.
"""

from __future__ import annotations

from ..core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .plan import Group, Plan


class Difference(Record):
    """Groups by what happened to them, each in the order of its plan."""

    added: tuple[Group, ...] = ()
    changed: tuple[Group, ...] = ()  # as they are to be
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def difference(old: Plan, new: Plan) -> Difference:
    before = {group.name: group for group in old.groups}
    after = {group.name for group in new.groups}
    return Difference(
        added=tuple(group for group in new.groups if group.name not in before),
        changed=tuple(
            group for group in new.groups if group.name in before and before[group.name] != group
        ),
        removed=tuple(group.name for group in old.groups if group.name not in after),
    )


def apply(plan: Plan, change: Difference, names: tuple[str, ...] | None = None) -> Plan:
    """The plan with a difference applied: to all groups, or to these (`update NAME`)."""
    gone = set(change.removed)
    fresh = {group.name: group for group in (*change.added, *change.changed)}
    if names is not None:
        gone &= set(names)
        fresh = {name: group for name, group in fresh.items() if name in names}
    kept = [group for group in plan.groups if group.name not in gone and group.name not in fresh]
    groups = sorted((*kept, *fresh.values()), key=lambda group: (group.priority, group.name))
    return plan.replace(groups=tuple(groups))
