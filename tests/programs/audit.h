/* A program whose arguments name device calls: does them in order and prints a line for each. Its file says what each word
   does, in `step`.

   --audit first: after each call it also prints what is in use as cuMemGetInfo tells (view, of total), as the simulator's books
   tell for this process (own) and for the device, and errno, which was 1234 before the call. */
#ifndef AUDIT_H
#define AUDIT_H

#include <ctype.h>

#include "driver.h"

static char *self;
static int last_errno;

/* Does one step; returns how many words it took. -1 in `result`: the step is no call. */
static int step(char **words, int *result);

#define NEED(n) do { for (int i = 1; i <= n; i++) if (!words[i]) die("%s needs %d words", word, n); } while (0)
#define CALL(expression) do { errno = 1234; *result = (expression); last_errno = errno; } while (0)

static size_t size(const char *text) {
    char *unit;
    double value = strtod(text, &unit);
    switch (toupper((unsigned char)*unit)) {
    case 'K': value *= 1024; break;
    case 'M': value *= 1 << 20; break;
    case 'G': value *= 1 << 30; break;
    case 0: break;
    default: die("size %s", text);
    }
    return (size_t)value;
}

static int is(const char *word, const char *name) { return strcmp(word, name) == 0; }

int main(int count, char **words) {
    int audit = count > 1 && is(words[1], "--audit");
    self = words[0];
    for (int at = 1 + audit; at < count;) {
        int result, taken = step(words + at, &result);
        if (result >= 0) {
            int error = last_errno;
            for (int i = 0; i < taken; i++) printf("%s ", words[at + i]);
            printf("= %d", result);
            if (audit) {
                size_t free, total;
                struct books truth = books();
                if (cuMemGetInfo_v2(&free, &total) == 0) printf(" view %zu total %zu", total - free, total);
                else printf(" view none");
                printf(" own %ju device %ju contexts %u errno %d", (uintmax_t)truth.own, (uintmax_t)truth.device,
                       truth.contexts, error);
            }
            printf("\n");
        }
        at += taken;
        fflush(stdout);
    }
    return 0;
}

#endif
