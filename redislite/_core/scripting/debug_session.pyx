"""Sessions of the debugger; the contract is in debug_session.pxd."""
from libc cimport errno
from libc.stddef cimport size_t
from libc.stdint cimport int64_t
from libc.stdio cimport snprintf
from libc.string cimport memchr, memcpy, memmove, memset, strlen
from redislite._core.base.alloc cimport heap_free, heap_realloc
from redislite._core.scripting.lua_api cimport (
    LUA_TBOOLEAN, LUA_TFUNCTION, LUA_TLIGHTUSERDATA, LUA_TNIL, LUA_TNUMBER, LUA_TSTRING, LUA_TTABLE, LUA_TTHREAD,
    LUA_TUSERDATA, lua, lua_State, lua_pop,
)
from redislite._core.text.numbers cimport parse_int64
from redislite._core.state.core cimport Core

cdef extern from "<sys/socket.h>" nogil:
    ssize_t recv(int fd, void* buffer, size_t length, int flags)
    ssize_t send(int fd, const void* data, size_t length, int flags)

cdef extern from "<poll.h>" nogil:
    struct pollfd:
        int fd
        short events
        short revents
    int poll(pollfd* entries, unsigned long count, int milliseconds)

cdef extern from *:
    """
    #include <poll.h>
    #include <sys/socket.h>
    #ifndef MSG_NOSIGNAL
    #define MSG_NOSIGNAL 0
    #endif
    """
    enum:
        MSG_NOSIGNAL
        POLL_READ "POLLIN"
        POLL_WRITE "POLLOUT"

cdef enum:
    NESTED_MAX = 10             # levels of tables that are shown
    READ_BYTES = 4096
    FIRST_BYTES = 256           # of a text


# Texts

cdef void text_add(Session* session, Text* text, const char* data, size_t length) noexcept nogil:
    cdef size_t capacity = text.capacity if text.capacity else FIRST_BYTES
    cdef char* grown
    if text.capacity - text.length < length:
        while capacity - text.length < length:
            capacity *= 2
        grown = <char*> heap_realloc(session.core.heap, text.data, text.capacity, capacity)
        if grown == NULL:
            return
        text.data = grown
        text.capacity = capacity
    memcpy(text.data + text.length, data, length)
    text.length += length


cdef void text_free(Session* session, Text* text) noexcept nogil:
    heap_free(session.core.heap, text.data, text.capacity)
    memset(text, 0, sizeof(Text))


cdef void session_begin(Session* session, Core* core, int fd) noexcept nogil:
    memset(session, 0, sizeof(Session))
    session.core = core
    session.fd = fd
    session.most = LINE_DEFAULT
    session.speaks_valkey = core.settings.script_errors_brief != 0


cdef void session_end(Session* session) noexcept nogil:
    text_free(session, &session.line)
    text_free(session, &session.lines)
    text_free(session, &session.input)


# Lines

cdef void line_add(Session* session, const char* text, size_t length) noexcept nogil:
    text_add(session, &session.line, text, length)


cdef void line_word(Session* session, const char* text) noexcept nogil:
    line_add(session, text, strlen(text))


cdef void line_begin(Session* session, const char* text) noexcept nogil:
    session.line.length = 0
    line_word(session, text)


cdef void line_number(Session* session, long long number, int width) noexcept nogil:
    cdef char text[32]
    line_add(session, text, <size_t> snprintf(text, sizeof(text), "%-*lld", width, number))


cdef void line_end(Session* session, bint shows_values) noexcept nogil:
    cdef bint is_cut = shows_values and session.most and session.line.length > session.most
    cdef size_t i
    if session.is_gone:
        return
    if is_cut:
        session.line.length = session.most
        line_add(session, " ...", 4)
    for i in range(session.line.length):
        if session.line.data[i] == c'\r' or session.line.data[i] == c'\n':
            session.line.data[i] = c' '
    text_add(session, &session.lines, "+", 1)
    text_add(session, &session.lines, session.line.data, session.line.length)
    text_add(session, &session.lines, "\r\n", 2)
    session.count += 1
    if is_cut and not session.is_hinted:
        session.is_hinted = 1
        tell(session, "<hint> The above reply was trimmed. Use 'maxlen 0' to disable trimming.")


cdef void tell(Session* session, const char* text) noexcept nogil:
    line_begin(session, text)
    line_end(session, 0)


# Values

