"""The warnings of the status page: a sentence about a trouble, and the remedy.

Pure: from the record of /status. It must not know HTML, but for `<code>` in its own remedies.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    Warnings = Iterator[tuple[str, str]]

FINE = frozenset({None, "success", "started", "superseded"})  # ends of a reload without a failure
_LOG = "look at the log of the app and at its last exit"
_REMEDIES = {  # by phase of an app that is not ready
    "waiting": "see the sources below: the app starts once all of them have been read",
    "starting": "wait for --ready to pass; if it does not, look at the log of the app",
    "unready": "--ready has not passed in its time: look at the log of the app",
    "backoff": f"{_LOG}; it is started again by itself",
    "fatal": "look at the log of the service and at its last exit; <code>supervisorctl start</code>"
    " tries again",
    "exited": "look at the log of the service and at its last exit",
    "stopped": "<code>supervisorctl start</code> starts it again",
    "leftovers": "wait: the app has ended, and processes that it left behind are ended",
}
_BY_INTENT = ("paused", "window")  # reasons of a fleet with a warning of their own
_STOPPING = "wait: the app is being stopped"
_OUTPUT = "<code>supervisorctl status</code> shows the output of the program that refused it"
_KEPT = "files that are in place stay there meanwhile"


def warnings(shown: Mapping[str, Any]) -> Warnings:
    """The warnings of a service, the gravest first."""
    yield from _of_app(shown["app"])
    fleet = shown.get("fleet")
    yield from _of_versions(shown["config"], shown["reloads"])
    yield from _of_time(shown["config"], fleet)
    yield from _of_fleet(fleet)
    for source in shown["sources"]:
        yield from _of_source(source)


def _of_app(app: Mapping[str, Any]) -> Warnings:
    if app["last_start_error"]:
        yield f"cannot be started: {app['last_start_error']}", "mend the command or the image"
    if app["unready_reason"]:  # a service that is not wanted is not ready for no reason
        remedy = _REMEDIES.get(app["phase"], _STOPPING)
        yield f"not ready: {app['unready_reason']}", remedy


def _of_versions(config: Mapping[str, Any], reloads: Mapping[str, Any]) -> Warnings:
    outcome = reloads["last_outcome"]
    if outcome not in FINE:
        why = reloads["last_error"] or outcome
        where = "the app is back on the last good version; " if config["rolled_back"] else ""
        yield f"the last reload failed: {why}", f"{where}mend the configuration at its source"
    elif config["rolled_back"]:
        yield (
            "an earlier version was put back",
            "mend the configuration at its source: a changed version is taken up by itself",
        )
    if config["last_error"] and config["rejected"]:
        yield (
            f"the newest version is not used: {config['last_error']}",
            f"mend the configuration at its source; the app keeps its version. {_OUTPUT}",
        )
    elif config["last_error"]:
        yield (
            f"a version could not be put in place: {config['last_error']}",
            "mend the cause; it is tried again by itself",
        )
    if config["from_earlier_run"]:
        yield (
            "the app was started on the files of an earlier run",
            "make the sources readable: the newest version is then taken up by itself",
        )


def _of_time(config: Mapping[str, Any], fleet: Mapping[str, Any] | None) -> Warnings:
    """A version that waits for its hours."""
    if not config["stale_reason"]:
        return
    order = "<code>supervisorctl reload</code> put it in place now"
    if fleet is not None:
        order = "<code>supervisorctl fleet approve</code> release it now, in all pods"
    yield f"the newest version waits: {config['stale_reason']}", f"wait, or let {order}"


def _of_fleet(fleet: Mapping[str, Any] | None) -> Warnings:
    if fleet is None:
        return
    if fleet["state"] == "condemned":
        yield (
            fleet["sentence"],
            "mend the configuration at its source: a changed version gets a trial of its own",
        )
    elif fleet["state"] == "held" and fleet["reason"] not in _BY_INTENT:
        yield (
            fleet["sentence"],
            "mend the cause: the version is taken up by itself; docs/fleet.md has the causes",
        )


def _of_source(source: Mapping[str, Any]) -> Warnings:
    if source["error"]:
        yield (
            f"{source['name']} cannot be read: {source['error']}",
            f"mend the access to the source; {_KEPT}",
        )
    elif source["present"] is False:
        yield (
            f"{source['name']} does not exist",
            f"create it, or correct its name in the options; {_KEPT}",
        )
