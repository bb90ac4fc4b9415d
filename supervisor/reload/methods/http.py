"""Reload by an HTTP request."""

from __future__ import annotations

from ...core.backoff import backoff
from ...core.outcomes import Outcome
from ...core.record import Record
from ...options import secret_files
from .. import url
from ..attempt import ReloadError
from ..http_request import HttpRequest, RequestFailed, header, method, status_ranges
from ..option_values import delivered, read, trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...options.declarations import Settings
    from ..attempt import Attempt

_TRY_SECONDS = 10.0  # for each request; a longer reload is not usual
# Seconds between two requests, doubling, less a quarter at random.
_PAUSE_FIRST, _PAUSE_MOST = 0.25, 5.0
# Statuses that may differ at the next request (RFC 9110, 15).
_RETRIED = frozenset({408, 425, 429, *range(500, 600)})


class _Retry(Record):
    error: ReloadError
    after: float = 0.0  # seconds that the server asks to wait


class Http:
    """Make a request; an accepted status is success.

    It is made again, while there is time, when there is no connection, when there is no answer in
    10 s, and after the statuses of _RETRIED, then not before the answer's Retry-After. Any other
    status is final.
    """

    def __init__(
        self,
        request: HttpRequest,
        accepted: Sequence[range],
        renew: Callable[[], HttpRequest] | None = None,
    ) -> None:
        """`renew` gives the request to send now; it may raise ValueError."""
        self._request, self._accepted, self._renew = request, tuple(accepted), renew

    def __call__(self, attempt: Attempt) -> None:
        from random import uniform

        tries = 0
        while retry := self._try(attempt):
            tries += 1
            pause = backoff(tries, _PAUSE_FIRST, _PAUSE_MOST) * uniform(0.75, 1)
            delay = max(retry.after, pause)
            if delay >= attempt.seconds_left():
                raise _over(retry, tries)
            attempt.pause(delay)

    def _try(self, attempt: Attempt) -> _Retry | None:
        """Make the request once; raises ReloadError for a final failure."""
        attempt.checkpoint()
        try:
            if self._renew:
                self._request = self._renew()
        except ValueError as unread:  # a file with credentials is being replaced
            return _Retry(ReloadError(Outcome.CONNECT, f"{self._request}: {unread}"))
        try:
            seconds = max(0.001, min(_TRY_SECONDS, attempt.seconds_left()))
            answer = self._request.send(seconds, attempt.cancelled)
        except RequestFailed as failure:
            attempt.checkpoint()
            error = ReloadError(failure.outcome, f"{self._request}: {failure}")
            if failure.final:
                raise error from failure
            return _Retry(error)
        if any(answer.status in statuses for statuses in self._accepted):
            return None
        message = f"{self._request}: {self._request.explain(answer)}"
        error = ReloadError(Outcome.HTTP_STATUS, message, self._request.words(answer))
        if answer.status not in _RETRIED:
            raise error
        return _Retry(error, answer.retry_after)


def _over(last: _Retry, tries: int) -> ReloadError:
    """The failure when the time is over."""
    waits = f", and asks to wait {last.after:.0f}s before the next try" if last.after else ""
    tried = f" (tried {tries} times)" if tries > 1 else ""
    error = last.error
    return ReloadError(error.outcome, f"{error}{waits}{tried}", error.words)


def make(settings: Settings, directory: str) -> Http:
    del directory
    address = read("reload_http", lambda: url.parse(settings.reload_http or ""))
    verb = read("reload_http_method", lambda: method(settings.reload_http_method))
    headers = read(
        "reload_http_header", lambda: tuple(header(text) for text in settings.reload_http_header)
    )
    accepted = read("reload_http_status", lambda: status_ranges(settings.reload_http_status))
    request = HttpRequest(verb, address, headers, trust(settings))
    path = settings.reload_http_header_file
    if path and not delivered(settings, path):
        read("reload_http_header_file", lambda: _renewed(settings, request))
    return Http(request, accepted, lambda: _renewed(settings, request))


def _renewed(settings: Settings, request: HttpRequest) -> HttpRequest:
    """The request with the present passwords and tokens of its files; raises ValueError."""
    if settings.reload_http_file:
        request = request.replace(url=url.parse(secret_files.value(settings.reload_http_file)))
    if settings.reload_http_header_file:
        more = tuple(header(line) for line in secret_files.lines(settings.reload_http_header_file))
        request = request.replace(headers=(*request.headers, *more))
    return request
