"""The one reader of /proc (proc(5)): typed records of processes and threads, and three errors.

Owns the form of these files and the difference between gone, hidden and unreadable. It knows
neither signals to send nor reasons to read: it reads once, remembers nothing, and decides nothing.
Names and arguments of processes stay bytes. A few files about ourselves that a start reads before
the app runs, or a health check, are read where they are needed, without this module: environ, fd,
mountinfo, ns.
"""

from __future__ import annotations

import os
import time

from ..core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

DEAD = "XZ"  # state letters of a process that has ended; a zombie waits for its parent
_LISTEN = b"0A"  # TCP_LISTEN (include/net/tcp_states.h)
_SIGNALFD = b"sigmask"
_RECORD = 1 << 12  # bytes, more than any record of numbers
_PIECE = 1 << 16


class ProcfsError(OSError):
    """A failed read of /proc, with the number, words and file name of its cause."""


class Gone(ProcfsError):
    """No such process or thread exists any more."""


class Hidden(ProcfsError):
    """The process lives, and the kernel does not show this to us: hidepid, or ptrace(2) rules."""


class Unreadable(ProcfsError):
    """The read failed for a reason of our own, such as no free descriptor, or had another form."""


class Stat(Record):
    """/proc/PID/stat, as far as this program needs it."""

    state: str
    parent: int
    group: int
    session: int  # 0: led from outside of our PID namespace
    cpu: int  # clock ticks in user and system mode
    threads: int
    started: int  # clock ticks since boot; pid and start together are unique


class Status(Record):
    """/proc/PID/status, as far as this program needs it; masks are None where none are shown."""

    state: str
    uids: tuple[int, ...]  # real, effective, saved, file system
    gids: tuple[int, ...]
    blocked: int | None
    ignored: int | None
    caught: int | None
    pending: int | None  # for the whole process


class Mount(Record):
    """A line of /proc/PID/mountinfo."""

    number: int  # each mount of the machine has its own
    point: bytes


Processes = dict[int, Stat]


def has(mask: int | None, signum: int) -> bool:
    """Whether a mask of signals contains a signal."""
    return bool((mask or 0) >> (signum - 1) & 1)


