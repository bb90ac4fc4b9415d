/* The app under every supervisor. It only reports its moments to the harness.
 *
 * app                      reports its first instruction, every handled signal, and every HTTP request
 * app --then COMMAND...    reports the moment, then becomes COMMAND: the exec at the beginning of a start
 *
 * BENCH_REPORT  the FIFO of the reports: records of CLOCK_MONOTONIC in ns, moment (enum), and a value
 * BENCH_PORT    a loopback port for requests; each is answered 200 and reported
 * BENCH_ORPHANS the number of orphans that SIGUSR2 makes, one after another
 * BENCH_LINGER  milliseconds from TERM to the end
 * BENCH_WORKERS the number of child processes that only wait, as those of a web server
 *
 * TERM ends it with code 42, at once without BENCH_LINGER. It must not know supervisors or measures.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum what { EXEC = 1, START, READY, SIGNAL, REQUEST, FIRST_ORPHAN, LAST_ORPHAN, NONE_LEFT, PEAK };

struct record {
    int64_t ns;
    int32_t what, value;
};

static int report = -1;
static int orphans;
static struct timespec linger;

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void tell(int64_t ns, enum what what, int value)
{
    struct record r = {ns, what, value};
    /* Shorter than PIPE_BUF: written whole or not at all. */
    if (write(report, &r, sizeof r) != sizeof r)
        _exit(70);
}

/* Everything in this pid namespace: /proc is its own (unshare --mount-proc). */
static int processes(void)
{
    int count = 0;
    DIR *dir = opendir("/proc");
    struct dirent *entry;
    if (dir == NULL)
        _exit(71);
    while ((entry = readdir(dir)) != NULL)
        count += entry->d_name[0] >= '0' && entry->d_name[0] <= '9';
    closedir(dir);
    return count;
}

/* A child forks each orphan, and ends before the orphan or at the same time. */
static void make_orphans(void)
{
    const int64_t patience = 5000000000; /* ns to wait until the last orphan is reaped */
    int before = processes(), peak = 0, left;
    int64_t last;
    tell(now(), FIRST_ORPHAN, orphans);
    for (int i = 0; i < orphans; i++) {
        pid_t child = fork();
        if (child == 0)
            _exit(fork() < 0);
        int status;
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
            _exit(72);
        if (i % 256 == 255 && (left = processes() - before) > peak)
            peak = left;
    }
    last = now();
    tell(last, LAST_ORPHAN, orphans);
    while ((left = processes() - before) > 0 && now() - last < patience) {
        if (left > peak)
            peak = left;
    }
    tell(now(), NONE_LEFT, left);
    tell(now(), PEAK, peak);
}

static void handle(int number)
{
    int64_t ns = now();
    int saved = errno;
    tell(ns, SIGNAL, number);
    if (number == SIGTERM) {
        nanosleep(&linger, NULL);
        _exit(42);
    }
    if (number == SIGUSR2)
        make_orphans();
    errno = saved;
}

/* A worker ends by any signal. */
static void make_workers(int count)
{
    while (count-- > 0) {
        pid_t child = fork();
        if (child < 0)
            _exit(74);
        if (child == 0) {
            for (int number = 1; number < NSIG; number++)
                signal(number, SIG_DFL);
            for (;;)
                pause();
        }
    }
}

static void serve(int port)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port)};
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    char request[4096];
    int yes = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 16))
        _exit(73);
    for (;;) {
        int client = accept(listener, NULL, NULL);
        if (client < 0)
            continue;
        if (read(client, request, sizeof request) > 0) {
            tell(now(), REQUEST, 0);
            if (write(client, answer, sizeof answer - 1) < 0)
                perror("cannot answer");
        }
        close(client);
    }
}

int main(int argc, char **argv)
{
    int64_t ns = now();
    const char *path = getenv("BENCH_REPORT"), *port = getenv("BENCH_PORT"), *count = getenv("BENCH_ORPHANS");
    const char *workers = getenv("BENCH_WORKERS"), *lingers = getenv("BENCH_LINGER");
    const int handled[] = {SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGTERM, SIGRTMIN};
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    sigset_t all, none;

    report = open(path ? path : "", O_WRONLY | O_CLOEXEC);
    if (report < 0) {
        perror("cannot open BENCH_REPORT");
        return 69;
    }
    if (argc > 2 && strcmp(argv[1], "--then") == 0) {
        tell(now(), EXEC, 0);
        execvp(argv[2], argv + 2);
        perror(argv[2]);
        return 127;
    }
    tell(ns, START, getpid());
    orphans = count ? atoi(count) : 0;
    if (lingers) {
        linger.tv_sec = atoi(lingers) / 1000;
        linger.tv_nsec = atoi(lingers) % 1000 * 1000000L;
    }
    sigfillset(&all);
    action.sa_mask = all;
    for (unsigned i = 0; i < sizeof handled / sizeof *handled; i++)
        sigaction(handled[i], &action, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (workers)
        make_workers(atoi(workers));
    tell(now(), READY, 0);
    if (port)
        serve(atoi(port));
    for (;;)
        pause();
}
