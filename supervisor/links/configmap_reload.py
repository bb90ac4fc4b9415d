"""The command line of configmap-reload: a sidecar for a mounted volume, with an HTTP request."""

from __future__ import annotations

from ..core.errors import UsageError
from .line import HELP as HELP_OPTION
from .line import ON, Line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .line import Texts

HELP = """\
usage: configmap-reload -volume-dir DIR -webhook-url URL [OPTIONS]

  -volume-dir DIR            watch this directory: a mounted ConfigMap
  -webhook-url URL           send a request to this URL after a change
  -webhook-method METHOD     the method of the request (default POST)
  -webhook-status-code CODE  the answer of a success (default 200)
  -webhook-retries N         send the request at most N times (default 1)
  -web.listen-address ADDR   serve /metrics here (default :9533)
  -web.telemetry-path PATH   /metrics, and no other
  -h, -help                  print this help and exit
"""
_STATUS = "webhook-status-code"
# The option of each flag whose value is ours too.
_OPTIONS = {
    "volume-dir": "config_dir",
    "webhook-url": "reload_http",
    "webhook-method": "reload_http_method",
    _STATUS: "reload_http_status",
    "web.listen-address": "listen",
}
_RETRIES, _PATH = "webhook-retries", "web.telemetry-path"
# The flags that are needed, and what does the work of a second one.
_NEEDED = {
    "volume-dir": "put the volumes together as one projected volume, or run a container for each",
    "webhook-url": "run a container for each",
}
_DEFAULTS = {"reload_http_status": "200", "listen": ":9533"}
_METRICS = "/metrics"
_PAUSE = 10  # seconds from one try to the next there
_LEAST = 30  # seconds for all tries: our default


def read(argv: Sequence[str], _: Mapping[str, str]) -> Line:
    """Raises UsageError."""
    given: Texts = {}
    for written, name, text in _flags(argv):
        if name in (HELP_OPTION, "h"):
            return Line({HELP_OPTION: [(written, ON)]})
        if name == _STATUS and not text.isdecimal():
            raise UsageError(f"{written} {text}: not the number of an HTTP status")
        if name in _OPTIONS:
            given.setdefault(_OPTIONS[name], []).append((written, text))
        elif name == _RETRIES:
            given["reload_timeout"] = [(written, _seconds(written, text))]
        elif text != _METRICS:
            raise UsageError(f"{written} {text}: the metrics are at {_METRICS}; scrape that path")
    for name, instead in _NEEDED.items():
        _check_single(name, [text for _, text in given.get(_OPTIONS[name], ())], instead)
    return Line(given, (), _DEFAULTS)


def _check_single(name: str, texts: Sequence[str], instead: str) -> None:
    if not texts:
        raise UsageError(
            f"-{name} is missing; usage: configmap-reload -volume-dir DIR -webhook-url URL"
        )
    if len(texts) > 1:
        raise UsageError(
            f"-{name} is given {len(texts)} times ({', '.join(texts)}): one can be honoured;"
            f" {instead}"
        )


def _seconds(written: str, text: str) -> str:
    """The time for all tries of a request."""
    if not text.isdecimal() or not int(text):
        raise UsageError(
            f"{written} {text}: not a number of tries from 1; tries without an end"
            " cannot be honoured"
        )
    return f"{max(_LEAST, _PAUSE * int(text))}s"


def _flags(argv: Sequence[str]) -> list[tuple[str, str, str]]:
    """Flags as Go's `flag` reads them: with one dash or two, the value behind `=` or in the next
    word.
    """
    rest = list(argv)
    found: list[tuple[str, str, str]] = []
    while rest:
        word = rest.pop(0)
        head, equals, text = word.partition("=")
        name = head.removeprefix("-").removeprefix("-")
        if not word.startswith("-") or not name:
            raise UsageError(f"configmap-reload takes no argument: {word!r}; remove it")
        if name in (HELP_OPTION, "h"):
            return [*found, (head, name, "")]
        if name not in (*_OPTIONS, _RETRIES, _PATH):
            raise UsageError(
                f"unknown option {head} of configmap-reload; under this name our own options are"
                " given by variables, or use the name supervisor"
            )
        if not equals and not rest:
            raise UsageError(f"{head} needs a value")
        found.append((head, name, text if equals else rest.pop(0)))
    return found
