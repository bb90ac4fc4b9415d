"""Verify a reload of Prometheus by its own metrics."""

from __future__ import annotations

from .. import http_request, url
from ..checks import Check, CheckFailed
from ..http_request import HttpRequest, RequestFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...process.pid_lookup import PidLookup
    from ..checks import CheckedApp
    from ..trust import Trust

_MOST_BYTES = 4 * 1024 * 1024  # of a page of metrics: Prometheus' own has 200 KiB


def parse(rest: str, trust: Trust, target: PidLookup | None) -> Check:
    """Read the URL of the web interface."""
    del target
    return Prometheus(rest, trust)


class Prometheus(Check):
    """A new successful reload, as its own metrics show it.

    On a bad configuration Prometheus keeps its present configuration and sets
    `prometheus_config_last_reload_successful` to 0; it answers a reload by HTTP with status 500. A
    bad rule file keeps the old rules, but the new scrape configuration is live all the same
    (`promtool check config` finds it before). The time of the last success moves with every good
    reload, also of an unchanged file. At its start, before it has read anything, the metric is 1
    already: `--ready URL/-/ready` keeps reloads and trials out of this time.
    """

    _SUCCESSFUL = "prometheus_config_last_reload_successful"
    _TIME = "prometheus_config_last_reload_success_timestamp_seconds"

    def __init__(self, text: str, trust: Trust) -> None:
        """`text` is the URL of the web interface, the prefix of its routes included."""
        base = url.parse(text)
        if "?" in base.target:
            raise ValueError(
                "the URL of Prometheus has no query: it is only the URL of its web interface"
            )
        page = base.replace(target=base.target.rstrip("/") + "/metrics")
        self._request = HttpRequest("GET", page, trust=trust)

    def before(self, app: CheckedApp, seconds: float) -> Check:
        return _NewSuccess(self, self.last_reload(app, seconds)[1])

    def once(self, app: CheckedApp, seconds: float) -> None:
        _NewSuccess(self, 0.0).once(app, seconds)

    def last_reload(self, app: CheckedApp, seconds: float) -> tuple[bool, float]:
        """Whether it was good, and the time of the last good reload (epoch seconds); raises
        CheckFailed.
        """
        try:
            answer = self._request.send(seconds, app.cancelled, _MOST_BYTES)
        except RequestFailed as failure:
            raise CheckFailed(f"{self._request}: {failure}") from failure
        samples = dict(
            line.rpartition(" ")[::2] for line in answer.body.decode(errors="replace").splitlines()
        )
        try:
            return float(samples[self._SUCCESSFUL]) == 1, float(samples[self._TIME])
        except (KeyError, ValueError):
            # A page of metrics is long: a message holds its beginning.
            short = answer.replace(body=answer.body[: http_request.BODY])
            error = (
                f"{self._request}: there is no {self._SUCCESSFUL} in the answer:"
                f" {self._request.explain(short)}"
            )
            raise CheckFailed(error, words=self._request.words(short)) from None


class _NewSuccess(Check):
    def __init__(self, prometheus: Prometheus, last: float) -> None:
        self._prometheus, self._last = prometheus, last

    def once(self, app: CheckedApp, seconds: float) -> None:
        successful, at = self._prometheus.last_reload(app, seconds)
        if not successful:
            raise CheckFailed("Prometheus says that its last reload failed; its log says why")
        if at == self._last:  # not `<=`: a clock may be set back
            raise CheckFailed("Prometheus has not reloaded")
