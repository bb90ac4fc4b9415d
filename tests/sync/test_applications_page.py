"""docs/applications.md itself: every section is tested, and every command line can be parsed."""

from __future__ import annotations

import re

import pytest

from config_supervisor.options import command_line
from tests.sync import test_applications_dns as dns
from tests.sync import test_applications_mail_log as mail_log
from tests.sync import test_applications_stores as stores
from tests.sync import test_applications_web as web
from tests.sync.applications import command, page, sections

TESTED = [one.title for module in (web, dns, mail_log, stores) for one in module.APPLICATIONS]


def test_page_sections_are_those_that_tests_run() -> None:
    assert sorted(TESTED) == sorted(sections())


def test_page_overview_names_and_links_every_section() -> None:
    rows = re.findall(r"^\| \[(.+?)\]\(#(.+?)\) \|", page(), re.MULTILINE)

    assert [(title, title.lower().replace(" ", "-")) for title in sections()] == rows


@pytest.mark.parametrize("title", TESTED)
def test_page_command_line_is_accepted(title: str) -> None:
    program, *words = command(title)
    settings = command_line.parse(words, {})

    assert program == "supervisor"
    assert settings.config_dir == "/config-in"
    assert settings.configroot == "/config"
    assert settings.command
