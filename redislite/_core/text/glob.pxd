"""Glob patterns as KEYS, SCAN, PSUBSCRIBE and ACL rules have them: * ? [abc] [^a-z] and \\ for a literal."""


# Whether the text matches the pattern; fold ignores the case of ASCII letters. Bounded effort for hostile patterns: a
# star never backtracks over an earlier star.
cdef bint glob_match(const char* pattern, size_t pattern_length, const char* text, size_t length,
                     bint fold) noexcept nogil
