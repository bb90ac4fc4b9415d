/* The app in images that have no shell and no other libc than their own: shows its environment, leaves three orphans,
   shows its configuration at start and with every HUP, and ends with 42 when it gets TERM; without a path, at once. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void catch(int number) {
    (void)number;
}

static void end(int number) {
    (void)number;
    _exit(42);
}

static void show(const char *path) {
    char line[200] = "";
    FILE *file = fopen(path, "r");
    if (file == NULL || fgets(line, sizeof line, file) == NULL)
        snprintf(line, sizeof line, "missing");
    if (file != NULL)
        fclose(file);
    printf("config: %s\n", line);
    fflush(stdout);
}

static void leave_orphan(void) {
    int ends[2];
    if (pipe(ends) != 0)
        exit(1);
    if (fork() == 0) {
        if (fork() == 0) { /* its own parent is gone when the read returns */
            char any;
            close(ends[1]);
            _exit(read(ends[0], &any, 1) != 0);
        }
        _exit(0);
    }
    close(ends[0]);
    close(ends[1]);
    wait(NULL);
}

int main(int count, char **words, char **environment) {
    sigset_t none, hangup;
    if (count != 2)
        return 42;
    sigemptyset(&none);
    sigemptyset(&hangup);
    sigaddset(&hangup, SIGHUP);
    sigprocmask(SIG_BLOCK, &hangup, NULL);
    signal(SIGHUP, catch);
    signal(SIGTERM, end);
    for (char **one = environment; *one != NULL; one++)
        printf("env: %s\n", *one);
    for (int i = 0; i < 3; i++)
        leave_orphan();
    for (;;) {
        show(words[1]);
        sigsuspend(&none);
    }
}
