"""Verify a reload of PostgreSQL by a query of its settings."""

from __future__ import annotations

from ..checks import Check, CommandCheck

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...process.pid_lookup import PidLookup
    from ..trust import Trust

# `postgres`: an exit code and a sentence from what PostgreSQL knows of its files.
#
# On a bad value, or on a setting that needs a restart, it applies the others, and
# pg_conf_load_time() moves all the same; on a syntax error or an unknown name nothing is applied; a
# bad pg_hba.conf is kept apart from both. So the views that read the files now are asked, and then
# whether they were loaded since they were written. The cast of a complaint to int is what makes
# psql end with code 1 and print it; `$$` is avoided, for Kubernetes would make one `$` of it. The
# role needs what superusers have: the views and pg_stat_file are theirs.
_SQL = """
select coalesce(
  (select string_agg(coalesce(sourcefile, '?') || ':' || coalesce(sourceline, 0) || ': ' || error, '; ')
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
