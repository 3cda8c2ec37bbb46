"""The words of a first line, #!engine option=… : what scripts and libraries of functions say of themselves.

A word may be quoted: with '…', in which \\' alone stands for something else, or with "…", in which \\n, \\r, \\t and
\\x.. do, too.
"""
from libc.stddef cimport size_t


cdef inline bint is_space(char c) noexcept nogil:
    return c == c' ' or c'\t' <= c <= c'\r'


# Takes the next word before end, and moves the place behind it. word has room for as many bytes as there are from the
# place to the end. 1: there was one, 0: there is none, -1: its quotes are wrong.
cdef int next_word(const char** place, const char* end, char* word, size_t* length) noexcept nogil
