"""Patterns of Lua; the contract is in lua_patterns.pxd."""
from libc.stddef cimport ptrdiff_t, size_t
from libc.stdint cimport uint32_t
from libc.stdio cimport snprintf
from libc.string cimport memchr, memcmp, strpbrk
from redislite._core.scripting.lua_api cimport (
    LUA_TFUNCTION, LUA_TNUMBER, LUA_TSTRING, LUA_TTABLE, LUA_UPVALUE_1, lua, lua_State, lua_fail, lua_pop,
    lua_set_function, lua_tick,
)
from redislite._core.scripting.lua_buffer cimport LuaBuffer, buffer_add, buffer_add_byte, buffer_open, buffer_push

cdef extern from "<ctype.h>" nogil:
    int isalnum(int c)
    int isalpha(int c)
    int iscntrl(int c)
    int isdigit(int c)
    int islower(int c)
    int ispunct(int c)
    int isspace(int c)
    int isupper(int c)
    int isxdigit(int c)
    int tolower(int c)

cdef enum:
    CAPTURES_MAX = 32
    DEPTH_MAX = 2000            # of calls within calls: one for each capture and each repeated item of a pattern
    OPEN = -1                   # the length of a capture that has begun
    PLACE = -2                  # of one that is a place in the subject

cdef const char* SPECIAL = b"^$*+?.([%-"

cdef struct Capture:
    const char* start
    ptrdiff_t length


cdef struct Matcher:
    lua_State* L
    const char* subject         # a zero stands behind its end
    const char* end
    int depth
    uint32_t steps
    int count
    Capture captures[CAPTURES_MAX]


# One character

cdef bint is_of_class(int c, int letter) noexcept nogil:
    """Whether a character is of the class %letter."""
    cdef int small = tolower(letter)
    cdef bint belongs
    if small == c'a':
        belongs = isalpha(c) != 0
    elif small == c'c':
        belongs = iscntrl(c) != 0
    elif small == c'd':
        belongs = isdigit(c) != 0
    elif small == c'l':
        belongs = islower(c) != 0
    elif small == c'p':
        belongs = ispunct(c) != 0
    elif small == c's':
        belongs = isspace(c) != 0
    elif small == c'u':
        belongs = isupper(c) != 0
    elif small == c'w':
        belongs = isalnum(c) != 0
    elif small == c'x':
        belongs = isxdigit(c) != 0
    elif small == c'z':
        belongs = c == 0
    else:
        return letter == c
    return belongs if letter == small else not belongs


cdef const char* item_end(Matcher* m, const char* item) noexcept nogil:
    """The place behind an item that stands for one character."""
    cdef char first = item[0]
    item += 1
    if first == c'%':
        if item[0] == 0:
            lua_fail(m.L, "malformed pattern (ends with '%')")
        return item + 1
    if first != c'[':
        return item
    if item[0] == c'^':
        item += 1
    # What comes first in a set belongs to it, be it a bracket.
    while True:
        if item[0] == 0:
            lua_fail(m.L, "malformed pattern (missing ']')")
        item += 2 if item[0] == c'%' and item[1] != 0 else 1
        if item[0] == c']':
            return item + 1


cdef bint is_in_set(int c, const char* item, const char* last) noexcept nogil:
    """The item begins with a bracket, and its last character is one."""
    cdef bint found = 1
    item += 1
    if item[0] == c'^':
        found = 0
        item += 1
    while item < last:
        if item[0] == c'%':
            if is_of_class(c, <unsigned char> item[1]):
                return found
            item += 2
        elif item[1] == c'-' and item + 2 < last:
            if <unsigned char> item[0] <= c <= <unsigned char> item[2]:
                return found
            item += 3
        else:
            if <unsigned char> item[0] == c:
                return found
            item += 1
    return not found


cdef inline bint is_one(Matcher* m, const char* at, const char* item, const char* behind) noexcept nogil:
    """Whether the character at this place of the subject is what the item stands for."""
    lua_tick(m.L, &m.steps)
    if at >= m.end:
        return 0
    if item[0] == c'.':
        return 1
    if item[0] == c'%':
        return is_of_class(<unsigned char> at[0], <unsigned char> item[1])
    if item[0] == c'[':
        return is_in_set(<unsigned char> at[0], item, behind - 1)
    return item[0] == at[0]


# A pattern. Each of these answers where the match ends, or NULL for none

