"""The role of an s6 tree on the command line: `--s6 [DIR] [--check [--json]] [-- COMMAND]`.

It composes a reading with its report, or with the run of the tree.
"""

from __future__ import annotations

from ..core.errors import USAGE, UsageError
from ..core.record import Record
from . import s6_tree
from .supervisord_line import Line
from .tree_files import TreeError
from .verdicts import Verdicts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..runtime.signals import Inherited

OPTION = "--s6"
_CHECK = "--check"
_JSON = "--json"


class TreeLine(Record):
    """The meaning of a command line about a tree."""

    root: str
    command: tuple[str, ...]
    check: bool
    json: bool


def parse(argv: Sequence[str]) -> TreeLine:
    """Raises UsageError."""
    words = list(argv[1:])
    command: list[str] = []
    if "--" in words:
        at = words.index("--")
        command = words[at + 1 :]
        del words[at:]
    root = words.pop(0) if words and not words[0].startswith("-") else "/"
    for word in words:
        if word not in (_CHECK, _JSON):
            raise UsageError(f"{word} cannot be used with {OPTION}; {_CHECK} and {_JSON} can")
    return TreeLine(root, tuple(command), _CHECK in words, _JSON in words)


def answer(line: TreeLine, environ: Mapping[str, str]) -> tuple[str, int] | None:
    """The text for standard output and the exit code, where nothing is to be run. Raises
    UsageError.
    """
    if not line.check:
        return None
    from . import check_report

    verdicts = Verdicts()
    try:
        tree = s6_tree.read(line.root, environ, line.command, verdicts)
    except TreeError as error:
        raise UsageError(str(error)) from None
    report = check_report.json_text if line.json else check_report.text
    plan = tree.plan if tree else None
    return report(plan, verdicts), USAGE if plan is None else 0


def run(line: TreeLine, environ: Mapping[str, str], inherited: Inherited) -> int:
    """Run the tree; the exit code. Raises UsageError, StartError, OSError."""
    from . import s6_program, services_options

    settings = services_options.of_variables(environ, Line()).settings
    tree = s6_program.Tree(line.root, line.command, environ, inherited)
    return s6_program.run(tree, settings, environ, inherited)