def exists(pid: int) -> bool:
    """Whether a process exists, by kill(2): /proc may hide it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def stat(pid: int) -> Stat:
    """Raises Gone, Hidden, Unreadable."""
    # "pid (comm) state ppid ...": comm may hold spaces and parentheses, so the last one counts.
    fields = _read_record(pid, "stat").rpartition(b")")[2].split()
    try:
        parent, group, session = map(int, fields[1:4])
        cpu = int(fields[11]) + int(fields[12])
        return Stat(
            fields[0].decode(), parent, group, session, cpu, int(fields[17]), int(fields[19])
        )
    except (ValueError, IndexError) as error:
        raise _malformed(pid, "stat") from error


def has_ended(pid: int) -> bool:
    """Whether a process is a zombie or gone; a hidden process has not ended."""
    try:
        return stat(pid).state in DEAD
    except Gone:
        return True
    except OSError:
        return not exists(pid)


def age(pid: int) -> float:
    """Seconds since a process began; 0 where /proc does not show it."""
    try:
        started = stat(pid).started
    except OSError:
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - seconds(started)


def seconds(ticks: int) -> float:
    """Clock ticks of /proc in seconds."""
    return ticks / os.sysconf("SC_CLK_TCK")


def status(pid: int, thread: int = 0) -> Status:
    """The status of a process, or of one of its threads. Raises Gone, Hidden, Unreadable."""
    name = f"task/{thread}/status" if thread else "status"
    lines = _lines(_read(pid, name))
    try:
        return Status(
            lines[b"State"][:1].decode(),
            tuple(map(int, lines.get(b"Uid", b"").split())),
            tuple(map(int, lines.get(b"Gid", b"").split())),
            _mask(lines, b"SigBlk"),
            _mask(lines, b"SigIgn"),
            _mask(lines, b"SigCgt"),
            _mask(lines, b"ShdPnd"),
        )
    except (ValueError, KeyError) as error:
        raise _malformed(pid, name) from error


def catches(pid: int, signum: int) -> bool:
    """Whether a process has a handler for a signal. Raises Gone, Hidden, Unreadable."""
    # Not by `status`, which splits sixty lines: this comes before each reload signal. The kernel
    # escapes a line feed in the name of a process (proc(5)).
    mask = _read(pid, "status").partition(b"\nSigCgt:")[2].partition(b"\n")[0]
    try:
        return has(int(mask, 16) if mask else None, signum)
    except ValueError as error:
        raise _malformed(pid, "status") from error


def user_of(pid: int) -> int | None:
    """The effective uid of a process; None where /proc does not show it."""
    try:
        return status(pid).uids[1]
    except (OSError, IndexError):
        return None


def threads(pid: int) -> list[int]:
    """Thread ids, the lowest first. Raises Gone, Hidden, Unreadable."""
    return sorted(map(int, _list(pid, "task")))


def syscall(pid: int, thread: int) -> tuple[int, ...] | None:
    """Number and arguments of the system call in which a thread waits; None while it runs.

    Raises Gone, Unreadable; and Hidden without the right to trace the process.
    """
    name = f"task/{thread}/syscall"
    words = _read(pid, name).split()
    if not words or not words[0].isdigit():
        return None  # "running", or "-1 SP PC": blocked outside of a system call
    try:
        return (int(words[0]), *(int(word, 16) for word in words[1:7]))
    except ValueError as error:
        raise _malformed(pid, name) from error


def memory(pid: int, thread: int, address: int, size: int) -> bytes:
    """Bytes of the memory of a thread. Raises Gone, Hidden, Unreadable."""
    name = f"task/{thread}/mem"
    try:
        with open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:
            file.seek(address)
            return file.read(size)
    except OSError as error:
        raise _told(pid, name, error) from error


def signalfd_masks(pid: int) -> Iterator[int]:
    """The signals of each signalfd(2) of a process, as masks. Raises Gone, Hidden, Unreadable."""
    for number in _list(pid, "fdinfo"):
        try:
            lines = _lines(_read(pid, f"fdinfo/{number}"))
        except ProcfsError:
            continue  # closed meanwhile
        if (mask := _mask(lines, _SIGNALFD)) is not None:
            yield mask


def arguments(pid: int) -> list[bytes]:
    """The command line; empty for a zombie. Raises Gone, Hidden, Unreadable."""
    # A title that a process wrote over its arguments need not end with a NUL.
    text = _read(pid, "cmdline")
    return text.removesuffix(b"\0").split(b"\0") if text else []


def environment(pid: int) -> list[bytes]:
    """The environment at its start, NAME=VALUE each. Raises Gone, Hidden, Unreadable."""
    return _read(pid, "environ").split(b"\0")[:-1]


def cgroups(pid: int) -> dict[str, str]:
    """The path in each hierarchy (cgroups(7)), relative to our cgroup namespace.

    Raises Gone, Hidden, Unreadable.
    """
    lines = os.fsdecode(_read(pid, "cgroup")).splitlines()
    fields = (line.split(":", 2) for line in lines)
    return {field[1]: field[2] for field in fields if len(field) == 3}


def mounts(pid: int) -> list[Mount]:
    """The mounts that a process sees, the later ones above. Raises Gone, Hidden, Unreadable."""
    try:
        fields = [line.split(b" ", 5) for line in _read(pid, "mountinfo").splitlines()]
        return [Mount(int(field[0]), field[4]) for field in fields]
    except (ValueError, IndexError) as error:
        raise _malformed(pid, "mountinfo") from error


def resident_bytes(pid: int) -> int:
    """Memory in use. Raises Gone, Hidden, Unreadable."""
    try:
        return int(_read_record(pid, "statm").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, IndexError) as error:
        raise _malformed(pid, "statm") from error


def open_files(pid: int) -> list[int]:
    """Descriptors. Raises Gone, Unreadable; and Hidden for a process of another user."""
    return list(map(int, _list(pid, "fd")))


def count_of_open_files(pid: int) -> int:
    """The number of descriptors. Raises Gone, Hidden, Unreadable."""
    try:
        # The size of the directory since Linux 6.2; before, it was 0.
        count = os.stat(f"/proc/{pid}/fd").st_size
    except OSError as error:
        raise _told(pid, "fd", error) from error
    return count or len(_list(pid, "fd"))


def listening_ports(pid: int) -> set[int]:
    """TCP ports on which a process of our network listens. Raises Gone, Hidden, Unreadable."""
    sockets = set()
    for number in open_files(pid):
        try:
            sockets.add(os.readlink(f"/proc/{pid}/fd/{number}"))
        except FileNotFoundError:
            continue  # closed meanwhile
        except OSError as error:
            raise _told(pid, f"fd/{number}", error) from error
    found = set()
    for table in ("net/tcp", "net/tcp6"):
        # Local address, remote address, state, ..., inode; the first line holds the titles.
        for words in map(bytes.split, _read(os.getpid(), table).splitlines()[1:]):
            if words[3] == _LISTEN and f"socket:[{words[9].decode()}]" in sockets:
                found.add(int(words[1].rpartition(b":")[2], 16))
    return found


def children(pid: int) -> set[int]:
    """The children of the main thread of a process, orphans and zombies included.

    Raises Hidden, Unreadable, and Gone also where the kernel has no such file
    (CONFIG_PROC_CHILDREN).
    """
    return set(map(int, _read(pid, f"task/{pid}/children").split()))


def processes() -> Processes:
    """All living processes, as far as they are shown, by pid. Raises Unreadable."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdecimal():
            continue
        try:
            row = stat(int(entry))
        except (Gone, Hidden):
            continue
        if row.state not in DEAD:
            found[int(entry)] = row
    return found