cdef void line_quoted(Session* session, const char* data, size_t length) noexcept nogil:
    cdef char escape[8]
    cdef size_t i
    cdef unsigned char c
    line_add(session, '"', 1)
    for i in range(length):
        c = <unsigned char> data[i]
        if c == c'"' or c == c'\\':
            escape[0] = c'\\'
            escape[1] = <char> c
            line_add(session, escape, 2)
        elif c == c'\n':
            line_add(session, "\\n", 2)
        elif c == c'\r':
            line_add(session, "\\r", 2)
        elif c == c'\t':
            line_add(session, "\\t", 2)
        elif c == c'\a':
            line_add(session, "\\a", 2)
        elif c == c'\b':
            line_add(session, "\\b", 2)
        elif 32 <= c < 127:
            line_add(session, data + i, 1)
        else:
            line_add(session, escape, <size_t> snprintf(escape, sizeof(escape), "\\x%02x", <int> c))
    line_add(session, '"', 1)


cdef bint is_list(lua_State* L) noexcept nogil:
    """Whether a walk over the table on top finds the keys 1, 2, 3, … in this order."""
    cdef double expected = 0
    lua.pushnil(L)
    while lua.next(L, -2):
        lua_pop(L, 1)
        expected += 1
        if lua.type(L, -1) != LUA_TNUMBER or lua.tonumber(L, -1) != expected:
            lua_pop(L, 1)
            return 0
    return 1


cdef void line_table(Session* session, lua_State* L, int level) noexcept nogil:
    """The table on top."""
    cdef bint numbered = is_list(L)
    cdef bint first = 1
    line_add(session, "{", 1)
    lua.pushnil(L)
    while lua.next(L, -2):
        if not first and not session.speaks_valkey:
            line_add(session, "; ", 2)
        first = 0
        if not numbered:
            line_add(session, "[", 1)
            lua.pushvalue(L, -2)
            line_top(session, L, level)
            line_add(session, "]=", 2)
        line_top(session, L, level)
        if session.speaks_valkey:
            line_add(session, "; ", 2)
    line_add(session, "}", 1)


cdef void line_top(Session* session, lua_State* L, int level) noexcept nogil:
    """The value on top, which is popped."""
    cdef int type = lua.type(L, -1)
    cdef char word[64]
    cdef const char* text
    cdef size_t length
    if level == NESTED_MAX or not lua.checkstack(L, 8):
        line_word(session, "<max recursion level reached! Nested table?>")
    elif type == LUA_TSTRING:
        text = lua.tolstring(L, -1, &length)
        if session.speaks_valkey:
            line_add(session, text, length)
        else:
            line_quoted(session, text, length)
    elif type == LUA_TBOOLEAN:
        line_word(session, "true" if lua.toboolean(L, -1) else "false")
    elif type == LUA_TNUMBER:
        snprintf(word, sizeof(word), "%g", lua.tonumber(L, -1))
        line_word(session, word)
    elif type == LUA_TNIL:
        line_word(session, "nil")
    elif type == LUA_TTABLE:
        line_table(session, L, level + 1)
    else:
        text = "function" if type == LUA_TFUNCTION else "thread" if type == LUA_TTHREAD else \
            "light-userdata" if type == LUA_TLIGHTUSERDATA else "userdata"
        snprintf(word, sizeof(word), "%s\"%s@%p\"", " " if session.speaks_valkey else "", text, lua.topointer(L, -1))
        line_word(session, word)
    lua_pop(L, 1)


cdef void line_value(Session* session, lua_State* L, int index) noexcept nogil:
    lua.pushvalue(L, index)
    line_top(session, L, 0)


cdef const char* line_elements(Session* session, const char* reply, int64_t count, bint are_pairs) noexcept nogil:
    cdef int64_t i
    for i in range(count):
        if i:
            line_add(session, ",", 1)
        reply = line_element(session, reply)
        if are_pairs:
            line_add(session, " => ", 4)
            reply = line_element(session, reply)
    return reply


