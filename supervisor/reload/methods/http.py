"""Reload by an HTTP request."""

from __future__ import annotations

from ...core.outcomes import Outcome
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

_ATTEMPT_SECONDS = 10.0  # for one of several requests; a reload that takes longer is not usual
# Seconds between two requests, doubling, less a quarter at random.
_RETRY_FIRST, _RETRY_MOST = 0.25, 5.0
# Statuses that may be different the next time (RFC 9110, 15).
_RETRIED = frozenset({408, 425, 429, *range(500, 600)})


class Http:
    """Make a request; one of the accepted statuses is success.

    No connection, no answer in 10 s, and the statuses of _RETRIED are tried again as long as there
    is time, not before the Retry-After of the answer; any other status is final.
    """

    def __init__(
        self,
        request: HttpRequest,
        accepted: Sequence[range],
        renew: Callable[[], HttpRequest] | None = None,
    ) -> None:
        """`renew` gives the request as it is to be sent now; it may raise ValueError."""
        self._request, self._accepted, self._renew = request, tuple(accepted), renew

    def __call__(self, attempt: Attempt) -> None:
        from random import uniform

        wait, tries = _RETRY_FIRST, 0
        while True:
            tries += 1
            asked, error = self._try(attempt)
            if error is None:
                return
            delay = max(asked, wait * uniform(0.75, 1))
            wait = min(_RETRY_MOST, wait * 2)
            if delay >= attempt.seconds_left():
                waits = f", and asks to wait {asked:.0f}s before the next try" if asked else ""
                tried = f" (tried {tries} times)" if tries > 1 else ""
                raise ReloadError(error.outcome, f"{error}{waits}{tried}", error.words)
            attempt.pause(delay)

    def _try(self, attempt: Attempt) -> tuple[float, ReloadError | None]:
        """One request: how long the server asks to wait, and what went wrong; raises ReloadError if
        that is final.
        """
        attempt.checkpoint()
        try:
            if self._renew:
                self._request = self._renew()
        except ValueError as unread:  # a file with credentials that is being replaced
            return 0.0, ReloadError(Outcome.CONNECT, f"{self._request}: {unread}")
        try:
            answer = self._request.send(
                max(0.001, min(_ATTEMPT_SECONDS, attempt.seconds_left())), attempt.cancelled
            )
        except RequestFailed as failure:
            attempt.checkpoint()
            error = ReloadError(failure.outcome, f"{self._request}: {failure}")
            if failure.final:
                raise error from failure
            return 0.0, error
        if any(answer.status in one for one in self._accepted):
            return 0.0, None
        error = ReloadError(
            Outcome.HTTP_STATUS,
            f"{self._request}: {self._request.explain(answer)}",
            self._request.words(answer),
        )
        if answer.status not in _RETRIED:
            raise error
        return answer.retry_after, error


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
    """The request with the present content of its files: passwords and tokens are renewed. Raises
    ValueError.
    """
    if settings.reload_http_file:
        request = request.replace(url=url.parse(secret_files.value(settings.reload_http_file)))
    if settings.reload_http_header_file:
        more = tuple(header(line) for line in secret_files.lines(settings.reload_http_header_file))
        request = request.replace(headers=(*request.headers, *more))
    return request
