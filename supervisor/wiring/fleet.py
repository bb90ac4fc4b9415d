"""From settings to a pod's part in its fleet: the rules, and the deeds that these order.

A deed ends in a report, by an event; the link, the keep and the check have threads of their own for
the time of their work. Imported by a role with --fleet only.
"""

from __future__ import annotations

import json
import os
import time

from ..core.content import sha256
from ..core.events import APP
from ..core.primitives import partial
from ..core.record import Record
from ..fleet import events as ev
from ..fleet import lease, orders, publication
from ..fleet.policy import SANDBOX, FleetPolicy, Role
from ..fleet.rules import FleetRules
from ..runtime import log, threads
from ..sources.interface import Label
from ..sources.kubernetes.credentials import Access
from ..sources.kubernetes.errands import LAST_WORDS
from ..sources.kubernetes.lease_link import LeaseLink
from .fleet_keep import FleetKeep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..core.actions import Action
    from ..core.events import Event
    from ..core.service import Service
    from ..options.declarations import Settings
    from ..process.hooks import Runner
    from ..reload.checks import Check
    from .fleet_keep import KeptFiles

    Put = Callable[[Event], None]

_SLACK = 30.0  # seconds for a canary beyond the times of its options
_START_SHARE = 3  # a start waits for the Lease for this part of --initial-sync-timeout
_CHECK_SECONDS = 5.0  # for --fleet-check
_SHAPE = 16  # digits
_NONCE = 8  # bytes of a process in its claims
_BOOT = 64  # characters of a boot's name

ORDERS = (
    orders.ReadLease,
    orders.FollowLease,
    orders.LeaveLease,
    orders.WriteLease,
    orders.CheckTrial,
    orders.Keep,
    orders.FetchKept,
    orders.AnswerFleet,
)


def rules(settings: Settings, environ: Mapping[str, str], service: str = APP) -> FleetRules:
    """The rules of a pod, or of one of its services."""
    alone = settings.once  # there is no app to try a version on
    return FleetRules(
        FleetPolicy(
            settings.fleet or "",
            _identity(environ, service),
            _shape(settings),
            bake=settings.fleet_bake,
            check=check_of(settings) is not None,
            spread=settings.fleet_spread,
            role=Role.FOLLOWER if alone else Role(settings.fleet_role),
            serial=settings.fleet_serial,
            keep=settings.fleet_keep is not None,
            manual=settings.fleet_approve == "manual",
            duration=_SLACK
            + settings.reload_timeout
            + settings.verify_window
            + settings.fleet_bake,
            windows=bool(settings.reload_window),
            patience=settings.initial_sync_timeout / _START_SHARE,
            service="" if service == APP else service,
            claim=_sandbox() + os.urandom(_NONCE).hex(),
        )
    )


def check_of(settings: Settings) -> tuple[str, str] | None:
    """The name and the text of the option whose check is asked in a trial."""
    for name in ("fleet_check", "verify", "ready"):
        text = getattr(settings, name)
        if text is not None:
            return name, text
    return None


def check(settings: Settings, directory: str, put: Put) -> tuple[Check, Runner] | None:
    """The check of a trial, with the runner of commands; None without. Raises UsageError."""
    chosen = check_of(settings)
    if chosen is None:
        return None
    from ..process import hooks
    from . import reload_plan

    return reload_plan.check(*chosen, settings, directory), hooks.Runner(put)


def _identity(environ: Mapping[str, str], service: str) -> str:
    """The pod by the downward API, else by its host name."""
    name = environ.get("POD_NAME", "")
    uid = environ.get("POD_UID", "")
    pod = f"{lease.plain(name)}/{lease.plain(uid)}" if name and uid else os.uname().nodename
    return pod if service == APP else f"{pod}/{service}"


def _warn_of_identity(fleet: str, environ: Mapping[str, str]) -> None:
    if environ.get("POD_NAME") and not environ.get("POD_UID"):
        host = os.uname().nodename
        log.warning(
            f"cannot use POD_NAME for the fleet {fleet}: POD_UID is missing, so the pod is known by"
            f" its host name {host}; set both by the downward API (docs/fleet.md)",
            event="fleet_identity",
        )


