"""Reload by an HTTP request."""

from __future__ import annotations

from ..attempt import ReloadError
from ..http_request import RequestFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..attempt import App
    from ..http_request import Request

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
        request: Request,
        accepted: Sequence[range],
        renew: Callable[[], Request] | None = None,
    ) -> None:
        """`renew` gives the request as it is to be sent now; it may raise ValueError."""
        self._request, self._accepted, self._renew = request, tuple(accepted), renew

    def __call__(self, app: App) -> None:
        from random import uniform

        wait, tries = _RETRY_FIRST, 0
        while True:
            tries += 1
            asked, error = self._try(app)
            if error is None:
                return
            delay = max(asked, wait * uniform(0.75, 1))
            wait = min(_RETRY_MOST, wait * 2)
            if delay >= app.seconds_left():
                waits = f", and asks to wait {asked:.0f}s before the next try" if asked else ""
                tried = f" (tried {tries} times)" if tries > 1 else ""
                raise ReloadError(error.reason, f"{error}{waits}{tried}", error.words)
            app.pause(delay)

    def _try(self, app: App) -> tuple[float, ReloadError | None]:
        """One request: how long the server asks to wait, and what went wrong; raises ReloadError if
        that is final.
        """
        app.checkpoint()
        try:
            if self._renew:
                self._request = self._renew()
        except ValueError as unread:  # a file with credentials that is being replaced
            return 0.0, ReloadError("connect", f"{self._request}: {unread}")
        try:
            answer = self._request.send(
                max(0.001, min(_ATTEMPT_SECONDS, app.seconds_left())), app.cancelled
            )
        except RequestFailed as failure:
            app.checkpoint()
            error = ReloadError(failure.reason, f"{self._request}: {failure}")
            if failure.final:
                raise error from failure
            return 0.0, error
        if any(answer.status in one for one in self._accepted):
            return 0.0, None
        error = ReloadError(
            "http_status",
            f"{self._request}: {self._request.explain(answer)}",
            self._request.words(answer),
        )
        if answer.status not in _RETRIED:
            raise error
        return answer.retry_after, error
