"""What a debugging session of a script has on its client's socket: lines that are told, and commands that are read.

    line_begin ─▶ line_add, line_value, line_reply, … ─▶ line_end ─▶ lines ─▶ session_flush: *n, a simple string each
    session_read: an array of bulk strings ─▶ words

Reading and writing wait: who debugs a script has a process of its own (SCRIPT DEBUG YES), or wants the server to stand
still (SYNC). A client that goes away, or takes nothing for WRITE_SECONDS, ends the session: is_gone.

The dialect is Redis's or Valkey's: words, and how values are shown. All memory is the engine's; where it is out,
something is missing in what is told.
"""
from libc.stddef cimport size_t
from redislite._core.scripting.lua_api cimport lua_State
from redislite._core.state.core cimport Argument, Core

cdef enum:
    WORDS_MAX = 1024            # of a command
    WORD_MAX = 1024             # bytes of one
    LINE_LEAST = 60             # bytes that a limit may be, if there is one
    LINE_DEFAULT = 256
    WRITE_SECONDS = 5


cdef struct Text:
    char* data
    size_t length
    size_t capacity


cdef struct Session:
    Core* core
    int fd
    bint is_gone                # nothing is told or read any more
    bint speaks_valkey
    size_t most                 # bytes of a line that shows values; 0: no limit
    bint is_hinted              # that there is a limit has been told
    Text line                   # the one that is being made
    Text lines                  # those that wait, as they will be written
    int count                   # of them
    Text input
    size_t taken                # of the input, by the last command
    Argument words[WORDS_MAX]   # of the last command; in the input
    int words_count


cdef void session_begin(Session* session, Core* core, int fd) noexcept nogil
# Releases what it has.
cdef void session_end(Session* session) noexcept nogil
cdef void line_begin(Session* session, const char* text) noexcept nogil
cdef void line_add(Session* session, const char* text, size_t length) noexcept nogil
cdef void line_word(Session* session, const char* text) noexcept nogil
# A number in decimal digits, padded with spaces behind them.
cdef void line_number(Session* session, long long number, int width) noexcept nogil
# The Lua value at this index. May raise Lua's error for want of memory.
cdef void line_value(Session* session, lua_State* L, int index) noexcept nogil
# A whole reply in RESP.
cdef void line_reply(Session* session, const char* reply) noexcept nogil
# The line is through; one that shows values is cut where it is too long.
cdef void line_end(Session* session, bint shows_values) noexcept nogil
# A line of this text.
cdef void tell(Session* session, const char* text) noexcept nogil
# Writes the lines that wait, even if there are none.
cdef void session_flush(Session* session) noexcept nogil
# Writes bytes that are no lines.
cdef void session_write(Session* session, const char* data, size_t length) noexcept nogil
# Waits for the next command. False where it breaks the protocol, or the client is gone.
cdef bint session_read(Session* session) noexcept nogil
