"""README and docs as a whole: links lead somewhere, names exist, the README stays short."""

from __future__ import annotations

import ast
import errno
import itertools
import os
import re
import subprocess
from pathlib import Path

import pytest

from config_supervisor import __version__
from config_supervisor.options import help_page
from tests.snippets import PAGES, ROOT, snippets, without_fences

_LINKED = [*PAGES, ROOT / "SECURITY.md", ROOT / "CHANGELOG.md", ROOT / "monitoring" / "README.md"]
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
# A page in a message, a help text or a docstring of the program.
_NAMED = re.compile(r"\b(?:docs/[\w/-]+\.md|README\.md|HACKING\.md|CHANGELOG\.md)(?:#[\w-]+)?")


def options() -> set[str]:
    """The long names of all options, as the help has them."""
    return {name for head, _ in help_page.rows() for name in re.findall("--([a-z-]+)", head)}


def anchors(page: Path) -> set[str]:
    """The anchors of a page as GitHub and GitLab make them from headings."""
    text = without_fences(page.read_text(encoding="utf-8"))
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        for heading in _HEADING.findall(text)
    }


def broken(target: str, folder: Path) -> bool:
    """Whether a relative link leads to no file, or to no heading of it."""
    name, _, anchor = target.partition("#")
    path = (folder / name).resolve()
    if not path.exists():
        return True
    return bool(anchor) and path.suffix == ".md" and anchor not in anchors(path)


@pytest.mark.parametrize("page", _LINKED, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_page_lead_somewhere(page: Path) -> None:
    targets = _LINK.findall(without_fences(page.read_text(encoding="utf-8")))
    own = [
        target if not target.startswith("#") else f"{page.name}{target}"
        for target in targets
        if not target.startswith(("http://", "https://"))
    ]

    assert [] == [target for target in own if broken(target, page.parent)]


def test_broken_links_are_found() -> None:
    assert broken("docs/nothing.md", ROOT)
    assert broken("docs/rbac.md#nothing", ROOT)
    assert not broken("docs/rbac.md#events", ROOT)


def test_pages_that_the_program_names_exist() -> None:
    found = set()
    for path in (ROOT / "supervisor").rglob("*.py"):
        found |= set(_NAMED.findall(path.read_text(encoding="utf-8")))

    assert "docs/rbac.md" in found
    assert [] == [name for name in sorted(found) if broken(name, ROOT)]


def test_program_does_not_name_the_readme_for_details() -> None:
    """A message names the page with the details, which stand in docs/."""
    named = subprocess.run(
        ["grep", "-rn", "--include=*.py", "see README", str(ROOT / "supervisor")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert "" == named.stdout


def test_every_page_is_linked_from_the_readme() -> None:
    """A list of their own links the decisions."""
    linked = _LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    listed = _LINK.findall((ROOT / "docs/decisions/README.md").read_text(encoding="utf-8"))
    pages = {str(page.relative_to(ROOT)) for page in PAGES} - {"README.md"}
    known = {target.partition("#")[0] for target in linked} | {
        f"docs/decisions/{x}" for x in listed
    }

    assert set() == pages - known


def test_readme_fits_on_three_screens() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (excerpt,) = [one.text for one in snippets(ROOT / "README.md") if one.language == "console"]

    assert len(text.splitlines()) <= 200
    assert len(excerpt.splitlines()) <= 15
    assert len((ROOT / "HACKING.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_documented_image_names_have_the_version() -> None:
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    tags = [tag for text in texts for tag in re.findall(r"config-supervisor[\w-]*:([\w.]+)", text)]

    assert {__version__} == set(tags)
    assert f"Version {__version__} " in (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"## {__version__} - " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_documented_options_exist() -> None:
    """The program has every option of ours in backquotes."""
    known = options() | {"no-rollback"}
    found: set[str] = set()
    for page in PAGES:
        if page.name in ("HACKING.md", "CONTRIBUTING.md"):
            continue
        text = without_fences(page.read_text(encoding="utf-8"))
        found |= set(re.findall(r"`--([a-z][a-z-]+)", text))

    assert set() == found - known - _OF_OTHERS


# Options of other programs, of supervisorctl, and of the check of a supervisord.conf.
_OF_OTHERS = {
    "check",
    "json",
    "profile",
    "some-option",
    "synced",
    "socket",
    "service",
    "build-arg",
    "tmpfs",
    "auth-file",
    "opt",
    "isolation",
}


def test_documented_variables_exist() -> None:
    known = {name.upper().replace("-", "_") for name in options()}
    found: set[str] = set()
    for page in PAGES:
        found |= set(re.findall(r"CONFIG_SUPERVISOR_([A-Z][A-Z_]+)", page.read_text("utf-8")))

    assert set() == found - known - {"SOME_OPTION", "PORT"}


def test_no_page_has_an_indented_code_block() -> None:
    """A fence with a language is found by its test."""
    for page in PAGES:
        lines = without_fences(page.read_text(encoding="utf-8")).split("\n")
        loose = [b for a, b in itertools.pairwise(lines) if not a and b[:4] == "    "]
        assert [] == loose, page


def test_picture_can_be_read_in_the_dark() -> None:
    for path in sorted((ROOT / "docs").glob("*.svg")):
        text = path.read_text(encoding="utf-8")
        assert "prefers-color-scheme: dark" in text, path
        assert "<title" in text, path


def spoken() -> str:
    """Every text of the program, with a NUL for what is filled in."""
    found = []
    for path in (ROOT / "supervisor").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (
                    part.value if isinstance(part, ast.Constant) else "\0" for part in node.values
                )
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value.replace("{}", "\0"))
    return "\1".join(found)


def pieces(message: str) -> list[str]:
    """The parts of a quoted message of two words and more, without its variable parts."""
    parts = re.split(
        r"\.\.\.|[:;(),]|\b(?:N|NAME|configmap|directory|HUP|data)\b|\d[\d,]*|--[A-Za-z-]+", message
    )
    return [part for part in (re.sub("^ *it ", "", part).strip() for part in parts) if " " in part]


def test_troubleshooting_quotes_the_programs_words() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    heads = re.findall(r"^\| (.*?) \|", page.partition("## Troubleshooting")[2], re.MULTILINE)
    quoted = [message for head in heads for message in re.findall(r"`([^`]+)`", head)]
    said = spoken() + os.strerror(errno.ENOSPC).lower()

    assert len(quoted) > 25
    assert [] == [(m, part) for m in quoted for part in pieces(m) if part not in said]


def test_places_that_hacking_names_exist() -> None:
    """Each path of the table "to add" is there, in the tree or in the program."""
    text = (ROOT / "HACKING.md").read_text(encoding="utf-8")
    assert "| to add |" in text
    table = text.partition("| to add |")[2].partition("## Release")[0]
    named = set(re.findall(r"`([\w./-]+(?:/|\.py|\.md|\.yaml))`", table))
    places = (ROOT, ROOT / "supervisor")

    assert len(named) > 20
    assert [] == [
        name for name in sorted(named) if not any((top / name).exists() for top in places)
    ]


def test_architecture_names_every_package() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    packages = {path.parent.name for path in (ROOT / "supervisor").glob("*/__init__.py")}
    named = set(re.findall(r"\(\.\./supervisor/(\w+)\)", page))
    modules = re.findall(r"`(core/\w+\.py)`", page)

    assert packages == named
    assert len(modules) > 5
    assert [] == [name for name in modules if not (ROOT / "supervisor" / name).exists()]


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split())
    done = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True)

    assert targets - {"lint"} == {line.split()[1] for line in done.stdout.splitlines()}
