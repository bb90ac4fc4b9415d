"""The places of a tree's scripts and directories, for a tree below a root of its own.

Pure. A tree in the root of the container, as in an image, has its places already.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .plan import Group, Plan, Service


def below(root: str, plan: Plan) -> Plan:
    """The plan with paths of the tree below a root; programs that scripts name keep theirs."""
    if not root:
        return plan
    return plan.replace(groups=tuple(_group(root, group) for group in plan.groups))


def _group(root: str, group: Group) -> Group:
    return group.replace(services=tuple(_service(root, one) for one in group.services))


def _service(root: str, service: Service) -> Service:
    """`program` is the path of a script or of the directory with all of its scripts."""
    finish = service.finish

    def words(found: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(root + one if _is_of(service.program, one) else one for one in found)

    return service.replace(
        words=words(service.words),
        directory=root + service.directory if service.directory else None,
        finish=finish.replace(words=words(finish.words)) if finish else None,
        down=words(service.down),
    )


def _is_of(program: str, path: str) -> bool:
    return path == program or path.startswith(f"{program}/")
