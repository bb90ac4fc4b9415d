"""The rows of the dashboard for roles that not every supervisor has: several services, fleets."""

from __future__ import annotations

from .panel import NONE_IS_GOOD, ONE, WHO, Panel, Row, quantile, rate

SERVICE = "{{pod}} {{service}}"
SERVICES = Row(
    "Several services",
    8,
    4,
    (
        Panel(
            "Services that are not ready",
            "Services that keep the pod unready; a short peak is a start.",
            {SERVICE: "supervisor_service_ready{CHOSEN} == 0"},
            limits=NONE_IS_GOOD,
        ),
        Panel(
            "Services given up",
            "Services in the state FATAL: nothing starts them again.",
            {SERVICE: 'supervisor_service_state{CHOSEN,state="FATAL"} == 1'},
            limits=NONE_IS_GOOD,
        ),
        Panel(
            "Starts and ends out of memory",
            "Starts per second, and ends by the kernel within an hour.",
            {
                SERVICE: rate("supervisor_service_starts_total", "pod, service") + " > 0",
                f"{SERVICE} out of memory": (
                    "increase(supervisor_service_oom_kills_total{CHOSEN}[1h]) > 0"
                ),
            },
        ),
        Panel(
            "Memory by service",
            "Resident memory of all processes of a service; shared pages count in each of them.",
            {SERVICE: "supervisor_service_resident_memory_bytes{CHOSEN}"},
            "bytes",
        ),
    ),
)

FLEETS = Row(
    "Fleets with a canary",
    8,
    4,
    (
        Panel(
            "Pods by state",
            "Pods of fleets by their state on the way to the newest version; all settled is rest.",
            {"{{state}}": "sum by (state) (supervisor_fleet_state{CHOSEN})"},
        ),
        Panel(
            "Held or condemned",
            "Pods that hold the newest version because it is condemned, or because the fleet"
            " cannot decide.",
            {
                f"{ONE} {{{{service}}}}": (
                    f"sum by ({WHO}, service)"
                    ' (supervisor_fleet_state{CHOSEN,state=~"held|condemned"}) > 0'
                )
            },
            limits=NONE_IS_GOOD,
        ),
        Panel(
            "Verdicts",
            "Verdicts of pods within an hour, by verdict and reason.",
            {
                "{{verdict}} {{reason}}": (
                    "sum by (verdict, reason)"
                    " (increase(supervisor_fleet_verdicts_total{CHOSEN}[1h])) > 0"
                )
            },
        ),
        Panel(
            "Duration of trials",
            "From the claim to the verdict of a canary.",
            {"99 %": quantile(0.99, "supervisor_fleet_trial_seconds")},
            "s",
        ),
    ),
)