def _sandbox() -> str:
    """A name for this pod's sandbox: its containers share IPC, in one boot of the machine."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            parts = [file.read(_BOOT), os.readlink("/proc/self/ns/ipc")]
    except OSError:
        parts = []  # the disk alone tells then
    return sha256(json.dumps(parts).encode()).hexdigest()[:SANDBOX]


def _shape(settings: Settings) -> str:
    """A digest of all that makes the same content another version: pods of different shapes cannot
    speak of the same versions.
    """
    objects = [
        [kind, one.namespace or settings.namespace or "", one.name, one.subdir]
        for kind, group in (("configmap", settings.configmap), ("secret", settings.secret))
        for one in group
    ]
    # Its path plays no part: a version is its files.
    directory = ["directory", settings.ignore] if settings.config_dir else []
    parts = [objects, directory, sorted(settings.map), settings.configroot is not None]
    return sha256(json.dumps(parts).encode()).hexdigest()[:_SHAPE]


class AppView(Record):
    """The app of a fleet's rules: the service as it is now, and its files."""

    service: Callable[[], Service]
    files: KeptFiles


class FleetDeeds:
    """Performs the orders of the rules; each call returns at once."""

    orders = ORDERS

    def __init__(
        self,
        settings: Settings,
        put: Put,
        app: AppView,
        check: tuple[Check, Runner] | None,
    ) -> None:
        """`put` takes the reports, in any thread."""
        _warn_of_identity(settings.fleet or "", os.environ)
        access = Access(settings.kubeconfig, settings.context)
        label = Label("lease", settings.namespace or "", settings.fleet or "")
        self._link = LeaseLink(label, access, put)
        self._put = put
        self._app = app
        self._check = check
        self._keep = FleetKeep(settings, put, app.files)

    def perform(self, order: Action) -> None:
        """Perform an order, which one of `orders` is the type of."""
        match order:
            case orders.ReadLease():
                self._link.read()
            case orders.FollowLease():
                self._link.follow()
            case orders.LeaveLease():
                self._link.leave()
            case orders.WriteLease(ledger):
                self._link.write(lease.written(ledger))
            case orders.CheckTrial(number):
                self._begin_check(number)
            case orders.Keep(version):
                self._keep.keep(version)
            case orders.FetchKept(versions):
                self._keep.fetch(versions)
            case orders.AnswerFleet(event, error):
                if event.reply is not None:
                    event.reply(error)

    def leave(self) -> None:
        """The app has another configuration: nothing more is followed."""
        self._link.leave()

    def end(self, by: float | None = None) -> None:
        """The app has ended: the last words of the pod reach the Lease, if they can until then
        (monotonic); by default within a second.
        """
        self.leave()
        by = time.monotonic() + LAST_WORDS if by is None else by
        self._link.finish(by)
        state = self._link.last
        ledger = None if state is None else publication.farewell(self._app.service().fleet, state)
        if ledger is not None:
            self._link.write(lease.written(ledger))
            self._link.finish(by)

    def _begin_check(self, number: int) -> None:
        try:
            threads.start(partial(self._ask, number), "fleet check")
        except RuntimeError as error:  # the limit of processes
            self._put(ev.TrialChecked(number, False, f"cannot start a thread: {error}", False))

    def _ask(self, number: int) -> None:
        from ..reload.checks import CheckedApp, CheckFailed

        if self._check is None:
            self._put(ev.TrialChecked(number, True))
            return
        check, runner = self._check
        try:
            check.once(CheckedApp(self._app.service().life.pid, runner), _CHECK_SECONDS)
        except CheckFailed as problem:
            # An app in trouble answers late: other than for a reload, that is an answer here.
            asked = problem.late or not problem.unable
            self._put(ev.TrialChecked(number, False, str(problem), asked, problem.words))
        except Exception as error:  # the outer edge of the thread
            self._put(ev.TrialChecked(number, False, str(error), False))
        else:
            self._put(ev.TrialChecked(number, True))
