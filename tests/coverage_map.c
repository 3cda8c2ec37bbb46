/* Which edges of the code that reads RDB data have been run, for tests/rdb_mutations.py: gcc calls
 * __sanitizer_cov_trace_pc at the begin of each basic block of what is built with -fsanitize-coverage=trace-pc.
 *
 *     counts[]  how often each edge was run since coverage_take     one byte per edge, by a hash of both its ends
 *     seen[]    magnitudes (1, 2, 3, 4-7, 8-15, ...) that each edge has ever reached, a bit each
 *
 * As in AFL (Zalewski, "Technical details of afl-fuzz", 2014). To be preloaded.
 */
#include <string.h>

enum { EDGES = 1 << 16 };

static unsigned char counts[EDGES];
static unsigned char seen[EDGES];
static unsigned previous;

void __sanitizer_cov_trace_pc(void) {
    unsigned long address = (unsigned long) __builtin_return_address(0);
    unsigned block = (unsigned) (address * 0x9e3779b97f4a7c15ul >> 48);
    counts[block ^ previous] += 1;
    previous = block >> 1;
}

static unsigned char magnitude(unsigned char count) {
    if (count < 4)
        return 1 << (count - 1);
    return count < 8 ? 8 : count < 16 ? 16 : count < 32 ? 32 : count < 128 ? 64 : 128;
}

/* Forgets the counts; answers how many edges have reached a magnitude that they had not before. */
int coverage_take(void) {
    int news = 0;
    for (int i = 0; i < EDGES; i += 8) {
        unsigned long word;
        memcpy(&word, counts + i, 8);
        if (word == 0)
            continue;
        for (int j = i; j < i + 8; j++) {
            if (counts[j] && !(seen[j] & magnitude(counts[j]))) {
                seen[j] |= magnitude(counts[j]);
                news++;
            }
            counts[j] = 0;
        }
    }
    previous = 0;
    return news;
}
