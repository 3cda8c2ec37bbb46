"""The debugger of scripts; the contract is in lua_debugger.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport INT32_MAX, int64_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport strtol
from libc.string cimport memchr, memcmp, memcpy, strcmp, strlen, strncmp, strstr
from posix.unistd cimport _exit
from redislite._core.base.alloc cimport heap_alloc, heap_free, heap_zalloc
from redislite._core.base.clock cimport clock_counter
from redislite._core.protocol.reply cimport chunk_data
from redislite._core.scripting.debug_session cimport (
    LINE_LEAST, WORDS_MAX, Session, line_add, line_begin, line_end, line_number, line_reply, line_value, line_word,
    session_begin, session_end, session_flush, session_read, session_write, tell,
)
from redislite._core.scripting.lua_api cimport (
    LUA_HOOKLINE, LUA_REGISTRYINDEX, LUA_TSTRING, LUA_TTABLE, lua, lua_Debug, lua_State, lua_pop,
)
from redislite._core.scripting.lua_sandbox cimport load_source
from redislite._core.scripting.lua_values cimport error_push
from redislite._core.text.numbers cimport parse_int64
from redislite._core.state.core cimport Argument, Chunk, Core, Reply

cdef enum:
    AROUND = 5                  # lines that list shows before and behind one
    LEVELS_MAX = 1000           # of the stack, that are looked through for a variable


cdef const char** HELP = [
    b"Commands of the debugger; the letters in brackets will do:",
    b"[h]elp                    Tell of the commands.",
    b"[s]tep, [n]ext            Run this line, and stop at the next one.",
    b"[c]ontinue                Run to the next breakpoint.",
    b"[l]ist [line] [context]   Show the source around a line, or around the one where the script is (0).",
    b"[w]hole                   Show all of the source.",
    b"[p]rint [name]            Show a local variable, KEYS or ARGV; without a name, all local variables.",
    b"[b]reak [line]            Set a breakpoint; -line removes one, 0 all of them. Without a line, show them.",
    b"[t]race                   Show which function has called which.",
    b"[e]val <code>             Run Lua code that sees the globals, and no local variables.",
    b"[r]edis <command>         Have the server execute a command.",
    b"[m]axlen [bytes]          Show so much of a value or a reply at the most; 0: all of it.",
    b"[a]bort                   End the script. What it has changed in sync mode stays.",
    b"",
    b"Of a script: redis.debug(...) shows values here, and redis.breakpoint() stops at the line behind it.",
    NULL,
]
# The two lines that are others in Valkey's dialect.
cdef const char* HELP_VALKEY = b"[v]alkey <command>        Have the server execute a command."
cdef const char* HELP_MAXLEN = \
    b"[max]len [bytes]          Show so much of a value or a reply at the most; 0: all of it."


cdef Debugger* debugger_begin(Core* core, int fd, const char* source, size_t length) noexcept nogil:
    cdef Debugger* debugger = <Debugger*> heap_zalloc(core.heap, sizeof(Debugger))
    cdef size_t i
    if debugger == NULL:
        return NULL
    session_begin(&debugger.session, core, fd)
    while length and (source[length - 1] == c'\n' or source[length - 1] == c'\r'):
        length -= 1
    debugger.core = core
    debugger.source = source
    debugger.source_length = length
    debugger.lines = 1 if length else 0
    for i in range(length):
        debugger.lines += source[i] == c'\n'
    debugger.is_stepping = 1
    return debugger


cdef void debugger_finish(Debugger* debugger) noexcept nogil:
    tell(&debugger.session, "<endsession>")
    session_flush(&debugger.session)


cdef void debugger_exit(Debugger* debugger, Reply* reply) noexcept nogil:
    cdef Chunk* chunk = reply.first
    while chunk != NULL:
        session_write(&debugger.session, chunk_data(chunk), chunk.length)
        chunk = chunk.next
    _exit(0)


cdef void debugger_free(Debugger* debugger) noexcept nogil:
    session_end(&debugger.session)
    heap_free(debugger.core.heap, debugger, sizeof(Debugger))


# What the script calls

cdef inline bint is_told(const Debugger* debugger) noexcept nogil:
    return debugger.is_stepping or debugger.is_telling


cdef void debugger_command(Debugger* debugger, const Argument* argv, int argc) noexcept nogil:
    cdef Session* session = &debugger.session
    cdef int i
    if not is_told(debugger):
        return
    line_begin(session, "<command>" if session.speaks_valkey else "<redis>")
    for i in range(argc):
        line_add(session, " ", 1)
        line_add(session, argv[i].data, argv[i].length)
    line_end(session, 0)


cdef void tell_reply(Session* session, const char* reply) noexcept nogil:
    line_begin(session, "<reply> ")
    line_reply(session, reply)
    line_end(session, 1)


cdef void tell_error_reply(Session* session, const char* reply) noexcept nogil:
    cdef const char* end = reply
    while end[0] != c'\r':
        end += 1
    line_begin(session, "<error> ")
    line_add(session, reply, <size_t> (end - reply))
    if session.speaks_valkey:
        line_add(session, "  ", 2)
    line_end(session, 0)


cdef void debugger_reply(Debugger* debugger, const char* reply) noexcept nogil:
    cdef Session* session = &debugger.session
    if not is_told(debugger):
        return
    if reply[0] != c'-':
        tell_reply(session, reply)
    elif session.speaks_valkey:
        tell_reply(session, reply)
        tell_error_reply(session, reply)
    else:
        tell_error_reply(session, reply)
        tell_reply(session, reply)


cdef void debugger_error(Debugger* debugger, const char* error) noexcept nogil:
    if not is_told(debugger):
        return
    line_begin(&debugger.session, "<error> ")
    line_word(&debugger.session, error + 4 if strlen(error) > 4 and error[3] == c' ' else error)
    line_end(&debugger.session, 0)


cdef void debugger_tell_values(Debugger* debugger, lua_State* L) noexcept nogil:
    cdef Session* session = &debugger.session
    cdef int count = lua.gettop(L)
    cdef int i
    line_begin(session, "<debug> line ")
    line_number(session, debugger.line, 0)
    line_word(session, ": ")
    for i in range(1, count + 1):
        if i > 1:
            line_word(session, ", ")
        line_value(session, L, i)
    line_end(session, 0)


# Source

cdef void tell_line(Debugger* debugger, int number) noexcept nogil:
    cdef Session* session = &debugger.session
    cdef const char* at = debugger.source
    cdef const char* end = at + debugger.source_length
    cdef const char* behind
    cdef int i
    line_begin(session, "->" if number == debugger.line else "  ")
    line_word(session, "#" if breakpoint_at(debugger, number) >= 0 else " ")
    line_number(session, number, 3)
    line_word(session, " ")
    if number > debugger.lines:
        line_word(session, "<out of range source code line>")
    else:
        for i in range(number - 1):
            at = <const char*> memchr(at, c'\n', <size_t> (end - at)) + 1
        behind = <const char*> memchr(at, c'\n', <size_t> (end - at))
        line_add(session, at, <size_t> ((end if behind == NULL else behind) - at))
    line_end(session, 0)


cdef void tell_lines(Debugger* debugger, int64_t around, int64_t context) noexcept nogil:
    cdef int64_t number = around - context if around - context > 1 else 1
    cdef int64_t last = around + context if around + context < debugger.lines else debugger.lines
    while number <= last:
        tell_line(debugger, <int> number)
        number += 1


cdef int breakpoint_at(const Debugger* debugger, int line) noexcept nogil:
    cdef int i
    for i in range(debugger.breakpoints_count):
        if debugger.breakpoints[i] == line:
            return i
    return -1


# Commands

cdef int64_t number_of(const Argument* word) noexcept nogil:
    """The whole number that a word begins with, or 0, within 32 bits."""
    cdef char text[16]
    cdef size_t length = min(word.length, sizeof(text) - 1)
    memcpy(text, word.data, length)
    text[length] = 0
    return max(min(strtol(text, NULL, 10), <long> INT32_MAX), <long> -INT32_MAX)


cdef bint run_help(Debugger* debugger) noexcept nogil:
    cdef Session* session = &debugger.session
    cdef const char** text = HELP
    while text[0] != NULL:
        if session.speaks_valkey and strncmp(text[0], b"[r]", 3) == 0:
            tell(session, HELP_VALKEY)
        elif session.speaks_valkey and strncmp(text[0], b"[m]", 3) == 0:
            tell(session, HELP_MAXLEN)
        else:
            tell(session, text[0])
        text += 1
    return 0


cdef bint run_list(Debugger* debugger) noexcept nogil:
    cdef Session* session = &debugger.session
    cdef int64_t around = debugger.line
    cdef int64_t context = AROUND
    if session.words_count > 1 and number_of(&session.words[1]) > 0:
        around = number_of(&session.words[1])
    if session.words_count > 2:
        context = number_of(&session.words[2])
    tell_lines(debugger, around, context)
    return 0


cdef void tell_value(Debugger* debugger, lua_State* L, const char* name) noexcept nogil:
    """Of the value on top, which is popped."""
    line_begin(&debugger.session, "<value> ")
    if name != NULL:
        line_word(&debugger.session, name)
        line_word(&debugger.session, " = ")
    line_value(&debugger.session, L, -1)
    line_end(&debugger.session, 1)
    lua_pop(L, 1)


cdef bint push_variable(lua_State* L, const Argument* word) noexcept nogil:
    """The local variable of this name, the innermost function first."""
    cdef lua_Debug record
    cdef const char* name
    cdef int level, i
    for level in range(LEVELS_MAX):
        if not lua.getstack(L, level, &record):
            return 0
        i = 1
        name = lua.getlocal(L, &record, i)
        while name != NULL:
            if strlen(name) == word.length and memcmp(name, word.data, word.length) == 0:
                return 1
            lua_pop(L, 1)
            i += 1
            name = lua.getlocal(L, &record, i)
    return 0


cdef bint push_arguments(Debugger* debugger, lua_State* L, const Argument* word) noexcept nogil:
    """KEYS or ARGV."""
    if word.length != 4 or (memcmp(word.data, b"KEYS", 4) != 0 and memcmp(word.data, b"ARGV", 4) != 0):
        return 0
    lua.rawgeti(L, LUA_REGISTRYINDEX, debugger.globals)
    lua.pushlstring(L, word.data, word.length)
    lua.rawget(L, -2)
    lua.remove(L, -2)
    return 1


cdef bint run_print(Debugger* debugger, lua_State* L, lua_Debug* record) noexcept nogil:
    cdef Session* session = &debugger.session
    cdef const char* name
    cdef int i = 1
    cdef int told = 0
    if session.words_count == 2:
        if push_variable(L, &session.words[1]) or push_arguments(debugger, L, &session.words[1]):
            tell_value(debugger, L, NULL)
        else:
            tell(session, "No such variable.")
        return 0
    name = lua.getlocal(L, record, i)
    while name != NULL:
        if strstr(name, "(*temporary)") == NULL:
            tell_value(debugger, L, name)
            told += 1
        else:
            lua_pop(L, 1)
        i += 1
        name = lua.getlocal(L, record, i)
    if told == 0:
        tell(session, "No local variables in the current context.")
    return 0


cdef void set_breakpoint(Debugger* debugger, const Argument* word) noexcept nogil:
    cdef Session* session = &debugger.session
    cdef int64_t number
    cdef int index
    if not parse_int64(word.data, word.length, &number):
        line_begin(session, "Invalid argument:'")
        line_add(session, word.data, word.length)
        line_word(session, "'")
        line_end(session, 0)
    elif number == 0:
        debugger.breakpoints_count = 0
        tell(session, "All breakpoints removed.")
    elif number < 0:
        index = breakpoint_at(debugger, <int> -number) if -number <= debugger.lines else -1
        if index < 0:
            tell(session, "No breakpoint in the specified line.")
            return
        debugger.breakpoints_count -= 1
        debugger.breakpoints[index] = debugger.breakpoints[debugger.breakpoints_count]
        tell(session, "Breakpoint removed.")
    elif debugger.breakpoints_count == BREAKPOINTS_MAX:
        tell(session, "Too many breakpoints set.")
    elif number > debugger.lines or breakpoint_at(debugger, <int> number) >= 0:
        tell(session, "Wrong line number.")
    else:
        debugger.breakpoints[debugger.breakpoints_count] = <int> number
        debugger.breakpoints_count += 1
        tell_lines(debugger, number, 1)


cdef bint run_break(Debugger* debugger) noexcept nogil:
    cdef Session* session = &debugger.session
    cdef int i
    for i in range(1, session.words_count):
        set_breakpoint(debugger, &session.words[i])
    if session.words_count > 1:
        return 0
    if debugger.breakpoints_count == 0:
        tell(session, "No breakpoints set. Use 'b <line>' to add one.")
        return 0
    line_begin(session, "")
    line_number(session, debugger.breakpoints_count, 0)
    line_word(session, " breakpoints set:")
    line_end(session, 0)
    for i in range(debugger.breakpoints_count):
        tell_line(debugger, debugger.breakpoints[i])
    return 0


cdef bint run_trace(Debugger* debugger, lua_State* L) noexcept nogil:
    cdef Session* session = &debugger.session
    cdef lua_Debug frame
    cdef int level = 0
    while lua.getstack(L, level, &frame):
        lua.getinfo(L, "Snl", &frame)
        if strstr(frame.short_src, "user_script") != NULL:
            line_begin(session, "From " if level else "In ")
            line_word(session, frame.name if frame.name != NULL else <const char*> b"top level")
            line_word(session, ":")
            line_end(session, 0)
            tell_line(debugger, frame.currentline)
        level += 1
    return 0


cdef char* join_words(Debugger* debugger, const char* before, size_t* length) noexcept nogil:
    """The words behind the first, one space between each two; a block of *length bytes. NULL where memory is out."""
    cdef Session* session = &debugger.session
    cdef size_t place = strlen(before)
    cdef char* text
    cdef int i
    length[0] = place
    for i in range(1, session.words_count):
        length[0] += session.words[i].length + (i > 1)
    text = <char*> heap_alloc(debugger.core.heap, length[0] + 1)
    if text == NULL:
        return NULL
    memcpy(text, before, place)
    for i in range(1, session.words_count):
        if i > 1:
            text[place] = c' '
            place += 1
        memcpy(text + place, session.words[i].data, session.words[i].length)
        place += session.words[i].length
    text[place] = 0
    return text


cdef bint load_words(Debugger* debugger, lua_State* L, const char* before) noexcept nogil:
    """Pushes the function that the words are the code of, or what is wrong with them."""
    cdef size_t length
    cdef char* text = join_words(debugger, before, &length)
    cdef bint failed
    if text == NULL:
        lua.pushnil(L)
        return 0
    failed = load_source(L, text, length, b"@ldb_eval") != 0
    heap_free(debugger.core.heap, text, length + 1)
    return not failed


cdef void line_failure(Session* session, lua_State* L) noexcept nogil:
    """The error on top: its text, or what the table says."""
    cdef const char* text
    cdef size_t length
    if lua.type(L, -1) == LUA_TTABLE:
        lua.pushlstring(L, b"err", 3)
        lua.rawget(L, -2)
        if lua.type(L, -1) == LUA_TSTRING:
            lua.remove(L, -2)
        else:
            lua_pop(L, 1)
    if lua.type(L, -1) == LUA_TSTRING:
        text = lua.tolstring(L, -1, &length)
        line_add(session, text, length)
    else:
        line_value(session, L, -1)


cdef bint run_eval(Debugger* debugger, lua_State* L) noexcept nogil:
    cdef Session* session = &debugger.session
    cdef int top = lua.gettop(L)
    # As an expression first, so that its value can be told.
    if not load_words(debugger, L, "return "):
        lua.settop(L, top)
        if not load_words(debugger, L, ""):
            line_begin(session, "Error compiling code: " if session.speaks_valkey else "<error> ")
            line_failure(session, L)
            line_end(session, 0)
            lua.settop(L, top)
            return 0
    if lua.pcall(L, 0, 1, 0) != 0:
        line_begin(session, "<error> ")
        line_failure(session, L)
        line_end(session, 0)
    else:
        line_begin(session, "<retval> ")
        line_value(session, L, -1)
        line_end(session, 1)
    lua.settop(L, top)
    return 0


cdef bint run_command(Debugger* debugger, lua_State* L) noexcept nogil:
    cdef Session* session = &debugger.session
    cdef int top = lua.gettop(L)
    cdef int i
    if not lua.checkstack(L, session.words_count + 2):
        tell(session, "<error> Too many arguments")
        return 0
    lua.pushcclosure(L, debugger.call, 0)
    for i in range(1, session.words_count):
        lua.pushlstring(L, session.words[i].data, session.words[i].length)
    debugger.is_telling = 1
    if lua.pcall(L, session.words_count - 1, 0, 0) != 0:
        line_begin(session, "<error> ")
        line_failure(session, L)
        line_end(session, 0)
    debugger.is_telling = 0
    lua.settop(L, top)
    return 0


cdef bint run_maxlen(Debugger* debugger) noexcept nogil:
    cdef Session* session = &debugger.session
    cdef int64_t most
    if session.words_count == 2:
        if session.speaks_valkey and not (parse_int64(session.words[1].data, session.words[1].length,
                                                      &most) and most >= 0):
            tell(session, "<error> Invalid maxlen value.")
            return 0
        most = number_of(&session.words[1])
        session.most = 0 if most == 0 else <size_t> max(most, <int64_t> LINE_LEAST)
        session.is_hinted = 1           # who sets it knows
    elif session.speaks_valkey:
        line_begin(session, "Current maxlen is ")
        line_number(session, <long long> session.most, 0)
        line_end(session, 0)
        return 0
    if session.most:
        line_begin(session, "<value> replies are truncated at ")
        line_number(session, <long long> session.most, 0)
        line_word(session, " bytes.")
        line_end(session, 0)
    elif session.speaks_valkey:
        tell(session, "<value> replies are not truncated.")
    else:
        tell(session, "<value> replies are unlimited.")
    return 0


cdef bint is_command(const Session* session, const char* name, const char* short_name, int least,
                     int most) noexcept nogil:
    """Whether that is the command that was read. Valkey looks at the number of its words."""
    cdef const Argument* word = &session.words[0]
    cdef char small[16]
    cdef size_t i
    if word.length >= sizeof(small):
        return 0
    for i in range(word.length):
        small[i] = word.data[i] + 32 if c'A' <= word.data[i] <= c'Z' else word.data[i]
    small[word.length] = 0
    if strcmp(small, name) != 0 and strcmp(small, short_name) != 0:
        return 0
    return not session.speaks_valkey or least <= session.words_count <= most


cdef bint run(Debugger* debugger, lua_State* L, lua_Debug* record) noexcept nogil:
    """The command that was read; true where the script goes on."""
    cdef Session* session = &debugger.session
    if is_command(session, "help", "h", 1, 1):
        return run_help(debugger)
    if is_command(session, "step", "s", 1, 1) or is_command(session, "next", "n", 1, 1):
        debugger.is_stepping = 1
        return 1
    if is_command(session, "continue", "c", 1, 1):
        return 1
    if is_command(session, "list", "l", 1, 3):
        return run_list(debugger)
    if is_command(session, "whole", "w", 1, 1):
        tell_lines(debugger, 1, INT32_MAX)
        return 0
    if is_command(session, "print", "p", 1, 2):
        return run_print(debugger, L, record)
    if is_command(session, "break", "b", 1, 2):
        return run_break(debugger)
    if is_command(session, "trace", "t", 1, 1):
        return run_trace(debugger, L)
    if is_command(session, "eval", "e", 2, WORDS_MAX):
        return run_eval(debugger, L)
    if session.words_count > 1 and (is_command(session, "redis", "r", 2, WORDS_MAX)
                                    or (session.speaks_valkey and (is_command(session, "valkey", "v", 2, WORDS_MAX)
                                                                   or is_command(session, "server", "v", 2,
                                                                                 WORDS_MAX)))):
        return run_command(debugger, L)
    if is_command(session, "maxlen", "max" if session.speaks_valkey else "m", 1, 2):
        return run_maxlen(debugger)
    if is_command(session, "abort", "a", 1, 1):
        debugger.error = "ERR script aborted for user request"
        return 1
    tell(session, "<error> Unknown debugger command or wrong number of arguments." if session.speaks_valkey else
         "<error> Unknown Redis Lua debugger command or wrong number of arguments.")
    return 0


# Stopping

cdef void stop(Debugger* debugger, lua_State* L, lua_Debug* record, const char* reason) noexcept nogil:
    """Tells where the script is, and does what it is told until it is to go on."""
    cdef Session* session = &debugger.session
    debugger.is_stepping = 0
    line_begin(session, "* Stopped at ")
    line_number(session, debugger.line, 0)
    line_word(session, ", stop reason = ")
    line_word(session, reason)
    line_end(session, 0)
    tell_line(debugger, debugger.line)
    session_flush(session)
    while not session.is_gone:
        if session_read(session):
            if run(debugger, L, record):
                break
            session_flush(session)
        elif not session.is_gone:
            debugger.error = "ERR protocol error"
            break
    debugger.resumed = clock_counter()
    if debugger.error != NULL:
        raise_error(debugger, L)


cdef void raise_error(Debugger* debugger, lua_State* L) noexcept nogil:
    debugger.is_stepping = 0
    error_push(L, debugger.error, strlen(debugger.error))
    lua.error(L)


cdef void debugger_hook(Debugger* debugger, lua_State* L, lua_Debug* record) noexcept nogil:
    cdef const char* reason = NULL
    if debugger.error != NULL:
        raise_error(debugger, L)        # something has caught it
    if debugger.session.is_gone or record.i_ci == 0:
        return
    lua.getinfo(L, "Sl", record)
    # Of code that the debugger or the script has compiled, the lines are others.
    if strstr(record.short_src, "user_script") == NULL:
        return
    debugger.line = record.currentline
    if record.event != LUA_HOOKLINE:
        if not debugger.is_stepping and debugger.core.settings.script_slow_ms > 0 and \
                <double> (clock_counter() - debugger.resumed) * debugger.core.ns_per_tick > \
                debugger.core.settings.script_slow_ms * 1e6:
            stop(debugger, L, record, "timeout reached, infinite loop?")
    elif debugger.is_called:
        debugger.is_called = 0
        stop(debugger, L, record, "server.breakpoint() called" if debugger.session.speaks_valkey
             else "redis.breakpoint() called")
    elif breakpoint_at(debugger, debugger.line) >= 0:
        stop(debugger, L, record, "break point")
    elif debugger.is_stepping:
        stop(debugger, L, record, "step over")