cdef const char* line_element(Session* session, const char* reply) noexcept nogil:
    """Answers the place behind it."""
    cdef char kind = reply[0]
    cdef const char* end = reply + 1
    cdef int64_t number = 0
    while end[0] != c'\r':
        end += 1
    if kind == c'+' or kind == c'-':
        line_quoted(session, reply, <size_t> (end - reply))
        return end + 2
    if kind == c':':
        line_add(session, reply + 1, <size_t> (end - reply) - 1)
        return end + 2
    if kind == c',':
        line_word(session, "(double) ")
        line_add(session, reply + 1, <size_t> (end - reply) - 1)
        return end + 2
    if kind == c'_':
        line_word(session, "(null)")
        return end + 2
    if kind == c'#':
        line_word(session, "#true" if reply[1] == c't' else "#false")
        return end + 2
    parse_int64(reply + 1, <size_t> (end - reply) - 1, &number)
    reply = end + 2
    if (kind == c'$' or kind == c'*') and number < 0:
        line_word(session, "NULL")
        return reply
    if kind == c'$':
        line_quoted(session, reply, <size_t> number)
        return reply + number + 2
    if kind == c'*':
        line_add(session, "[", 1)
        reply = line_elements(session, reply, number, 0)
        line_add(session, "]", 1)
    elif kind == c'%':
        line_add(session, "{", 1)
        reply = line_elements(session, reply, number, 1)
        line_add(session, "}", 1)
    elif kind == c'~':
        line_add(session, "~(", 2)
        reply = line_elements(session, reply, number, 0)
        line_add(session, ")", 1)
    elif kind == c'=':
        return reply + number + 2       # the originals show nothing of these
    return reply


cdef void line_reply(Session* session, const char* reply) noexcept nogil:
    line_element(session, reply)


# The socket

cdef bint wait_for(Session* session, int events, int milliseconds) noexcept nogil:
    cdef pollfd entry
    cdef int ready
    while True:
        entry.fd = session.fd
        entry.events = <short> events
        entry.revents = 0
        ready = poll(&entry, 1, milliseconds)
        if ready >= 0 or errno.errno != errno.EINTR:
            return ready > 0


cdef void session_write(Session* session, const char* data, size_t length) noexcept nogil:
    cdef ssize_t written
    while length and not session.is_gone:
        written = send(session.fd, data, length, MSG_NOSIGNAL)
        if written >= 0:
            data += written
            length -= <size_t> written
        elif errno.errno == errno.EAGAIN:
            session.is_gone = not wait_for(session, POLL_WRITE, WRITE_SECONDS * 1000)
        elif errno.errno != errno.EINTR:
            session.is_gone = 1


cdef void session_flush(Session* session) noexcept nogil:
    cdef char header[32]
    session_write(session, header, <size_t> snprintf(header, sizeof(header), "*%d\r\n", session.count))
    session_write(session, session.lines.data, session.lines.length)
    session.lines.length = 0
    session.count = 0


cdef bint receive(Session* session) noexcept nogil:
    """More of the input, for which it waits."""
    cdef char data[READ_BYTES]
    cdef ssize_t count
    while True:
        count = recv(session.fd, data, READ_BYTES, 0)
        if count > 0:
            text_add(session, &session.input, data, <size_t> count)
            return 1
        if count == 0 or (errno.errno != errno.EAGAIN and errno.errno != errno.EINTR):
            session.is_gone = 1
            return 0
        wait_for(session, POLL_READ, -1)


cdef int take_number(Session* session, size_t* place, char kind, int most) noexcept nogil:
    """The number of a line that begins with this kind: -1 where it is no such line or more than that, -2 where more
    must come."""
    cdef const char* start = session.input.data + place[0]
    cdef size_t left = session.input.length - place[0]
    cdef const char* end
    cdef int64_t number
    if left == 0:
        return -2
    if start[0] != kind:
        return -1
    end = <const char*> memchr(start, c'\n', left)
    if end == NULL:
        return -2 if left < 32 else -1
    if (end - 1)[0] != c'\r' or not parse_int64(start + 1, <size_t> (end - start) - 2, &number) or \
            not 0 < number <= most:
        return -1
    place[0] += <size_t> (end - start) + 1
    return <int> number


cdef int take_command(Session* session) noexcept nogil:
    """1: there it is; 0: it is wrong; -2: more must come."""
    cdef size_t place = 0
    cdef int count = take_number(session, &place, c'*', WORDS_MAX)
    cdef int length, i
    if count < 0:
        return count if count == -2 else 0
    for i in range(count):
        length = take_number(session, &place, c'$', WORD_MAX)
        if length < 0:
            return length if length == -2 else 0
        if session.input.length - place < <size_t> length + 2:
            return -2
        session.words[i].owner = NULL
        session.words[i].data = session.input.data + place
        session.words[i].length = <size_t> length
        place += <size_t> length + 2
    session.words_count = count
    session.taken = place
    return 1


cdef bint session_read(Session* session) noexcept nogil:
    cdef int taken
    if session.taken:
        # Of what comes behind a command, the next one is made.
        session.input.length -= session.taken
        memmove(session.input.data, session.input.data + session.taken, session.input.length)
        session.taken = 0
    while True:
        taken = take_command(session)
        if taken >= 0:
            return taken == 1
        if not receive(session):
            return 0

