/* The programs in the bundle's bin/: each is this one, and starts the script of its own name on the
   bundle's interpreter.

   The kernel wants the path of a loader, and of a script's interpreter, in full, which would tie
   the tree to one place. This program is static, so that it needs neither, and finds the rest from
   where it lies itself:

       TREE/bin/NAME              this program
       TREE/lib/loader/NAME       a link to the loader: the kernel names a process after its path
       TREE/lib/programs/NAME     the script; there is none for `python3`, the interpreter itself
       TREE/lib/programs/python3  the interpreter
       TREE/lib                   its libraries, the C library among them

   It knows nothing of what the scripts do, takes no options, and hands the environment on (with the
   help of sitecustomize.py, which the script runs where it has work). */
#define _GNU_SOURCE /* environ */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

enum {
    CANNOT_RUN = 125, /* as the supervisor ends when it cannot start the app */
    HIDDEN = 1        /* a character in place of the _ of LD_; see sitecustomize.py */
};

static int fail(const char *object) {
    dprintf(STDERR_FILENO, "supervisor: cannot start %s: %s; %s\n", object, strerror(errno),
            "copy or mount the whole tree of the bundle");
    return CANNOT_RUN;
}

/* Where this program lies, links resolved. AT_EXECFN, the path that was started, is for a root
   without /proc. */
static const char *find_self(char found[PATH_MAX]) {
    ssize_t length = readlink("/proc/self/exe", found, PATH_MAX - 1);
    if (length > 0) {
        found[length] = '\0';
        if (found[0] == '/' && access(found, F_OK) == 0)
            return found;
    }
    return realpath((const char *)getauxval(AT_EXECFN), found);
}

/* LD_PRELOAD and its like are about the app's libraries: one that is linked with another C library
   would end our loader before it has started anything. Under names that no loader knows they reach
   sitecustomize.py. */
static void keep_from_loader(char **variables) {
    for (; *variables != NULL; variables++)
        if (strncmp(*variables, "LD_", 3) == 0)
            (*variables)[2] = HIDDEN;
}

static char *join(const char *tree, const char *folder, const char *name) {
    char *path = malloc(strlen(tree) + strlen(folder) + strlen(name) + 1);
    if (path == NULL)
        exit(fail(name));
    strcat(strcat(strcpy(path, tree), folder), name);
    return path;
}

int main(int count, char **words) {
    static char self[PATH_MAX];
    char *name, *folder;
    if (find_self(self) == NULL)
        return fail(words[0] != NULL ? words[0] : "the bundle");
    name = strrchr(self, '/');
    *name++ = '\0'; /* self is TREE/bin */
    folder = strrchr(self, '/');
    if (folder == NULL)
        folder = self; /* the tree is the root */
    *folder = '\0'; /* self is TREE */

    char *loader = join(self, "/lib/loader/", name);
    char *python = join(self, "/lib/programs/", "python3");
    char **command = calloc((size_t)count + 9, sizeof *command), **next = command;
    if (command == NULL)
        return fail(name);
    *next++ = name;
    *next++ = "--inhibit-cache"; /* of the image's own libraries */
    *next++ = "--library-path";
    *next++ = join(self, "/lib", "");
    *next++ = "--argv0"; /* where the interpreter looks for its standard library */
    *next++ = python;
    *next++ = python;
    if (strcmp(name, "python3") != 0) {
        *next++ = "-IS"; /* PYTHON* variables are the app's; `site` takes long */
        *next++ = join(self, "/lib/programs/", name);
    }
    if (count > 1)
        memcpy(next, words + 1, (size_t)(count - 1) * sizeof *next);
    keep_from_loader(environ);
    execv(loader, command);
    return fail(loader);
}
