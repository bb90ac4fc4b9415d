"""Signal numbers, by name: the only table of them.

Plain integers, so that the core needs no `signal`. signal(7): they are the same on every Linux
architecture with wheels of Python.
"""

HUP = 1
INT = 2
QUIT = 3
KILL = 9
USR1 = 10
USR2 = 12
TERM = 15
CHLD = 17
CONT = 18
STOP = 19
TSTP = 20
TTIN = 21
TTOU = 22
WINCH = 28
# Those that the C library leaves to programs (nptl(7)); between them, a name is RTMIN+n.
FIRST_REAL_TIME = 34
LAST_REAL_TIME = 64

# A terminal stops its jobs with these (termios(3)); a program may catch them, STOP it may not.
JOB_CONTROL = frozenset({TSTP, TTIN, TTOU})
UNCATCHABLE = frozenset({KILL, STOP})
