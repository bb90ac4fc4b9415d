"""The role of an s6 tree on the command line: `--s6 [DIR] --check [--json] [-- COMMAND]`.

It composes a reading and its report; nothing is run here.
"""

from __future__ import annotations

from ..core.errors import USAGE, UsageError
from . import check_report, s6_tree
from .tree_files import TreeError
from .verdicts import Verdicts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OPTION = "--s6"
_CHECK = "--check"
_JSON = "--json"
_NOT_YET = f"services of a tree cannot be run yet; {_CHECK} shows the plan"


def output(argv: Sequence[str], environ: Mapping[str, str]) -> tuple[str, int]:
    """The text for standard output, and the exit code. Raises UsageError."""
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
    if _CHECK not in words:
        raise UsageError(_NOT_YET)
    verdicts = Verdicts()
    try:
        tree = s6_tree.read(root, environ, command, verdicts)
    except TreeError as error:
        raise UsageError(str(error)) from None
    report = check_report.json_text if _JSON in words else check_report.text
    plan = tree.plan if tree else None
    return report(plan, verdicts), USAGE if plan is None else 0
