"""The role of an s6 tree on the command line: `--s6 [DIR] [OPTIONS] [-- COMMAND]`.

It composes a reading with its report, or with the run of the tree.
"""

from __future__ import annotations

from .. import __version__
from ..core.errors import USAGE, UsageError
from . import s6_tree
from .tree_files import TreeError
from .verdicts import Verdicts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..runtime.signals import Inherited
    from .s6_options import TreeOptions


def answer(line: TreeOptions, environ: Mapping[str, str]) -> tuple[str, int] | None:
    """The text for standard output and the exit code, where nothing is to be run. Raises
    UsageError.
    """
    if line.settings.version:
        return f"supervisor {__version__}\n", 0
    if line.settings.help:
        from ..options import help_page

        return help_page.text(), 0
    if not line.check:
        return None
    from . import check_report

    verdicts = Verdicts()
    try:
        tree = s6_tree.read(line.root, environ, line.command, verdicts)
    except TreeError as error:
        raise UsageError(str(error)) from None
    report = check_report.json_text if line.json else check_report.text
    plan = line.applied(tree.plan, verdicts) if tree else None
    return report(plan, verdicts), USAGE if plan is None else 0


def run(line: TreeOptions, environ: Mapping[str, str], inherited: Inherited) -> int:
    """Run the tree; the exit code. Raises UsageError, StartError, OSError."""
    from . import s6_program

    tree = s6_program.Tree(line, environ, inherited)
    return s6_program.run(tree, line.settings, environ, inherited)
