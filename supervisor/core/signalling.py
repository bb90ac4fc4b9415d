"""Signals: the meaning of each in each phase of the app's life, stops among them.

Pure, and part of the life: `life.step` calls these functions. They must not know of versions or of
starts.
"""

from __future__ import annotations

from .actions import Kill, Suspend, TakeForeground
from .errors import BY_SIGNAL
from .life_state import ALIVE, TOLD, Ended, Phase, Then
from .signal_numbers import CONT, INT, JOB_CONTROL, KILL, QUIT, STOP, TERM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .actions import Action
    from .life_state import Life, LifePolicy, Report

    Result = tuple[Life, tuple[Action | Report, ...]]

_ENDING = (INT, QUIT)  # these end a program without a handler
_REACHED = ALIVE | TOLD


def ended(life: Life, code: int) -> Result:
    """The end of a life, with its exit code."""
    life = life.replace(phase=Phase.ENDED, deadline=None, then=Then.END, exit_code=code)
    return life, (Ended(code),)


def signalled(life: Life, signum: int, now: float, policy: LifePolicy) -> Result:
    """The life after a signal to the supervisor, and the orders for the app."""
    target = policy.rewrite.get(signum, signum)
    if target == 0:
        return life, ()
    # The runtime may send the app's own stop signal (an image's STOPSIGNAL) instead of TERM.
    stop = signum in (TERM, policy.stop_signal)
    if signum == TERM and TERM not in policy.rewrite:
        target = policy.stop_signal
    if policy.sidecar:
        return _signalled_sidecar(life, signum, stop=stop)
    match life.phase:
        case Phase.STARTING | Phase.UNREADY | Phase.RUNNING if stop:
            return _stop(life, target, now, policy)
        case Phase.DELAYED if stop:
            return pass_stop(life, target, now, policy)
        case Phase.STOPPING if stop and life.then is Then.REPLACE:
            return pass_stop(life.replace(then=Then.END), target, now, policy)
        case Phase.KILLING | Phase.LEFTOVERS | Phase.LEFTOVERS_KILLED if stop:
            return life.replace(then=Then.END), ()
        case phase if phase in _REACHED:
            return forward(life, signum, target, now, policy)
        case Phase.EXECUTING:
            return _signalled_early(life, signum, policy, stop=stop)
        case Phase.WAITING | Phase.BACKOFF | Phase.HELD if stop or signum in _ENDING:
            return ended(life, _code_without_app(life, signum))
        case Phase.WAITING:
            return _hold(life, signum, policy), ()
    return life, ()  # the app is gone


def _code_without_app(life: Life, signum: int) -> int:
    return BY_SIGNAL + signum if life.exits == 0 else life.exit_code


def _hold(life: Life, signum: int, policy: LifePolicy) -> Life:
    """Keep a signal for the app's first moment, as the kernel would.

    Not where the app waits for its configuration: HUP, sent to reload it, would end an app without
    a handler, and the app reads the newest version when it starts.
    """
    return life.replace(held=(*life.held, signum)) if policy.early_signals else life


def _signalled_early(life: Life, signum: int, policy: LifePolicy, *, stop: bool) -> Result:
    """No signal can reach a program before its exec, and nothing of it has to end well."""
    if not stop and signum not in _ENDING:
        return _hold(life, signum, policy), ()
    code = _code_without_app(life, signum)
    life = life.replace(phase=Phase.ABORTING, then=Then.END, held=(), exit_code=code)
    return life, (Kill(KILL),)


def _signalled_sidecar(life: Life, signum: int, *, stop: bool) -> Result:
    """Without an app of ours, its stop and INT and QUIT end the supervisor."""
    if stop:
        return ended(life, 0)
    if signum in _ENDING:
        return ended(life, BY_SIGNAL + signum)
    return life, ()


def forward(life: Life, signum: int, target: int, now: float, policy: LifePolicy) -> Result:
    """Pass a signal on, as `target`."""
    if target and {signum, target} & set(_ENDING):
        life = life.replace(dismissed=target, dismissed_at=now)
    if signum in JOB_CONTROL:
        if policy.group and target == signum:
            target = STOP  # a group without a controlling terminal ignores the gentle three
        kill = Kill(target, policy.group)
        return life.replace(suspended=True), (kill,) if policy.is_init else (kill, Suspend())
    if signum == CONT:
        front = (TakeForeground(),) if life.foreground else ()
        return life.replace(suspended=False), (*front, Kill(target, _stopped(life, policy)))
    return life, (Kill(target, policy.group),)


def _stopped(life: Life, policy: LifePolicy) -> bool:
    """Whether a stop was for the whole process group: a key of the terminal stops the group."""
    return policy.group or life.foreground


def suspended(life: Life, signum: int, policy: LifePolicy) -> Result:
    """`^Z` stops the app alone, the terminal's foreground group; its shell waits for us to stop."""
    if life.suspended:
        return life, ()
    life = life.replace(suspended=True)
    if life.phase is Phase.STOPPING:
        # Once: an app may ignore the stop and suspend itself again and again.
        return life, (Kill(CONT, _stopped(life, policy)),)
    job = life.foreground and signum in JOB_CONTROL and not policy.is_init
    return life, (Suspend(),) if job else ()


def replace(life: Life, now: float, policy: LifePolicy) -> Result:
    """Stop the app, so that it can start again on another version."""
    most = policy.ready_timeout if policy.stop_timeout is None else policy.stop_timeout
    life, orders = pass_stop(life.replace(then=Then.REPLACE), policy.stop_signal, now, policy)
    return life.replace(deadline=now + most), orders


def _stop(life: Life, target: int, now: float, policy: LifePolicy) -> Result:
    life = life.replace(then=Then.END)
    if policy.stop_delay > 0:
        return life.replace(phase=Phase.DELAYED, deadline=now + policy.stop_delay), ()
    return pass_stop(life, target, now, policy)


def pass_stop(life: Life, target: int, now: float, policy: LifePolicy) -> Result:
    """Send the app its stop signal."""
    deadline = None if policy.stop_timeout is None else now + policy.stop_timeout
    # A stopped process takes no signal but KILL until it continues.
    resume = (Kill(CONT, _stopped(life, policy)),) if life.suspended else ()
    life = life.replace(phase=Phase.STOPPING, deadline=deadline, suspended=False)
    return life, (Kill(target, policy.group), *resume)
