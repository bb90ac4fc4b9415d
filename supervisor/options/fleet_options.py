"""The options of a fleet: pods that take a new version one after another.

Light, since every start reads it. The checks of these options against others: `fleet_checks`.
"""

from __future__ import annotations

from . import parsers
from .option import Group, option

ROLES = ("auto", "canary", "follower")  # as the rules of a fleet have them


class FleetOptions(Group):
    title = "fleet: a canary first"

    fleet: str | None = option(
        parsers.lease_name,
        "NAME",
        "take a new version one pod after another, a canary first, among all pods with this NAME;"
        " a Lease of that name in the namespace of the pods has the state",
    )
    fleet_bake: float = option(
        parsers.duration,
        "DURATION",
        "have the canary run well this long after the verification, before other pods of --fleet"
        " follow",
        default="30s",
        value=30.0,
    )
    fleet_check: str | None = option(
        parsers.check,
        "CMD|URL|NAME",
        "run this check every 5s while the canary of --fleet runs; 3 failures in a row condemn the"
        " version; NAME as with --verify",
        shown="--verify, else --ready",
    )
    fleet_spread: float = option(
        parsers.duration,
        "DURATION",
        "let the other pods of --fleet follow a good canary within this time, spread evenly",
        default="60s",
        value=60.0,
    )
    fleet_role: str = option(
        parsers.choice(*ROLES),
        "|".join(ROLES),
        "have this pod of --fleet ask first, or never: a follower waits for the verdict of another",
        default="auto",
        value="auto",
    )
    fleet_serial: bool = option(
        None,
        "",
        "let one pod of --fleet at a time take a version that the canary found good: for up to 100"
        " pods",
        default=False,
    )
    fleet_keep: str | None = option(
        parsers.lease_name,
        "NAME",
        "keep the last good content of --fleet in this ConfigMap, or in this Secret where a source"
        " is a Secret, for pods that start while a version is on trial",
    )
    fleet_approve: str = option(
        parsers.choice("auto", "manual"),
        "auto|manual",
        "manual: a version that passed the trial of --fleet waits for supervisorctl fleet approve",
        default="auto",
        value="auto",
    )
