"""The page for people at `/`: the record of /status as HTML, and a page for unknown paths.

Pure: records in, bytes out, so that it never differs from /status. It is read without script,
colour or a second request, and imported at the first request for it. It must not know the state
behind the record, nor HTTP.
"""

from __future__ import annotations

import time

from .. import __version__
from ..runtime import signals
from . import html_text as html
from .page_style import STYLE
from .status_warnings import FINE, warnings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    Shown = Mapping[str, Any]  # the record of /status

_MOST_ROWS = 20  # of a table about a service
_MOST_SERVICES = 100
_MOST_DETAILED = 20  # services with sections of their own
_SHORT_DIGEST = 8  # as the log has it
_DOCUMENTS = ("docs/operations.md", "docs/health.md", "docs/metrics.md", "docs/supervisorctl.md")
_NONE = "none"
_WITHHELD = "if any, <code>supervisorctl status</code> shows it; this port does not"
_PRESENCE = {True: "present", False: "missing", None: "not read yet"}


def page(services: Mapping[str, Shown], paths: Sequence[str], clock: float) -> bytes:
    """The state of the services by name, at `clock` in epoch seconds; `paths` are the other
    pages.
    """
    names = {name: html.name(name) for name in services}
    troubles = [
        (names[name], *trouble) for name, shown in services.items() for trouble in warnings(shown)
    ]
    body = [_warnings(troubles), _services(services, names)]
    for number, (name, shown) in enumerate(list(services.items())[:_MOST_DETAILED]):
        owner = f" of {names[name]}" if len(services) > 1 else ""
        body += _configuration(shown, f"-{number}" if owner else "", owner)
    states = ", ".join(f"{name}: {shown['app']['phase']}" for name, shown in services.items())
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(clock))
    exact = now.replace("T", " ").replace("Z", " UTC")
    intro = f'<p>As of {html.moment(now, exact)}. <a href="/">Look again</a></p>\n'
    return _document(states, "Status", intro, "".join(body), paths)


def unknown(paths: Sequence[str]) -> bytes:
    """The page for a path that there is not."""
    body = '<p>The <a href="/">status page</a> and the pages above are all that is here.</p>\n'
    return _document("Not found", "Not found", "", body, paths)


def _document(title: str, heading: str, intro: str, body: str, paths: Sequence[str]) -> bytes:
    links = "".join(f'<li><a href="{path}">{path}</a></li>\n' for path in paths)
    documents = ", ".join(f"<code>{path}</code>" for path in _DOCUMENTS)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.title(title)} - config-supervisor</title>\n"
        f'<link rel="icon" href="data:,">\n<style>{STYLE}</style>\n</head>\n<body>\n'
        f"<header>\n<h1>{heading}</h1>\n{intro}</header>\n"
        f'<nav aria-label="Pages">\n<ul>\n{links}</ul>\n</nav>\n<main>\n{body}</main>\n'
        f"<footer>\n<p>config-supervisor {__version__}. Documentation: {documents}</p>\n</footer>\n"
        "</body>\n</html>\n"
    ).encode()


def _warnings(troubles: Sequence[tuple[str, str, str]]) -> str:
    if not troubles:
        return ""
    shown = "".join(
        f"<li><p><strong>{service}: {html.sentence(what)}</strong></p>\n<p>What to do: {remedy}</p>"
        "</li>\n"
        for service, what, remedy in troubles[:_MOST_ROWS]
    )
    body = f"<ul>\n{shown}</ul>\n{_more(len(troubles))}"
    return f'<div class="warnings">\n{html.section("warnings", "Warnings", body)}</div>\n'


def _more(count: int, most: int = _MOST_ROWS) -> str:
    if count <= most:
        return ""
    return f'<p>{count - most} more stand in <a href="/status">/status</a>.</p>\n'


def _services(services: Mapping[str, Shown], names: Mapping[str, str]) -> str:
    heads = ("Service", "State", "PID", "Uptime", "Restarts", "Last exit")
    rows = [
        (names[name], *_service(shown["app"]))
        for name, shown in list(services.items())[:_MOST_SERVICES]
    ]
    body = html.table("services", heads, rows) + _more(len(services), _MOST_SERVICES)
    return html.section("services", "Services", body)


def _service(app: Shown) -> Iterator[str]:
    ready = app["ready"]
    if app.get("required", True):
        word = "good" if ready else "bad"
        state = f"{app['phase']}, {'ready' if ready else 'not ready'}"
        yield f'<strong class="{word}">{state}</strong>'
    else:
        yield app["phase"]
    elsewhere = ready and not app["starts"]
    if app["pid"]:
        yield str(app["pid"])
        age = app["started_seconds_ago"]
        yield _NONE if age is None else html.moment(app["started_at"], html.span(age))
    else:
        yield "in another container" if elsewhere else _NONE
        yield _NONE
    yield str(max(app["starts"] - 1, 0))
    if app["last_exit_signal"]:
        yield signals.name(app["last_exit_signal"])
    else:
        yield _NONE if app["last_exit_code"] is None else f"code {app['last_exit_code']}"