cdef const char* match_balanced(Matcher* m, const char* at, const char* pair) noexcept nogil:
    """%b: from one character to the other that closes it."""
    cdef int open = 1
    if pair[0] == 0 or pair[1] == 0:
        lua_fail(m.L, "unbalanced pattern")
    if at >= m.end or at[0] != pair[0]:
        return NULL
    at += 1
    while at < m.end:
        lua_tick(m.L, &m.steps)
        # The same character twice closes what it opens.
        if at[0] == pair[1]:
            open -= 1
            if open == 0:
                return at + 1
        elif at[0] == pair[0]:
            open += 1
        at += 1
    return NULL


cdef const char* match_again(Matcher* m, const char* at, char digit) noexcept nogil:
    """%1: what a capture has taken, once more."""
    cdef int index = digit - c'1'
    cdef ptrdiff_t length
    if index < 0 or index >= m.count or m.captures[index].length == OPEN:
        lua_fail(m.L, "invalid capture index")
    length = m.captures[index].length
    # Nothing is as long as a place.
    if length < 0 or m.end - at < length or memcmp(at, m.captures[index].start, <size_t> length) != 0:
        return NULL
    return at + length


cdef const char* match_most(Matcher* m, const char* at, const char* item, const char* behind, bint some) noexcept nogil:
    """* and +: as many as there are, and fewer where the rest wants them."""
    cdef const char* place = at
    cdef const char* found
    while is_one(m, place, item, behind):
        place += 1
    while place >= at + some:
        found = match(m, place, behind + 1)
        if found != NULL:
            return found
        place -= 1
    return NULL


cdef const char* match_least(Matcher* m, const char* at, const char* item, const char* behind) noexcept nogil:
    """-: as few as the rest allows."""
    cdef const char* found
    while True:
        found = match(m, at, behind + 1)
        if found != NULL:
            return found
        if not is_one(m, at, item, behind):
            return NULL
        at += 1


cdef const char* begin_capture(Matcher* m, const char* at, const char* rest, ptrdiff_t length) noexcept nogil:
    cdef const char* found
    if m.count == CAPTURES_MAX:
        lua_fail(m.L, "too many captures")
    m.captures[m.count].start = at
    m.captures[m.count].length = length
    m.count += 1
    found = match(m, at, rest)
    if found == NULL:
        m.count -= 1
    return found


cdef const char* end_capture(Matcher* m, const char* at, const char* rest) noexcept nogil:
    cdef const char* found
    cdef int index = m.count - 1
    while index >= 0 and m.captures[index].length != OPEN:
        index -= 1
    if index < 0:
        lua_fail(m.L, "invalid pattern capture")
    m.captures[index].length = at - m.captures[index].start
    found = match(m, at, rest)
    if found == NULL:
        m.captures[index].length = OPEN
    return found


cdef const char* match_frontier(Matcher* m, const char* at, const char* item, const char* behind) noexcept nogil:
    """%f[set]: between a character that is not of the set and one that is; a zero stands at both ends."""
    cdef int before = 0 if at == m.subject else <unsigned char> at[-1]
    if is_in_set(before, item, behind - 1) or not is_in_set(<unsigned char> at[0], item, behind - 1):
        return NULL
    return at


cdef const char* match(Matcher* m, const char* at, const char* item) noexcept nogil:
    cdef const char* behind
    cdef const char* found
    cdef bint fits
    if m.depth == DEPTH_MAX:
        lua_fail(m.L, "pattern too complex")
    m.depth += 1
    while at != NULL and item[0] != 0:
        if item[0] == c'(':
            at = begin_capture(m, at, item + 2, PLACE) if item[1] == c')' else begin_capture(m, at, item + 1, OPEN)
            break
        if item[0] == c')':
            at = end_capture(m, at, item + 1)
            break
        if item[0] == c'$' and item[1] == 0:
            if at != m.end:
                at = NULL
            break
        if item[0] == c'%' and item[1] == c'b':
            at = match_balanced(m, at, item + 2)
            item += 4
            continue
        if item[0] == c'%' and item[1] == c'f':
            item += 2
            if item[0] != c'[':
                lua_fail(m.L, "missing '[' after '%f' in pattern")
            behind = item_end(m, item)
            at = match_frontier(m, at, item, behind)
            item = behind
            continue
        if item[0] == c'%' and c'0' <= item[1] <= c'9':
            at = match_again(m, at, item[1])
            item += 2
            continue
        behind = item_end(m, item)
        if behind[0] == c'*' or behind[0] == c'+':
            at = match_most(m, at, item, behind, behind[0] == c'+')
            break
        if behind[0] == c'-':
            at = match_least(m, at, item, behind)
            break
        fits = is_one(m, at, item, behind)
        if behind[0] == c'?':
            item = behind + 1
            if fits:
                found = match(m, at + 1, item)
                if found != NULL:
                    at = found
                    break
        elif fits:
            at += 1
            item = behind
        else:
            at = NULL
    m.depth -= 1
    return at


