"""The rules between services: names of dependencies resolved, cycles and contradictions refused."""

from __future__ import annotations

from . import plan_graph
from .plan import Condition, Dependency, Group, Kind, Plan, Restart, Service
from .sections import near
from .verdicts import Verdicts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .ini_file import Place
    from .value_formats import Wanted

    Places = Callable[[str, str], Place]  # of a key in a section


class Rules:
    """`wanted`: the dependencies of each service as written, by its identity."""

    def __init__(
        self, wanted: Mapping[str, tuple[Wanted, ...]], verdicts: Verdicts, places: Places
    ) -> None:
        self._wanted = wanted
        self._verdicts = verdicts
        self._places = places

    def connected(self, plan: Plan) -> Plan:
        """The plan with the dependencies of its services.

        A name stands for all processes of a program, or of a group.
        """
        targets: dict[str, list[Service]] = {}
        for group in plan.groups:
            for one in group.services:
                for name in dict.fromkeys((one.program, group.name)):
                    targets.setdefault(name, []).append(one)
        plan = plan.replace(groups=tuple(self._connected(one, targets) for one in plan.groups))
        self._refuse_cycle(plan)
        self._refuse_mains(plan)
        return plan

    def _refuse(self, one: Service, message: str, key: str = "depends_on") -> None:
        self._verdicts.refuse(self._place(one, key), message)

    def _place(self, one: Service, key: str) -> Place:
        return self._places(_section(one), key)

    def _connected(self, group: Group, targets: Mapping[str, list[Service]]) -> Group:
        services = []
        for one in group.services:
            needs: dict[str, Dependency] = {}
            for want in self._wanted.get(one.identity, ()):
                if want.name not in targets:
                    hint = near(want.name, targets)
                    self._refuse(one, f"there is no program or group {want.name}{hint}")
                for target in targets.get(want.name, ()):
                    if self._possible(one, want, target):
                        needs[target.identity] = Dependency(target.identity, want.condition)
            services.append(one.replace(depends_on=tuple(needs.values())))
        return group.replace(services=tuple(services))

    def _possible(self, one: Service, want: Wanted, target: Service) -> bool:
        if target.identity == one.identity:
            how = "" if want.name == one.program else f", as a member of {want.name}"
            self._refuse(one, f"{one.identity} depends on itself{how}")
            return False
        if target.kind is Kind.LISTENER:
            self._refuse(
                one, f"{want.name} is an event listener, which starts before programs; remove it"
            )
            return False
        if want.condition is Condition.COMPLETED and target.restart is Restart.ALWAYS:
            self._refuse(
                one,
                f"{want.name} is started again whenever it ends, so it never completes; set"
                f" oneshot = true in [{_section(target)}]",
            )
            return False
        if not target.autostart and one.autostart:
            self._verdicts.warn(
                self._place(one, "depends_on"),
                f"{want.name} has autostart = false: {one.identity} waits until it is started",
            )
        return True

    def _refuse_cycle(self, plan: Plan) -> None:
        found = plan_graph.cycle(plan_graph.graph_of(plan))
        if found:
            first = next(one for one in plan.services if one.identity == found[0])
            self._refuse(
                first, f"a cycle of dependencies: {' -> '.join(found)}; remove one of them"
            )

    def _refuse_mains(self, plan: Plan) -> None:
        mains = [one for one in plan.services if one.main]
        if len(mains) > 1:
            names = " and ".join(one.identity for one in mains)
            self._refuse(
                mains[-1], f"{names} have main = true; an ordered stop has one exit code", "main"
            )


def _section(one: Service) -> str:
    return f"{one.kind}:{one.program}"
