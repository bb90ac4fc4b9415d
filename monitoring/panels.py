"""The panels of the dashboard: queries, units, and the limits beyond which a value is bad.

It owns the names of metrics, and must not know Grafana beyond its units; `dashboard.py` makes the
dashboard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .optional_panels import FLEETS, SERVICES
from .panel import (
    ALL_IS_GOOD,
    BAD,
    GOOD,
    NO_LIMIT,
    NO_RATE_IS_GOOD,
    NONE_IS_GOOD,
    ONE,
    SILENCE,
    WHO,
    Panel,
    Row,
    each,
    number,
    quantile,
    rate,
)

FLEET = Row(
    "Fleet",
    4,
    6,
    (
        number(
            "Instances",
            "Supervisors that Prometheus scrapes.",
            "count(supervisor_build_info{CHOSEN})",
            NO_LIMIT,
        ),
        number(
            "Alerts",
            "Alerts of monitoring/alerts.yaml that fire; the runbooks are in monitoring/README.md.",
            'count(ALERTS{CHOSEN,alertname=~"Supervisor.*",alertstate="firing"}) or vector(0)',
        ),
        number(
            "Stale",
            "Instances whose application runs on another configuration than the source holds.",
            "sum(supervisor_config_stale{CHOSEN}) or vector(0)",
        ),
        number(
            "Configurations in use",
            "Different contents that applications run on. Choose one job: its replicas should share"
            " one content.",
            'count(count_values("hash", supervisor_config_hash{CHOSEN,state="running"} > 0))',
            (GOOD,),
        ),
        number(
            "Rollbacks",
            "Rollbacks to an earlier version, in the time shown.",
            "sum(increase(supervisor_config_rollbacks_total{CHOSEN}[$__range])) or vector(0)",
        ),
        number(
            "Applications down",
            "Instances whose application was started and does not run now.",
            "count(supervisor_app_up{CHOSEN} == 0 and supervisor_app_starts_total{CHOSEN} > 0) or"
            " vector(0)",
        ),
    ),
)

CHANGES = Row(
    "Configuration and reloads",
    8,
    3,
    (
        Panel(
            "Stale instances, by job",
            "A hump is a roll-out of a change; a plateau is a change that was rejected or rolled"
            " back, or waits for a reload window or the end of a pause.",
            {
                "{{namespace}} {{job}}": "sum by (namespace, job)"
                " (supervisor_config_stale{CHOSEN})",
                "{{namespace}} {{job}} waits: {{reason}}": "sum by (namespace, job, reason)"
                " (supervisor_config_held{CHOSEN}) > 0",
            },
            limits=NONE_IS_GOOD,
        ),
        Panel(
            "Reloads",
            "Reloads that began per second, by method; retries of failed reloads by themselves.",
            {
                "{{method}}": rate("supervisor_reloads_total", "method"),
                "retries": "sum(rate(supervisor_reload_retries_total{CHOSEN}[$__rate_interval]))",
            },
            "cps",
        ),
        Panel(
            "Failed reloads, by reason",
            "no_handler: the application has no handler for the signal; verify: --verify failed;"
            " child_exited: the application ended.",
            {
                "{{method}} {{reason}}": (
                    rate("supervisor_reload_failures_total", "method, reason") + " > 0"
                )
            },
            "cps",
            NO_RATE_IS_GOOD,
        ),
        Panel(
            "Propagation",
            "Time from a change at the source to its delivery to the application, over the last"
            " hour. A mounted volume adds up to 90 s of the kubelet.",
            {
                "p50": quantile(0.5, "supervisor_config_propagation_seconds"),
                "p99": quantile(0.99, "supervisor_config_propagation_seconds"),
            },
            "s",
            (GOOD, {**BAD, "value": 120}),
        ),
        Panel(
            "Duration of a reload",
            "Time from the start of a reload to its delivery to the application, and from there to"
            " the verdict, --verify-window included; over the last hour.",
            {
                "delivered p50": quantile(0.5, "supervisor_reload_duration_seconds"),
                "delivered p99": quantile(0.99, "supervisor_reload_duration_seconds"),
                "verified p50": quantile(0.5, "supervisor_reload_verification_seconds"),
                "verified p99": quantile(0.99, "supervisor_reload_verification_seconds"),
            },
            "s",
            (GOOD, {**BAD, "value": 30}),
        ),
        Panel(
            "Verdicts and versions",
            "Versions that --validate accepted and rejected; versions put in place, put back, and"
            " overtaken by a newer version.",
            {
                "{{result}}": rate("supervisor_config_validations_total", "result"),
                "put in place": (
                    "sum(rate(supervisor_config_updates_total{CHOSEN}[$__rate_interval]))"
                ),
                "put back": (
                    "sum(rate(supervisor_config_rollbacks_total{CHOSEN}[$__rate_interval]))"
                ),
                "overtaken": (
                    "sum(rate(supervisor_reloads_coalesced_total{CHOSEN}[$__rate_interval]))"
                ),
            },
            "cps",
        ),
        Panel(
            "Versions that could not be put in place, by reason",
            "validate: rejected by --validate; bad_key, too_large: cannot be written as files;"
            " write: disk or permissions.",
            {"{{reason}}": rate("supervisor_config_apply_failures_total", "reason") + " > 0"},
            "cps",
            NO_RATE_IS_GOOD,
        ),
        Panel(
            "Size of the configuration",
            "Bytes in place, the largest instance of each job.",
            {"{{namespace}} {{job}}": "max by (namespace, job) (supervisor_config_bytes{CHOSEN})"},
            "bytes",
            (GOOD, {"color": "orange", "value": 1 << 20}),
        ),
        Panel(
            "Time since the last reload",
            "Time since the application last took up a version, the oldest instance of each job.",
            {
                "{{namespace}} {{job}}": (
                    "max by (namespace, job) (time() -"
                    " (supervisor_config_last_reload_success_timestamp_seconds{CHOSEN} > 0))"
                )
            },
            "s",
        ),
    ),
)

SOURCES = Row(
    "Sources",
    8,
    4,
    (
        Panel(
            "Sources that exist",
            "1 while the ConfigMap, Secret or directory exists for all its readers.",
            {"{{kind}} {{name}}": "min by (kind, name) (supervisor_source_present{CHOSEN})"},
            "bool_yes_no",
            ALL_IS_GOOD,
        ),
        Panel(
            "Time since the source answered",
            "The longest silence of each source. A watch answers every 6 minutes or more often, a"
            " directory every minute; after 20 minutes an alert fires.",
            {
                "{{kind}} {{name}}": (
                    "max by (kind, name)"
                    " (time() - (supervisor_source_last_contact_timestamp_seconds{CHOSEN} > 0))"
                )
            },
            "s",
            SILENCE,
        ),
        Panel(
            "Watches that are down",
            "Instances without a watch on some source; a short peak is a reconnect.",
            {
                "{{namespace}} {{job}}": (
                    "sum by (namespace, job) (1 - supervisor_watch_connected{CHOSEN})"
                )
            },
            limits=NONE_IS_GOOD,
        ),
        Panel(
            "Watch events and ends",
            "Watch events by type; ends of watches by reason. server_timeout is an ordinary end.",
            {
                "event {{type}}": rate("supervisor_watch_events_total", "type") + " > 0",
                "end {{reason}}": rate("supervisor_watch_restarts_total", "reason") + " > 0",
            },
            "cps",
        ),
    ),
)

APP = Row(
    "Applications",
    8,
    4,
    (
        Panel(
            "Starts within 15 minutes",
            "Starts of the application between two scrapes, in the same container or a new one,"
            " reloads by restart included.",
            {
                ONE: (
                    f"sum by ({WHO}) (changes((supervisor_app_start_time_seconds{{CHOSEN}} >"
                    " 0)[15m:30s])) > 0"
                )
            },
            limits=(GOOD, {**BAD, "value": 3}),
        ),
        Panel(
            "Ends, by kind",
            "Ends of the application before a new start in the same container, per second.",
            {"{{kind}}": rate("supervisor_app_exits_total", "kind")},
            "cps",
        ),
        Panel(
            "Last exit code",
            "Exit codes other than 0. 128+n: ended by signal n; 137 is KILL or out of memory.",
            {ONE: each("supervisor_app_last_exit_code") + " > 0"},
            limits=NONE_IS_GOOD,
        ),
        Panel(
            "Signals and orphans",
            "Signals forwarded to applications, and orphaned processes reaped, per second.",
            {
                "{{signal}}": rate("supervisor_signals_forwarded_total", "signal") + " > 0",
                "orphans reaped": (
                    "sum(rate(supervisor_orphans_reaped_total{CHOSEN}[$__rate_interval]))"
                ),
            },
            "cps",
        ),
        Panel(
            "Memory of the application",
            "Resident memory of the application's processes; shared pages count in each of them.",
            {ONE: each("supervisor_app_resident_memory_bytes")},
            "bytes",
        ),
        Panel(
            "CPU of the application",
            "Cores that the application's process tree uses. The line dips when a process ends.",
            {ONE: rate("supervisor_app_cpu_seconds_total", WHO)},
        ),
        Panel(
            "Processes, threads, open files",
            "Processes, threads and open files of all chosen applications.",
            {
                "processes": "sum(supervisor_app_processes{CHOSEN})",
                "threads": "sum(supervisor_app_threads{CHOSEN})",
                "open files": "sum(supervisor_app_open_fds{CHOSEN})",
            },
        ),
        Panel(
            "Memory of the supervisor",
            "Resident memory of the supervisor itself.",
            {
                ONE: (
                    f"sum by ({WHO}) (process_resident_memory_bytes{{CHOSEN}} and on (job,"
                    " instance) supervisor_build_info)"
                )
            },
            "bytes",
            (GOOD, {"color": "orange", "value": 100 << 20}),
        ),
    ),
)

# Column to query, unit, and the limits that colour it.
COLUMNS: Mapping[str, tuple[str, str, Sequence[Mapping[str, object]]]] = {
    "App": (each("supervisor_app_up"), "bool_on_off", NO_LIMIT),  # a sidecar has none
    "Stale": (each("supervisor_config_stale"), "bool_yes_no", NONE_IS_GOOD),
    "Running": (each("supervisor_config_hash", ',state="running"'), "hex", NO_LIMIT),
    "Desired": (each("supervisor_config_hash", ',state="desired"'), "hex", NO_LIMIT),
    "Files": (each("supervisor_config_files"), "none", NO_LIMIT),
    "Size": (each("supervisor_config_bytes"), "bytes", NO_LIMIT),
    "Failed reloads": (
        f"sum by ({WHO}) (increase(supervisor_reload_failures_total{{CHOSEN}}[$__range]))",
        "none",
        NONE_IS_GOOD,
    ),
    "Exit code": (each("supervisor_app_last_exit_code"), "none", NONE_IS_GOOD),
    "App started": (
        "1000 * " + each("supervisor_app_start_time_seconds") + " > 0",
        "dateTimeFromNow",
        NO_LIMIT,
    ),
    "Version": (f"sum by ({WHO}, version) (supervisor_build_info{{CHOSEN}})", "none", NO_LIMIT),
}


ROWS = (FLEET, CHANGES, FLEETS, SOURCES, APP, SERVICES)
