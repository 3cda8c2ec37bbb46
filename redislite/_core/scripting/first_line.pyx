"""First lines; the contract is in first_line.pxd."""
from libc.stddef cimport size_t


cdef int hex_digit(char c) noexcept nogil:
    if c'0' <= c <= c'9':
        return c - c'0'
    if c'a' <= (c | 32) <= c'f':
        return (c | 32) - c'a' + 10
    return -1


cdef const char* take_quoted(const char* at, const char* end, char* word, size_t* length) noexcept nogil:
    """What is between the quote at this place and the next: answers the place behind that, or NULL where there is
    none."""
    cdef char quote = at[0]
    cdef char c
    at += 1
    while at < end and at[0] != quote:
        c = at[0]
        if c == c'\\' and quote == c'"' and end - at >= 4 and at[1] == c'x' and hex_digit(at[2]) >= 0 and \
                hex_digit(at[3]) >= 0:
            c = <char> (hex_digit(at[2]) * 16 + hex_digit(at[3]))
            at += 3
        elif c == c'\\' and end - at >= 2 and (quote == c'"' or at[1] == quote):
            at += 1
            c = at[0]
            if quote == c'"':
                c = c'\n' if c == c'n' else c'\r' if c == c'r' else c'\t' if c == c't' else c
        word[length[0]] = c
        length[0] += 1
        at += 1
    if at >= end or (at + 1 < end and not is_space(at[1])):
        return NULL
    return at + 1


cdef int next_word(const char** place, const char* end, char* word, size_t* length) noexcept nogil:
    cdef const char* at = place[0]
    length[0] = 0
    while at < end and is_space(at[0]):
        at += 1
    if at == end:
        place[0] = at
        return 0
    while at < end and not is_space(at[0]):
        if at[0] == c'"' or at[0] == c"'":
            at = take_quoted(at, end, word, length)
            if at == NULL:
                return -1
            break
        word[length[0]] = at[0]
        length[0] += 1
        at += 1
    place[0] = at
    return 1
