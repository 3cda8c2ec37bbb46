"""Glob patterns; the contract is in glob.pxd.

One remembered star is enough: if the rest after the last star cannot match from here, an earlier star that swallows
more only moves the same question to the right.
"""


cdef enum:
    STARS_MAX = 1000


cdef inline unsigned char lower(unsigned char c) noexcept nogil:
    return c + 32 if 65 <= c <= 90 else c


cdef bint match_one(const unsigned char* pattern, size_t length, size_t* at, unsigned char c, bint fold) noexcept nogil:
    """Whether the pattern element at *at (no star) matches c; moves *at behind the element."""
    cdef size_t i = at[0]
    cdef bint negated, matched = 0
    cdef unsigned char start
    cdef signed char low, high              # ranges go by signed bytes, as the original's do on most machines
    if fold:
        c = lower(c)
    if pattern[i] == c'?':
        at[0] = i + 1
        return 1
    if pattern[i] == c'[':
        i += 1
        negated = i < length and pattern[i] == c'^'
        if negated:
            i += 1
        while True:
            if i >= length:
                break                       # no closing bracket: the class ends with the pattern
            if pattern[i] == c'\\' and i + 1 < length:
                i += 1
                start = lower(pattern[i]) if fold else pattern[i]
                if start == c:
                    matched = 1
            elif pattern[i] == c']':
                i += 1
                break
            elif i + 2 < length and pattern[i + 1] == c'-':
                low = <signed char> pattern[i]
                high = <signed char> pattern[i + 2]
                if low > high:
                    low, high = high, low
                if fold:
                    low = <signed char> lower(<unsigned char> low)
                    high = <signed char> lower(<unsigned char> high)
                i += 2
                if low <= <signed char> c <= high:
                    matched = 1
            else:
                start = lower(pattern[i]) if fold else pattern[i]
                if start == c:
                    matched = 1
            i += 1
        at[0] = i
        return matched != negated
    if pattern[i] == c'\\' and i + 1 < length:
        i += 1
    at[0] = i + 1
    return (lower(pattern[i]) if fold else pattern[i]) == c


cdef bint glob_match(const char* pattern, size_t pattern_length, const char* text, size_t length,
                     bint fold) noexcept nogil:
    cdef const unsigned char* p = <const unsigned char*> pattern
    cdef const unsigned char* t = <const unsigned char*> text
    cdef size_t at = 0              # in the pattern
    cdef size_t i = 0               # in the text
    cdef size_t after_star = 0      # pattern position behind the last star; 0: none yet
    cdef size_t star_text = 0       # text position it is matched up to
    cdef size_t furthest = 0        # pattern position behind the rightmost star so far
    cdef int stars = 0
    cdef size_t tried
    if length == 0:
        return pattern_length == 0  # the original's way: a star does not match nothing at all
    while i < length:
        if at < pattern_length and p[at] == c'*':
            at += 1
            if at > furthest:
                # The original gives up on patterns with so many stars, and answers no.
                furthest = at
                if at < 2 or p[at - 2] != c'*':
                    stars += 1
                    if stars > STARS_MAX:
                        return 0
            after_star = at
            star_text = i
            if at == pattern_length:
                return 1
            continue
        if at < pattern_length:
            tried = at
            if match_one(p, pattern_length, &tried, t[i], fold):
                at = tried
                i += 1
                continue
        if after_star == 0:
            return 0
        at = after_star
        star_text += 1
        i = star_text
    while at < pattern_length and p[at] == c'*':
        at += 1
    return at == pattern_length


def matching(bytes pattern, list names, bint fold=True) -> list[bytes]:
    """Those of the names that match the pattern; fold ignores the case of ASCII letters."""
    cdef bytes name
    cdef list found = []
    for name in names:
        if glob_match(pattern, len(pattern), name, len(name), fold):
            found.append(name)
    return found
