"""A test of the memory that the process uses; the contract is in memory_test.pxd."""
from libc.stdint cimport uint64_t, uintptr_t
from libc.string cimport strstr
from posix.fcntl cimport O_RDONLY, open
from posix.unistd cimport close, read
from redislite._core.base.safe_output cimport (
    SafeOutput, put_hex, put_text, put_unsigned, safe_output_flush, safe_output_init,
)

cdef extern from *:
    """
    #include <stddef.h>
    #include <stdint.h>
    #include <sys/mman.h>
    #include <unistd.h>

    #define MEMORY_BLOCK 1048576        /* bytes that are tested at once: more than the fast caches hold */
    #define MEMORY_PAGES_MAX 256        /* of a block: no system has smaller pages than 4 KiB */

    static uint64_t memory_saved[MEMORY_BLOCK / 8];

    /* Has the caches write what they hold, and read anew. */
    static inline void memory_flush(volatile uint64_t *words, size_t count) {
    #if defined(__SSE2__)
        size_t i;
        __builtin_ia32_mfence();
        for (i = 0; i < count; i += 8)
            __builtin_ia32_clflush((const void *) &words[i]);
        __builtin_ia32_mfence();
    #endif
    }

    /* Whether memory is at fault. Calls nothing while the patterns stand: whatever it called might work with them. */
    static int memory_test_block(volatile uint64_t *words, size_t count) {
        uint64_t bad = 0, mask;
        size_t i;
        for (i = 0; i < count; i++)
            memory_saved[i] = words[i];
        for (mask = 0;; mask = ~mask) {
            for (i = 0; i < count; i++)
                words[i] = (uintptr_t) &words[i] ^ mask;
            memory_flush(words, count);
            for (i = 0; i < count; i++)
                bad |= words[i] ^ (uintptr_t) &words[i] ^ mask;
            if (mask)
                break;
        }
        for (i = 0; i < count; i++)
            words[i] = memory_saved[i];
        for (i = 0; i < count; i++)
            bad |= words[i] ^ memory_saved[i];
        return bad != 0;
    }

    /* Bytes from address on, of at most size, that are in use as the first page is, and whether that is. */
    static size_t memory_run(uintptr_t address, size_t size, int *in_use) {
        unsigned char pages[MEMORY_PAGES_MAX];
        size_t page = (size_t) sysconf(_SC_PAGESIZE), count, i;
        if (size > MEMORY_BLOCK)
            size = MEMORY_BLOCK;
        count = size / page;
        *in_use = 0;
        if (mincore((void *) address, size, (void *) pages) != 0)
            return size;
        *in_use = pages[0] & 1;
        for (i = 1; i < count && (pages[i] & 1) == *in_use; i++) {}
        return i * page;
    }

    static uintptr_t memory_of_thread(void) {
    #if defined(__x86_64__) && defined(__linux__)
        uintptr_t pointer;
        __asm__("mov %%fs:0, %0" : "=r" (pointer));
        return pointer;
    #elif defined(__aarch64__)
        uintptr_t pointer;
        __asm__("mrs %0, tpidr_el0" : "=r" (pointer));
        return pointer;
    #else
        return 0;
    #endif
    }

    #if defined(__SANITIZE_ADDRESS__)
    #define MEMORY_IS_SHADOWED 1        /* terabytes of the sanitizer's own */
    #else
    #define MEMORY_IS_SHADOWED 0
    #endif
    """
    const uint64_t memory_saved[1]
    bint MEMORY_IS_SHADOWED
    int memory_test_block(uint64_t* words, size_t count) noexcept nogil
    size_t memory_run(uintptr_t address, size_t size, int* in_use) noexcept nogil
    uintptr_t memory_of_thread() noexcept nogil

cdef enum:
    REGIONS_MAX = 256
    LINE_BYTES = 512


cdef struct Region:
    uintptr_t start
    uintptr_t end

cdef Region regions[REGIONS_MAX]


cdef uintptr_t read_hex(const char** text) noexcept nogil:
    cdef uintptr_t number = 0
    cdef char digit
    while True:
        digit = text[0][0]
        if 48 <= digit <= 57:
            number = 16 * number + <uintptr_t> (digit - 48)
        elif 97 <= digit <= 102:
            number = 16 * number + <uintptr_t> (digit - 87)
        else:
            return number
        text[0] += 1


cdef bint take_line(const char* line, Region* region) noexcept nogil:
    """Whether a line of /proc/self/maps is about memory to test: private, writable, of no file, and not ours."""
    cdef Region own
    cdef uintptr_t kept[4]
    cdef int i
    region.start = read_hex(&line)
    line += 1
    region.end = read_hex(&line)
    if strstr(line, " rw-p ") != line or strstr(line, " 00:00 ") == NULL or strstr(line, "[stack") != NULL:
        return 0
    kept[0] = <uintptr_t> memory_saved
    kept[1] = <uintptr_t> regions
    kept[2] = <uintptr_t> &own
    kept[3] = memory_of_thread()
    for i in range(4):
        if region.start <= kept[i] < region.end:
            return 0
    return 1


cdef int find_regions(SafeOutput* output) noexcept nogil:
    cdef char line[LINE_BYTES]
    cdef char piece[LINE_BYTES]
    cdef int used = 0
    cdef int count = 0
    cdef ssize_t size, i
    cdef int fd = open("/proc/self/maps", O_RDONLY)
    if fd < 0:
        return 0
    while count < REGIONS_MAX:
        size = read(fd, piece, LINE_BYTES)
        if size <= 0:
            break
        for i in range(size):
            if piece[i] != 10:
                if used < LINE_BYTES - 1:
                    line[used] = piece[i]
                    used += 1
                continue
            line[used] = 0
            used = 0
            if count < REGIONS_MAX and take_line(line, &regions[count]):
                put_text(output, "*** Preparing to test memory region ")
                put_hex(output, regions[count].start, 0)
                put_text(output, " (")
                put_unsigned(output, regions[count].end - regions[count].start)
                put_text(output, " bytes)\n")
                count += 1
    close(fd)
    safe_output_flush(output)
    return count


cdef bint memory_test(int fd) noexcept nogil:
    cdef SafeOutput output
    cdef uintptr_t at
    cdef size_t size
    cdef int in_use = 0
    cdef bint bad = 0
    cdef int count, i
    if MEMORY_IS_SHADOWED:
        return 0
    safe_output_init(&output, fd)
    count = find_regions(&output)
    for i in range(count):
        put_text(&output, ".")
        safe_output_flush(&output)
        at = regions[i].start
        while at < regions[i].end:
            size = memory_run(at, regions[i].end - at, &in_use)
            if in_use and memory_test_block(<uint64_t*> at, size // 8):
                bad = 1
            at += size
        put_text(&output, "E" if bad else "O")
    put_text(&output, "\n")
    safe_output_flush(&output)
    return bad
