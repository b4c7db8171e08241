/* The client that `make bench` measures: makes driver calls in loops of its own and prints what they took. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common.h"

/* No part takes nearly as long: a client that hangs is ended by the kernel, and the harness sees it. */
enum { LONGEST_SECONDS = 300 };

int main(int count, char **arguments) {
    const char *part = count > 1 ? arguments[1] : "";
    alarm(LONGEST_SECONDS);
    if (strcmp(part, "calls") == 0 && count == 3) {
        calls(atof(arguments[2]));
    } else if (strcmp(part, "one-call") == 0 && count == 4) {
        one_call(arguments[2], atol(arguments[3]));
    } else if (strcmp(part, "idle") == 0 && count == 2) {
        idle();
    } else if (strcmp(part, "storm") == 0 && count == 3) {
        storm(atof(arguments[2]));
    } else if (strcmp(part, "first-calls") == 0 && count == 2) {
        first_calls();
    } else if (strcmp(part, "launches") == 0 && count == 3) {
        launches(atof(arguments[2]));
    } else if (strcmp(part, "saturated") == 0 && count == 3) {
        saturated(atof(arguments[2]));
    } else if (strcmp(part, "load") == 0) {
        load(count - 2, arguments + 2);
    } else if (strcmp(part, "spawn") == 0 && count == 5) {
        spawn(atol(arguments[2]), arguments[3], arguments[4]);
    } else {
        die("usage: client calls MILLISECONDS | one-call ROW COUNT | idle | storm MILLISECONDS | first-calls |"
            " launches MILLISECONDS | saturated MILLISECONDS | load NAME=VALUE… | spawn COUNT LIBRARY LIMIT");
    }
    return 0;
}
