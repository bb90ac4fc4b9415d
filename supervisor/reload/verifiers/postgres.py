"""Verify a reload of PostgreSQL by a query of its settings."""

from __future__ import annotations

from ..checks import Check, CommandCheck

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...process.pid_lookup import PidLookup
    from ..trust import Trust

# On a bad value, or on a setting that needs a restart, PostgreSQL applies the other settings, and
# pg_conf_load_time() moves all the same; on a syntax error or an unknown name it applies nothing; a
# bad pg_hba.conf is kept apart from both. So the query reads the views of the files as they are
# now, and then whether the files were loaded since they were written. The cast of a complaint to
# int makes psql print it and end with code 1; `$$` is avoided, for Kubernetes would make `$` of it.
# The role needs the rights of a superuser, for the views and pg_stat_file.
_SQL = """
select coalesce(
  (select string_agg(
      coalesce(sourcefile, '?') || ':' || coalesce(sourceline, 0) || ': ' || error, '; ')
     from pg_file_settings where error is not null),
  (select string_agg('pg_hba.conf:' || line_number || ': ' || error, '; ')
     from pg_hba_file_rules where error is not null),
  (select 'not loaded since it was written: ' || name || ' ' || setting from pg_settings
    where name in ('config_file', 'hba_file')
      and pg_conf_load_time() < (pg_stat_file(setting)).modification limit 1),
  '0')::int
"""
COMMAND = ("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", " ".join(_SQL.split()))


def parse(rest: str, trust: Trust, target: PidLookup | None) -> Check:
    """Read `postgres`: psql as the app's user with the app's PG variables."""
    del rest, trust, target
    return CommandCheck(COMMAND)
