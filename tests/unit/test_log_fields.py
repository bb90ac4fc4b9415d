"""Every line of the log names its event, and has the documented fields only."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator

import pytest

import config_supervisor

ROOT = os.path.dirname(config_supervisor.__file__)
LEVELS = {"write", "debug", "info", "warning", "error"}
FIELDS = set(
    "event service version previous changed pid signal method reason exit_code duration_ms"
    " source output".split()
)
# The line at the start of a role has two more: it introduces the program itself.
INTRODUCTION = {"role", "release"}


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    """The calls of `log.LEVEL(...)`, and of the journal's `line(...)`."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr=name)):
                if name in LEVELS:
                    yield node
            case ast.Call(func=ast.Attribute(value=ast.Name(id="self" | "journal"), attr="line")):
                yield node


def modules() -> list[str]:
    found = [
        os.path.join(folder, name)
        for folder, _, names in os.walk(ROOT)
        for name in names
        if name.endswith(".py")
    ]
    return sorted(os.path.relpath(path, ROOT) for path in found)


@pytest.mark.parametrize("module", modules())
def test_lines_of_the_log_have_documented_fields(module: str) -> None:
    with open(os.path.join(ROOT, module), encoding="utf-8") as file:
        tree = ast.parse(file.read())
    for call in calls(tree):
        fields = {keyword.arg for keyword in call.keywords}
        where = f"{module}:{call.lineno}"
        if isinstance(call.func, ast.Attribute) and call.func.attr != "line":
            assert {"event", None} & fields, f"{where} has no event"
        if "event" in fields and "supervisor_started" in ast.unparse(call):
            fields -= INTRODUCTION
        assert fields - {None} <= FIELDS, where


def test_calls_of_the_log_are_found() -> None:
    tree = ast.parse("log.info('a', event='b')\nself.line('info', 'b', 'c', pid=1)\nlog.flush()")

    assert [["event"], ["pid"]] == [[each.arg for each in call.keywords] for call in calls(tree)]