def below(table: Mapping[int, Stat], roots: Iterable[int]) -> list[int]:
    """The children of `roots`, their children, and so on."""
    by_parent: dict[int, list[int]] = {}
    for pid, row in table.items():
        by_parent.setdefault(row.parent, []).append(pid)
    found: list[int] = []
    wave = list(roots)
    while wave:
        wave = [child for pid in wave for child in by_parent.get(pid, ())]
        found += wave
    return found


def descendants(root: int) -> list[int]:
    """The living children of `root`, their children, and so on, at this moment."""
    return below(processes(), [root])


# --- files, and why they cannot be read -----------------------------------------------------------


def _read(pid: int, name: str) -> bytes:
    try:
        # By descriptor: `open` makes five more system calls, before each reload signal.
        file = os.open(f"/proc/{pid}/{name}", os.O_RDONLY)
        try:
            pieces = []
            while piece := os.read(file, _PIECE):
                pieces.append(piece)
            return b"".join(pieces)
        finally:
            os.close(file)
    except OSError as error:
        raise _told(pid, name, error) from error


def _read_record(pid: int, name: str) -> bytes:
    """A file of one short record, which the kernel hands out at once."""
    try:
        file = os.open(f"/proc/{pid}/{name}", os.O_RDONLY)
        try:
            return os.read(file, _RECORD)
        finally:
            os.close(file)
    except OSError as error:
        raise _told(pid, name, error) from error


def _list(pid: int, name: str) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/{name}")
    except OSError as error:
        raise _told(pid, name, error) from error


def _lines(text: bytes) -> dict[bytes, bytes]:
    """`Name: value` by name."""
    fields = (line.partition(b":") for line in text.splitlines())
    return {name: value.strip() for name, _, value in fields}


def _mask(lines: Mapping[bytes, bytes], name: bytes) -> int | None:
    return int(lines[name], 16) if name in lines else None


def _told(pid: int, name: str, error: OSError) -> ProcfsError:
    """The error of a read, told apart."""
    kind: type[ProcfsError] = Unreadable
    if isinstance(error, PermissionError):
        kind = Hidden
    elif isinstance(error, ProcessLookupError):
        kind = Gone
    elif isinstance(error, FileNotFoundError):
        # hidepid=invisible hides the whole folder; a thread or a descriptor alone has ended.
        kind = Hidden if exists(pid) and not os.path.exists(f"/proc/{pid}") else Gone
    return kind(error.errno, error.strerror, f"/proc/{pid}/{name}")


def _malformed(pid: int, name: str) -> Unreadable:
    import errno

    return Unreadable(errno.EINVAL, "it has not the form of proc(5)", f"/proc/{pid}/{name}")