# What was captured

cdef void push_capture(Matcher* m, int index, const char* start, const char* end) noexcept nogil:
    """A capture, or where there is none at all, the whole match."""
    cdef ptrdiff_t length
    if index >= m.count:
        if index > 0:
            lua_fail(m.L, "invalid capture index")
        lua.pushlstring(m.L, start, <size_t> (end - start))
        return
    length = m.captures[index].length
    if length == OPEN:
        lua_fail(m.L, "unfinished capture")
    if length == PLACE:
        lua.pushinteger(m.L, m.captures[index].start - m.subject + 1)
    else:
        lua.pushlstring(m.L, m.captures[index].start, <size_t> length)


cdef int push_captures(Matcher* m, const char* start, const char* end) noexcept nogil:
    """All of them, and their number; the whole match where there are none, unless start is NULL."""
    cdef int count = 1 if m.count == 0 and start != NULL else m.count
    cdef int i
    lua.aux_checkstack(m.L, count, "too many captures")
    for i in range(count):
        push_capture(m, i, start, end)
    return count


cdef void begin(Matcher* m, lua_State* L, const char* subject, size_t length) noexcept nogil:
    m.L = L
    m.subject = subject
    m.end = subject + length
    m.depth = 0
    m.steps = 0
    m.count = 0


# The functions

cdef const char* find_text(const char* at, size_t length, const char* text, size_t text_length) noexcept nogil:
    cdef const char* end = at + length
    if text_length == 0:
        return at
    while <size_t> (end - at) >= text_length:
        at = <const char*> memchr(at, text[0], <size_t> (end - at) - text_length + 1)
        if at == NULL or memcmp(at, text, text_length) == 0:
            return at
        at += 1
    return NULL


cdef int search(lua_State* L, bint is_find) noexcept nogil:
    """find and match."""
    cdef Matcher m
    cdef size_t length, pattern_length
    cdef const char* subject = lua.aux_checklstring(L, 1, &length)
    cdef const char* pattern = lua.aux_checklstring(L, 2, &pattern_length)
    cdef ptrdiff_t first = lua.aux_optinteger(L, 3, 1)
    cdef const char* at
    cdef const char* end
    cdef bint anchored
    if first < 0:
        first += <ptrdiff_t> length + 1
    first = 0 if first < 1 else min(first - 1, <ptrdiff_t> length)
    at = subject + first
    if is_find and (lua.toboolean(L, 4) or strpbrk(pattern, SPECIAL) == NULL):
        at = find_text(at, length - <size_t> first, pattern, pattern_length)
        if at == NULL:
            lua.pushnil(L)
            return 1
        lua.pushinteger(L, at - subject + 1)
        lua.pushinteger(L, at - subject + <ptrdiff_t> pattern_length)
        return 2
    begin(&m, L, subject, length)
    anchored = pattern[0] == c'^'
    while at <= m.end:
        m.count = 0
        end = match(&m, at, pattern + anchored)
        if end != NULL:
            if not is_find:
                return push_captures(&m, at, end)
            lua.pushinteger(L, at - subject + 1)
            lua.pushinteger(L, end - subject)
            return push_captures(&m, NULL, NULL) + 2
        if anchored:
            break
        at += 1
    lua.pushnil(L)
    return 1


cdef int string_find(lua_State* L) noexcept nogil:
    return search(L, 1)


cdef int string_match(lua_State* L) noexcept nogil:
    return search(L, 0)


cdef int next_match(lua_State* L) noexcept nogil:
    """The iterator of gmatch: its values are the subject, the pattern, and where to go on."""
    cdef Matcher m
    cdef size_t length
    cdef const char* subject = lua.tolstring(L, LUA_UPVALUE_1, &length)
    cdef const char* pattern = lua.tolstring(L, LUA_UPVALUE_1 - 1, NULL)
    cdef const char* at = subject + <size_t> lua.tonumber(L, LUA_UPVALUE_1 - 2)
    cdef const char* end
    begin(&m, L, subject, length)
    while at <= m.end:
        m.count = 0
        end = match(&m, at, pattern)
        if end != NULL:
            lua.pushinteger(L, end - subject + (end == at))
            lua.replace(L, LUA_UPVALUE_1 - 2)
            return push_captures(&m, at, end)
        at += 1
    return 0


