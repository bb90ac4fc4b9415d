"""An s6 tree read into a plan: services.d, cont-init.d, cont-finish.d, s6-rc.d, the command.

The composition: order and names as s6-overlay has them. Nothing is run or written; `Runtime` names
the files and programs that the first script needs. Mistakes are verdicts with the path of a file.
"""

from __future__ import annotations

from ..core.record import Record
from . import s6_definitions, s6_names, s6_runtime, s6_scripts, s6_service, s6_variables
from .plan import (
    Condition,
    Dependency,
    Group,
    Main,
    Plan,
    Restart,
    Retries,
    Service,
)
from .s6_definitions import BASE, CONT_INIT, SERVICES, USER, USER2, Definition, Named, Type
from .s6_service import Shared
from .tree_files import TreeError, TreeFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .s6_names import Resolved
    from .s6_runtime import Runtime
    from .s6_variables import Variables
    from .verdicts import Verdicts

_COMMANDS = "/command"  # the programs of s6-overlay
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MOST = 1000  # services; more are no tree, and their edges may be as many squared
_FOLDERS = ("services.d", "cont-init.d", "cont-finish.d", "s6-overlay")
_LOG = "-log"  # behind the name of a service: that of its log/ directory


_INSTEAD = {
    "log": "make it a service with a file consumer-for",
    "down": "leave the service out of the bundles",
}


class Tree(Record):
    plan: Plan
    runtime: Runtime


def read(
    root: str, environ: Mapping[str, str], command: Sequence[str], verdicts: Verdicts
) -> Tree | None:
    """The tree below a root directory, or None where a verdict refuses it. Raises TreeError."""
    files = TreeFiles(root, verdicts)
    variables = s6_variables.read(environ, verdicts)
    if not any(files.is_directory(f"{variables.etc}/{name}") for name in _FOLDERS):
        folders = ", ".join(f"{variables.etc[1:]}/{name}" for name in _FOLDERS)
        raise TreeError(f"{root!r} has none of {folders}; name the root of an image")
    reader = _Reader(files, variables, environment(files, environ))
    plan = reader.plan(command, verdicts)
    if verdicts.refused:
        return None
    return Tree(plan, s6_runtime.of_variables(variables))


