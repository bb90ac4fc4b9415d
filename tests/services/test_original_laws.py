"""Files made at random, read by the original's parser and by ours: both read the same.

Where one refuses and the other does not, a verdict or the refusal says that this is on purpose.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.services.oracle import Original, ours
from tests.services.test_original_files import ENVIRON

# Refusals of ours for files that the original reads and then cannot run, or runs by accident.
OURS_ONLY = (
    "a conversion without a (name)",
    "bits beyond 07777",
    "is beyond 2147483647",
    "is not a signal",
    "it is empty",
)
BOOLEANS = st.sampled_from(["true", "no", "ON", "0", "maybe", ""])
NUMBERS = st.sampled_from(["0", "1", " 3", "+5", "-1", "1_0", "007", "1.5", "many", "4294967295"])
SIZES = st.sampled_from(["0", "1KB", "5 mb", "2GB", "1.5MB", "KB", "12b", "-1"])
PATHS = st.sampled_from(
    [
        "/dev/stdout",
        "/dev/fd/2",
        "NONE",
        "off",
        "auto",
        "AUTO",
        "syslog",
        "x.log",
        "/no/such/x",
        "/tmp/%(program_name)s.log",
        "/tmp/%%d",
        "/dev/null",
        "~/x",
        "/tmp/%(process_num)s",
        "",
    ]
)
TEXTS = st.sampled_from(
    [
        "/bin/x",
        "x %(ENV_QUEUE)s",
        "x %(ENV_NOPE)s",
        "x %(ENV_NOPE:-d)s",
        "x 100%",
        "x %%d",
        "x %(here)s %(program_name)s",
        "%(group_name)s-%(process_num)02d",
        "%s",
        "x ; y",
        'x "a # b',
        "x#y",
        "a\n  b\n\n  c",
        "%(host_node_name)s",
        "x %(numprocs)d",
        "%(ENV_A)s",
        "%(process_num)",
    ]
)
SIGNALS = st.sampled_from(
    ["TERM", "sigint", "9", "RTMIN", "RTMIN+1", "NOPE", "0", "35", "64", " 2"]
)
WORD = st.text(st.sampled_from("aZ0_/.+-(): =,\"'$#%\\é"), max_size=6)
PAIRS = st.lists(st.tuples(st.sampled_from("ABC"), WORD), max_size=3).map(
    lambda pairs: ",".join(f"{key}={value}" for key, value in pairs)
)
QUOTED = st.lists(st.tuples(st.sampled_from("ABC"), WORD), max_size=3).map(
    lambda pairs: ",".join(f'{key}="{value}"' for key, value in pairs)
)
PROGRAM_KEYS = {
    **dict.fromkeys(("command", "process_name", "directory"), TEXTS),
    **dict.fromkeys(("autostart", "stopasgroup", "killasgroup", "redirect_stderr"), BOOLEANS),
    **dict.fromkeys(("startsecs", "startretries", "stopwaitsecs", "priority"), NUMBERS),
    "numprocs": st.sampled_from(["1", "2", "0", "-1", "x"]),
    "numprocs_start": st.sampled_from(["0", "5", "-2"]),
    "autorestart": st.sampled_from(["true", "FALSE", "unexpected", "Unexpected", "never"]),
    "exitcodes": st.sampled_from(["0", "0,2", "1, 3", "256", "", "0,,1", "x"]),
    "stopsignal": SIGNALS,
    "umask": st.sampled_from(["022", "0o27", "9", "77777"]),
    "user": st.sampled_from(["root", "0", "nobody", "nosuchuser", "99999", "%(ENV_QUEUE)s"]),
    "environment": PAIRS | QUOTED,
    "serverurl": st.sampled_from(["AUTO", "auto ", "http://x:1", ""]),
    **dict.fromkeys(("stdout_logfile", "stderr_logfile"), PATHS),
    **dict.fromkeys(("stdout_logfile_maxbytes", "stderr_capture_maxbytes"), SIZES),
    **dict.fromkeys(("stderr_logfile_backups",), NUMBERS),
    **dict.fromkeys(("stdout_syslog", "stderr_events_enabled"), BOOLEANS),
    "unheard_of": TEXTS,
}
MAIN_KEYS = {
    **dict.fromkeys(("nodaemon", "silent", "strip_ansi", "nocleanup"), BOOLEANS),
    **dict.fromkeys(("logfile_backups", "minfds", "minprocs"), NUMBERS),
    "logfile": PATHS.filter(lambda path: path not in ("syslog", "")),
    "pidfile": PATHS.filter(bool),
    "logfile_maxbytes": SIZES,
    "loglevel": st.sampled_from(["info", "WARN", "blather", "warning"]),
    "umask": st.sampled_from(["022", "9"]),
    "directory": st.sampled_from(["/tmp", "/no/such"]),
    "user": st.sampled_from(["root", "nosuchuser"]),
    "identifier": TEXTS,
    "environment": QUOTED,
}
GROUP_KEYS = {
    "programs": st.sampled_from(["a", "a,b", "b , c", "", "nope", "a,"]),
    "priority": NUMBERS,
}
LISTENER_KEYS = {
    "events": st.sampled_from(["TICK_5", "process_state,TICK", "NOPE", "EVENT", ""]),
    "buffer_size": NUMBERS,
}
SERVER_KEYS = {
    "file": st.sampled_from(["/tmp/s.sock", "s.sock", " ~/x"]),
    "port": st.sampled_from(["9001", "*:9001", "Host:1", "x", "h:", "0", "70000"]),
    "chmod": st.sampled_from(["0700", "8", "0770"]),
    "chown": st.sampled_from(["root", "root:www-data", "nosuchuser", "nobody:nosuchgroup"]),
    "username": TEXTS,
    "password": TEXTS,
}


def section(
    header: str, keys: dict[str, st.SearchStrategy[str]], *needed: str
) -> st.SearchStrategy[str]:
    """A section with some of the keys, the needed ones nearly always among them."""
    entry = st.sampled_from(sorted(keys)).flatmap(
        lambda key: st.tuples(st.just(key), st.sampled_from([" = ", "=", ": "]), keys[key])
    )
    always = [st.tuples(st.just(key), st.just("="), keys[key]) for key in needed]
    entries = st.tuples(st.tuples(*always), st.lists(entry, max_size=6))
    comment = st.sampled_from(["", "; words\n", "# words\n", "\n", " ; words\n"])
    return st.tuples(entries, comment).map(
        lambda made: (
            f"[{header}]\n{made[1]}"
            + "".join(f"{key}{sign}{text}\n" for key, sign, text in (*made[0][0], *made[0][1]))
        )
    )


DOCUMENTS = st.tuples(
    section("supervisord", MAIN_KEYS),
    st.lists(
        st.one_of(
            *(section(f"program:{name}", PROGRAM_KEYS, "command") for name in "abc"),
            section("group:g", GROUP_KEYS, "programs"),
            section("eventlistener:l", PROGRAM_KEYS | LISTENER_KEYS, "command", "events"),
            section("unix_http_server", SERVER_KEYS, "file"),
            section("inet_http_server", SERVER_KEYS, "port"),
            section("DEFAULT", PROGRAM_KEYS),
            section("odd", PROGRAM_KEYS),
        ),
        max_size=5,
    ),
).map(lambda parts: "".join((parts[0], *parts[1])))
# One program with few keys: most of these files are accepted.
SMALL = section("program:a", PROGRAM_KEYS, "command").map(lambda text: f"[supervisord]\n{text}")


def assert_same(original: Original, file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    theirs = original.read(file, ENVIRON)
    mine, verdicts = ours(file, ENVIRON)
    if "refused" in theirs and "refused" not in mine:
        assert any("supervisord" in one.message and "refuses" in one.message for one in verdicts), (
            theirs
        )
    elif "refused" in mine and "refused" not in theirs:
        assert any(words in mine["refused"] for words in OURS_ONLY), mine
    elif "refused" not in mine:
        assert theirs == mine


@pytest.mark.timeout(180)  # some thousand files, each read twice
@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(text=SMALL | DOCUMENTS)
def test_random_file_reads_as_in_the_original(
    original: Original, tmp_path: Path, text: str
) -> None:
    assert_same(original, tmp_path / "supervisord.conf", text)


PATTERNS = ["*.ini", "b.ini sub/*.ini", "%(here)s/b.ini", "[ab].ini", "sub/c.ini b.ini", "**/*.ini"]


@pytest.mark.timeout(180)  # some thousand files, each read twice
@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(texts=st.tuples(SMALL, SMALL | DOCUMENTS, DOCUMENTS), files=st.sampled_from(PATTERNS))
def test_random_includes_read_as_in_the_original(
    original: Original, tmp_path: Path, texts: tuple[str, str, str], files: str
) -> None:
    main, beside, below = texts
    (tmp_path / "sub").mkdir(exist_ok=True)
    (tmp_path / "b.ini").write_text(beside, encoding="utf-8")
    (tmp_path / "sub" / "c.ini").write_text(below, encoding="utf-8")

    text = f"{main}\n[include]\nfiles = {files}\n"
    assert_same(original, tmp_path / "supervisord.conf", text)
