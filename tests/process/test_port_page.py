"""The page for people at the port, as browsers and other clients get it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from config_supervisor.observe import html_text, page_style, status_page, status_warnings
from tests.conftest import needs
from tests.harness import APPS, Run, app, only_process
from tests.http import BROWSER, get, port_of, request
from tests.installed import ROOT
from tests.process.test_start_instructions import instructions
from tests.volume import swap_volume

LISTEN = ("--listen", "127.0.0.1:0")
LISTED = ["/metrics", "/livez", "/healthz", "/readyz", "/status"]
PAGE = {module.__name__ for module in (html_text, page_style, status_page, status_warnings)}
FEW, MANY = 10, 40  # pages


def links(page: str) -> list[str]:
    """The paths in the list of pages."""
    return re.findall(r'<li><a href="([^"]+)"', page)


@pytest.mark.parametrize("accept", [BROWSER, "TEXT/HTML", "text/plain, text/html ; q=0.5"])
def test_browser_gets_the_status_and_the_pages(run: Run, accept: str) -> None:
    port = port_of(run(*app("print_signals.py"), options=LISTEN))
    code, page, headers = request(port, "/", accept=accept)

    assert (200, LISTED) == (code, links(page))
    assert "text/html; charset=utf-8" == headers["content-type"]
    assert "running, ready" in page


@pytest.mark.parametrize("accept", ["", "*/*", "text/plain", "text/*", "text/html-other"])
@only_process
def test_other_clients_get_a_list(run: Run, accept: str) -> None:
    """Among them curl, which sends `*/*`."""
    port = port_of(run(*app("print_signals.py"), options=LISTEN))
    _, page, headers = request(port, "/", accept=accept)

    assert "text/plain; charset=utf-8" == headers["content-type"]
    assert LISTED == page.splitlines()[1:]
    assert page.startswith("supervisor ")


@only_process
def test_unknown_path_names_the_known_in_either_form(run: Run) -> None:
    port = port_of(run(*app("print_signals.py"), options=LISTEN))
    code, page, _ = request(port, "/%3Cscript%3E", accept=BROWSER)

    assert (404, LISTED) == (code, links(page))
    assert "script%3E" not in page
    assert (404, f"not found; there is {', '.join(LISTED)}\n") == get(port, "/nothing")


@pytest.mark.parametrize("path", ["/", "/nothing"])
@only_process
def test_page_has_its_policy_and_no_body_for_head(run: Run, path: str) -> None:
    port = port_of(run(*app("print_signals.py"), options=LISTEN))
    _, body, headers = request(port, path, "HEAD", BROWSER)

    assert "" == body
    assert int(headers["content-length"]) > len(page_style.STYLE)
    wanted = {
        "content-security-policy": page_style.POLICY,
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
    }
    assert wanted == {name: headers[name] for name in wanted}
    assert "content-security-policy" not in request(port, "/status", accept=BROWSER)[2]


@only_process
def test_page_tells_versions_and_sources(run: Run, tmp_path: Path) -> None:
    swap_volume(tmp_path, {"app.conf": "first"})
    options = ["--config-dir", str(tmp_path), *LISTEN]
    program = run(*app("read_config.py", tmp_path / "app.conf"), options=options)
    port = port_of(program)
    program.expect("ready")
    page = request(port, "/", accept=BROWSER)[1]

    assert f"directory {tmp_path}" in page
    assert ["services", "configuration", "reload", "versions", "sources"] == re.findall(
        r'<h2 id="(\w+)"', page
    )


@only_process
def test_only_a_browser_has_the_page_imported(run: Run) -> None:
    """A start, a scrape and a probe do without it."""
    libraries = {ROOT, sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    tell = app("tell_modules.py", ":".join(map(str, libraries)))
    program = run.directly(*tell, *LISTEN, "--", *app("print_signals.py"))
    port = port_of(program)
    for path in ("/metrics", "/livez", "/readyz", "/status", "/", "/nothing"):
        get(port, path)
    program.send(signal.SIGWINCH)
    modules = program.err.expect(r"^imported after (.*)")[1].split()

    assert "config_supervisor.observe.pages" in modules
    assert set() == PAGE & set(modules)


@pytest.mark.timeout(120)
def test_page_costs_at_most_twice_the_json(tmp_path: Path) -> None:
    """In instructions, from the state to the bytes, whatever the load of the machine."""
    assert per_page("html", tmp_path) / per_page("status", tmp_path) < 2


def per_page(kind: str, scratch: Path) -> float:
    needs("valgrind")
    command = [sys.executable, "-I", f"{APPS}/make_page.py", kind]
    subprocess.run([*command, "1"], check=True)  # compiles modules
    counts = [instructions([*command, str(times)], scratch) for times in (FEW, MANY)]
    return (counts[1] - counts[0]) / (MANY - FEW)