class _Reader:
    def __init__(
        self, files: TreeFiles, variables: Variables, environment: Mapping[str, str]
    ) -> None:
        self._files = files
        self._variables = variables
        self._shared = Shared(environment, variables.failure_ends)
        self._etc = variables.etc
        self._services: dict[str, Service] = {}  # by name in the tree
        self._definitions: dict[str, Definition] = {}

    def plan(self, command: Sequence[str], verdicts: Verdicts) -> Plan:
        self._refuse_attributes()
        finishes = self._scripts("cont-finish")
        inits = self._scripts("cont-init")
        self._read_sources()
        self._read_service_directories()
        if len(self._definitions) > _MOST:
            self._files.refuse(self._etc, f"has more than {_MOST} services; it is no tree")
            return Plan()
        self._add_stages(inits[-1:] or finishes[:1])
        resolved = s6_names.resolve(self._definitions, verdicts)
        started = resolved.closure((CONT_INIT, USER, SERVICES, USER2))
        services = self._connected(resolved, started)
        services += _chained(finishes[::-1], ())
        services += _chained(inits, finishes[:1])
        if command:
            services.append(self._command(command, services))
        self._judge_unused(started)
        main = Main(
            nodaemon=True,
            start_budget=self._variables.start_budget,
            stop_budget=self._variables.stop_budget,
        )
        return Plan(main, _grouped(services), spares_leftovers=True)

    def _refuse_attributes(self) -> None:
        for name in self._files.names(f"{self._etc}/fix-attrs.d"):
            self._files.refuse(
                f"{self._etc}/fix-attrs.d/{name}",
                "is not applied; set owners and modes in the image, or in a script of cont-init.d",
            )

    def _scripts(self, stage: str) -> list[Service]:
        """The services of a stage: cont-init.d runs at their start, cont-finish.d at their stop."""
        found = []
        folder = f"{self._etc}/{stage}.d"
        for name in self._files.names(folder):
            path = f"{folder}/{name}"
            if self._files.is_directory(path):
                self._files.ignore(path, "is a directory, so it is no script")
                continue
            if not s6_definitions.is_legible(self._files, path, name):
                continue
            words = s6_scripts.words(self._files, path, copied=False)
            service = s6_service.bare(name, path, self._shared).replace(group=stage)
            if stage == "cont-finish":
                timeout = self._variables.finish_timeout
                found.append(service.replace(down=words, down_timeout=timeout))
            else:
                found.append(service.replace(command=path, words=words))
        return found

    def _read_sources(self) -> None:
        """The definitions; the bundles user and user2 come from one place, the older one first."""
        files = self._files
        source = f"{self._etc}/s6-overlay/s6-rc.d"
        bundles = source
        if not files.is_directory(f"{source}/{USER}"):
            bundles = self._variables.bundles or f"{self._etc}/s6-overlay/user-bundles.d"
        for folder in dict.fromkeys((source, bundles)):
            for one in s6_definitions.read(files, folder, (USER, USER2)).values():
                if self._define(one):
                    self._add_definition(one)
        for name in (USER, USER2):
            self._define(s6_definitions.bundle(files, f"{bundles}/{name}", name))

    def _add_definition(self, one: Definition) -> None:
        files = self._files
        if one.type is Type.ONESHOT:
            self._services[one.name] = s6_service.oneshot(files, one.path, one.name, self._shared)
        if one.type is not Type.LONGRUN:
            return
        self._services[one.name] = s6_service.longrun(
            files, one.path, one.name, self._shared, copied=True
        )
        for name in ("log", "down"):
            if files.is_listed(f"{one.path}/{name}"):
                files.warn(f"{one.path}/{name}", f"ignored, as by s6-rc; {_INSTEAD[name]}")

    def _read_service_directories(self) -> None:
        """services.d: each needs the cont-init scripts and the services of the bundle user."""
        folder = f"{self._etc}/services.d"
        for name in self._files.names(folder):
            path = f"{folder}/{name}"
            if not self._files.is_directory(path):
                self._files.ignore(path, "is not a directory, so it is no service")
            elif s6_definitions.is_usable(self._files, path, name):
                self._add_directory(path, name)
                if self._files.is_directory(f"{path}/log"):
                    self._add_directory(f"{path}/log", name + _LOG, of=name)

    def _add_directory(self, path: str, name: str, of: str = "") -> None:
        files = self._files
        place = files.place(path)
        named = (Named(CONT_INIT, place), Named(USER, place))
        one = Definition(name, Type.LONGRUN, path, named)
        if of:
            producer = self._definitions[of]
            one = one.replace(consumer_for=(Named(of, place),))
            self._definitions[of] = producer.replace(producer_for=(Named(name, place),))
        if not self._define(one):
            return
        service = s6_service.longrun(files, path, name, self._shared, copied=False)
        is_down = files.is_listed(f"{path}/down")
        self._services[name] = service.replace(autostart=not is_down)

    def _define(self, one: Definition) -> bool:
        """Whether the name is new."""
        if one.name in self._definitions:
            other = self._definitions[one.name].path
            self._files.refuse(one.path, f"{one.name} is defined in {other}, too; rename one")
            return False
        self._definitions[one.name] = one
        return True

    def _add_stages(self, last: Sequence[Service]) -> None:
        """The services and bundles that s6-overlay defines itself.

        `last`: the script behind which cont-init.d is over.
        """
        folder = f"{self._etc}/services.d"
        place = self._files.place(folder)
        legacy = [one for one in self._services.values() if one.program.startswith(f"{folder}/")]
        before = (Named(CONT_INIT, place), Named(USER, place))
        after = tuple(Named(one.name, place) for one in legacy if one.autostart)
        stages = (
            Definition(CONT_INIT, Type.ONESHOT, f"{self._etc}/cont-init.d"),
            Definition("fix-attrs", Type.BUNDLE, f"{self._etc}/fix-attrs.d"),
            Definition(BASE, Type.BUNDLE, self._etc, (Named(CONT_INIT, place),)),
            Definition(SERVICES, Type.ONESHOT, folder, (*before, *after)),
        )
        for one in stages:
            self._definitions[one.name] = one
        stage = s6_service.bare(CONT_INIT, f"{self._etc}/cont-init.d", self._shared)
        needs = tuple(Dependency(script.identity, Condition.TRIED) for script in last)
        self._services[CONT_INIT] = stage.replace(depends_on=needs)
        self._services[SERVICES] = s6_service.bare(SERVICES, folder, self._shared)

    def _connected(self, resolved: Resolved, started: frozenset[str]) -> list[Service]:
        return [
            service.replace(
                depends_on=(*service.depends_on, *self._needs(name, resolved)),
                autostart=service.autostart and name in started,
                output_to=_consumer(self._definitions[name]),
            )
            for name, service in self._services.items()
        ]

    def _needs(self, name: str, resolved: Resolved) -> Iterable[Dependency]:
        for need in resolved.needs[name]:
            if need in self._services and need != name:
                yield Dependency(need, self._condition(name, self._services[need]))

    def _condition(self, dependent: str, need: Service) -> Condition:
        if need.oneshot:
            return Condition.COMPLETED
        if dependent == SERVICES and need.program.startswith(f"{self._etc}/services.d/"):
            return Condition.READY if self._variables.waits else Condition.STARTED
        return Condition.READY

    def _command(self, command: Sequence[str], services: Sequence[Service]) -> Service:
        """The container's command: its end is the end of the container, with its code.

        It waits for services that no other needs: these waited for the rest, as far as they do.
        """
        words = (*self._variables.first_words, *command)
        started = [one for one in services if one.autostart]
        needed = {need.service for one in started for need in one.depends_on}
        last = [one.identity for one in started if one.identity not in needed]
        needs = tuple(Dependency(identity, Condition.TRIED) for identity in last)
        return s6_service.bare("command", "command", self._shared).replace(
            group="container",
            command=" ".join(words),
            words=words,
            restart=Restart.NEVER,
            retries=Retries(0),
            essential=True,
            main=True,
            oneshot=False,
            signals=True,
            depends_on=needs,
        )

    def _judge_unused(self, started: frozenset[str]) -> None:
        for name, one in self._definitions.items():
            if one.type is Type.BUNDLE or name in started:
                continue
            why = f"neither the bundle {USER} nor a service of it names it"
            if not self._services[name].autostart:
                why = "it has a file `down`"
            self._files.ignore(one.path, f"{name} starts by order only: {why}")


def environment(files: TreeFiles, environ: Mapping[str, str]) -> dict[str, str]:
    """PATH begins with the programs of s6-overlay, where they are."""
    path = environ.get("PATH", _PATH)
    if _COMMANDS in path.split(":") or not files.is_directory(_COMMANDS):
        return {}
    return {"PATH": f"{_COMMANDS}:{path}"}


def _consumer(one: Definition) -> str:
    return one.producer_for[0].name if one.producer_for else ""


def _chained(services: Sequence[Service], before: Sequence[Service]) -> list[Service]:
    """One after another, whatever their codes, and the first behind `before`."""
    found = []
    for one in services:
        needs = tuple(Dependency(other.identity, Condition.TRIED) for other in before)
        found.append(one.replace(depends_on=needs))
        before = (one,)
    return found


def _grouped(services: Iterable[Service]) -> tuple[Group, ...]:
    """Groups by name, each with its services in the order of their starts."""
    found: dict[str, list[Service]] = {}
    for one in services:
        found.setdefault(one.group, []).append(one)
    return tuple(Group(name, services=tuple(found[name])) for name in sorted(found))