cdef int string_gmatch(lua_State* L) noexcept nogil:
    lua.aux_checklstring(L, 1, NULL)
    lua.aux_checklstring(L, 2, NULL)
    lua.settop(L, 2)
    lua.pushinteger(L, 0)
    lua.pushcclosure(L, next_match, 3)
    return 1


cdef void add_text(Matcher* m, LuaBuffer* buffer, const char* start, const char* end) noexcept nogil:
    """The replacement at 3, with what %0 to %9 stand for."""
    cdef size_t length, captured
    cdef const char* text = lua.tolstring(m.L, 3, &length)
    cdef const char* last = text + length
    cdef const char* piece
    while text < last:
        if text[0] != c'%':
            buffer_add_byte(buffer, text[0])
        else:
            text += 1
            if not c'0' <= text[0] <= c'9':
                buffer_add_byte(buffer, text[0])
            elif text[0] == c'0':
                buffer_add(buffer, start, <size_t> (end - start))
            else:
                push_capture(m, text[0] - c'1', start, end)
                piece = lua.tolstring(m.L, -1, &captured)
                buffer_add(buffer, piece, captured)
                lua_pop(m.L, 1)
        text += 1


cdef void add_replacement(Matcher* m, LuaBuffer* buffer, const char* start, const char* end) noexcept nogil:
    cdef lua_State* L = m.L
    cdef int type = lua.type(L, 3)
    cdef char message[64]
    cdef size_t length
    cdef const char* text
    if type == LUA_TTABLE:
        push_capture(m, 0, start, end)
        lua.gettable(L, 3)
    elif type == LUA_TFUNCTION:
        lua.pushvalue(L, 3)
        lua.call(L, push_captures(m, start, end), 1)
    else:
        add_text(m, buffer, start, end)
        return
    if not lua.toboolean(L, -1):
        buffer_add(buffer, start, <size_t> (end - start))
    elif not lua.isstring(L, -1):
        snprintf(message, sizeof(message), "invalid replacement value (a %s)", lua.typename(L, lua.type(L, -1)))
        lua_fail(L, message)
    else:
        text = lua.tolstring(L, -1, &length)
        buffer_add(buffer, text, length)
    lua_pop(L, 1)


cdef int string_gsub(lua_State* L) noexcept nogil:
    cdef Matcher m
    cdef LuaBuffer buffer
    cdef size_t length
    cdef const char* at = lua.aux_checklstring(L, 1, &length)
    cdef const char* pattern = lua.aux_checklstring(L, 2, NULL)
    cdef int type = lua.type(L, 3)
    cdef int most = <int> lua.aux_optinteger(L, 4, <ptrdiff_t> length + 1)
    cdef bint anchored = pattern[0] == c'^'
    cdef const char* end
    cdef int count = 0
    if type != LUA_TNUMBER and type != LUA_TSTRING and type != LUA_TFUNCTION and type != LUA_TTABLE:
        return lua.aux_argerror(L, 3, "string/function/table expected")
    lua.settop(L, 3)
    begin(&m, L, at, length)
    buffer_open(&buffer, L, length + 32)
    while count < most:
        m.count = 0
        end = match(&m, at, pattern + anchored)
        if end != NULL:
            count += 1
            add_replacement(&m, &buffer, at, end)
        if end != NULL and end > at:
            at = end
        elif at < m.end:
            buffer_add_byte(&buffer, at[0])
            at += 1
        else:
            break
        if anchored:
            break
    if count == 0:
        lua.pushvalue(L, 1)
    else:
        buffer_add(&buffer, at, <size_t> (m.end - at))
        buffer_push(&buffer)
    lua.pushinteger(L, count)
    return 2


cdef void replace_patterns(lua_State* L) noexcept nogil:
    lua_set_function(L, "find", string_find)
    lua_set_function(L, "match", string_match)
    lua_set_function(L, "gmatch", string_gmatch)
    lua_set_function(L, "gfind", string_gmatch)
    lua_set_function(L, "gsub", string_gsub)