def _configuration(shown: Shown, suffix: str, owner: str) -> Iterator[str]:
    """The sections of a service with sources; `suffix` tells their keys from those of others."""
    if not shown["sources"]:
        return
    key = f"configuration{suffix}"
    body = html.facts(key, _content(shown["config"]))
    yield html.section(key, f"Configuration{owner}", body)
    key = f"reload{suffix}"
    body = html.facts(key, _reload(shown["reloads"]))
    yield html.section(key, f"Last reload{owner}", body)
    key = f"versions{suffix}"
    body = _listed(key, ("Version", "State"), shown["versions"], _version)
    yield html.section(key, f"Versions{owner}", body)
    if "fleet" in shown:
        key = f"fleet{suffix}"
        yield html.section(key, f"Fleet{owner}", html.facts(key, _fleet(shown["fleet"])))
    key = f"sources{suffix}"
    heads = ("Source", "State", "Last contact", "Last error")
    body = _listed(key, heads, shown["sources"], _source)
    yield html.section(key, f"Sources{owner}", body)


def _listed(
    key: str,
    heads: Sequence[str],
    entries: Sequence[Shown],
    row: Callable[[Shown], Sequence[str]],
) -> str:
    if not entries:
        return "<p>none yet</p>\n"
    rows = [row(entry) for entry in entries[:_MOST_ROWS]]
    return html.table(key, heads, rows) + _more(len(entries))


def _content(config: Shown) -> Iterator[tuple[str, str]]:
    for head in ("running", "live", "desired", "good", "rejected"):
        yield "Newest" if head == "desired" else head.capitalize(), _digest(config[head])
    yield "Files", f"{config['files']}, {config['bytes']} bytes"
    changed = html.ago(config["last_change_at"], config["last_change_seconds_ago"])
    changes = f": {html.sentence(config['last_change'])}" if config["last_change"] else ""
    yield "Last change", f"{changed}{changes}"
    yield from _failure(config)


def _reload(reloads: Shown) -> Iterator[tuple[str, str]]:
    yield "Outcome", _outcome(reloads["last_outcome"])
    if reloads["last_at"]:
        yield "Ended", html.ago(reloads["last_at"], reloads["last_seconds_ago"])
    took = reloads["last_duration_seconds"]
    if took is not None:
        yield "Duration", html.span(took)
    yield from _failure(reloads)
    yield "Reloads", str(reloads["attempts"])


def _outcome(outcome: str | None) -> str:
    if outcome is None:
        return _NONE
    shown = html.word(outcome).replace("_", " ")
    if outcome in FINE:
        return f'<strong class="good">{shown}</strong>'
    return f'<strong class="bad">failed: {shown}</strong>'


def _failure(of: Shown) -> Iterator[tuple[str, str]]:
    """The last error, with the output of the program behind it where the record has that."""
    if not of["last_error"]:
        return
    yield "Last error", html.sentence(of["last_error"])
    if "last_error_output" not in of:
        yield "Output", _WITHHELD
    elif of["last_error_output"]:
        yield "Output", html.output(of["last_error_output"])


def _fleet(fleet: Shown) -> Iterator[tuple[str, str]]:
    yield "Group", html.name(fleet["group"])
    yield "State", f"{html.word(fleet['state'])}: {html.sentence(fleet['sentence'])}"
    yield "Newest", _digest(fleet["newest"])
    yield "On trial", _digest(fleet["trial"])
    yield "Canary", html.name(fleet["holder"]) if fleet["holder"] else _NONE
    yield "Good", ", ".join(map(_digest, fleet["good"][:_MOST_ROWS])) or _NONE
    bad = fleet["bad"][:_MOST_ROWS]
    yield "Condemned", ", ".join(map(_condemned, bad)) or _NONE


def _condemned(one: Shown) -> str:
    by = f" at {html.name(one['pod'])}" if one["pod"] else ""
    return f"{_digest(one['version'])}: {html.sentence(one['reason'])}{by}"


def _version(entry: Shown) -> Sequence[str]:
    marks = ", ".join(entry["marks"])
    why = f": {html.sentence(entry['failure'])}" if entry["failure"] else ""
    return _digest(entry["version"]), f"{marks}{why}"


def _source(source: Shown) -> Sequence[str]:
    state = _PRESENCE[source["present"]]
    if source["trouble"]:
        trouble = html.word(source["trouble"]).replace("_", " ")
        state = f'<strong class="bad">{state}, failing: {trouble}</strong>'
    elif not source["present"]:
        state = f'<strong class="bad">{state}</strong>'
    contact = html.ago(source["last_contact_at"], source["last_contact_seconds_ago"])
    error = html.sentence(source["error"]) if source["error"] else _NONE
    return html.name(source["name"]), state, contact, error


def _digest(version: str | None) -> str:
    if version is None:
        return _NONE
    whole = html.word(version)
    return f'<code title="{whole}">{html.word(version[:_SHORT_DIGEST])}</code>'
