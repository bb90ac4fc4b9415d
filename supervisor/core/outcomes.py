"""Why a version is not in use, and how reloads end: the words of metrics, logs and status.

Pure, and imported only where a role has versions. Users see the values: renaming one is a
change of the program's interface.
"""

from __future__ import annotations

from .record import Words


class ApplyFailure(Words):
    """Why a version could not be put in place."""

    WRITE = "write"  # the disk refused it
    HOOK = "hook"  # the validation could not be run
    OVERTAKEN = "overtaken"  # a newer version ended the validation
    BAD_KEY = "bad_key"  # a key is no path
    TOO_LARGE = "too_large"
    VALIDATE = "validate"  # the validation rejected it
    FAILED = "failed"  # it failed in an earlier run
    ROLLBACK = "rollback"  # an earlier version could not be put back
    NO_GENERATION = "no_generation"  # an earlier run left nothing to start on


# These make a version unusable until its content changes. All others pass by themselves.
OF_CONTENT = frozenset(
    {
        ApplyFailure.BAD_KEY,
        ApplyFailure.TOO_LARGE,
        ApplyFailure.VALIDATE,
        ApplyFailure.FAILED,
    }
)


class Outcome(Words):
    """How a reload, or a start on a version, ended."""

    NONE = ""  # nothing has ended yet
    SUCCESS = "success"
    SUPERSEDED = "superseded"  # a newer version, or a stop, did not wait for its end
    # The app did not hear of the version.
    NO_HANDLER = "no_handler"
    NO_PROCESS = "no_process"
    PERMISSION = "permission"
    CONNECT = "connect"
    HOOK = "hook"
    INTERNAL = "internal"
    # The app may have heard of the version.
    HTTP_STATUS = "http_status"
    TIMEOUT = "timeout"
    EXEC = "exec"
    VERIFY = "verify"
    UNVERIFIED = "unverified"  # the verification could not be asked: no verdict on the version
    NOT_READY = "not_ready"
    CHILD_EXITED = "child_exited"


# Going back from these would only keep the app from a version for which it may be ready later.
UNDELIVERED = frozenset(
    {
        Outcome.NO_HANDLER,
        Outcome.NO_PROCESS,
        Outcome.PERMISSION,
        Outcome.CONNECT,
        Outcome.HOOK,
        Outcome.INTERNAL,
    }
)
NO_FAILURE = frozenset({Outcome.NONE, Outcome.SUCCESS, Outcome.SUPERSEDED})
FAILURES = tuple(one for one in Outcome if one not in (Outcome.NONE, Outcome.SUCCESS))
