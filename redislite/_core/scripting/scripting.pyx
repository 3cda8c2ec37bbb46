"""Scripts; the contract is in scripting.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memchr, memcpy, strlen
from redislite._core.base.alloc cimport heap_alloc, heap_footprint, heap_free, heap_realloc, heap_zalloc
from redislite._core.commands.arguments cimport reply_out_of_memory
from redislite._core.commands.table cimport command_resolve
from redislite._core.dispatch.permissions cimport permissions_allow
from redislite._core.protocol.reply cimport (
    ReplyMark, chunk_data, count_error, reply_custom_error, reply_error_again, reply_error_bytes, reply_mark,
    reply_pending, reply_rollback,
)
from redislite._core.scripting.calling cimport (
    RUN_FUNCTION, Run, killed_text, run_begin, run_call, run_drop_reply, run_end, run_must_end, run_refusal,
)
from redislite._core.scripting.lua_api cimport (
    LUA_GCCOLLECT, LUA_MASKCOUNT, LUA_MASKLINE, LUA_REGISTRYINDEX, LUA_TNUMBER, LUA_TSTRING, LUA_TTABLE, lua, lua_Debug,
    lua_State, lua_fail, lua_pop, lua_set, lua_set_function, lua_set_number, lua_set_string,
)
from redislite._core.scripting.lua_bit cimport open_bit
from redislite._core.scripting.lua_debugger cimport (
    Debugger, debugger_command, debugger_error, debugger_hook, debugger_reply, debugger_tell_values,
)
from redislite._core.scripting.lua_json cimport open_cjson
from redislite._core.scripting.lua_messagepack cimport open_cmsgpack
from redislite._core.scripting.lua_sandbox cimport (
    error_handler, guard, load_source, sandbox_add_deprecated, sandbox_close, sandbox_open,
)
from redislite._core.scripting.lua_struct cimport open_struct
from redislite._core.scripting.lua_values cimport (
    NUMBER_TEXT_MAX, error_is_marked, error_mark, error_push, number_text, value_push, value_reply,
)
from redislite._core.state.core cimport Argument, Chunk, Client, Command, Core
from redislite._core.state.flags cimport PROPAGATE_AOF, PROPAGATE_REPLICAS
from redislite._core.text.sha1 cimport SHA1_HEX, sha1_hex

cdef enum:
    HOOK_INSTRUCTIONS = 100000  # between two looks at the clock
    ERROR_MAX = 1024            # bytes of an error that a script ends with
    ARGUMENTS_LEAST = 16
    MEMORY_LEAST = 64 << 20     # bytes that Lua may have, however small maxmemory is
    PROPAGATE_EVERYWHERE = PROPAGATE_AOF | PROPAGATE_REPLICAS


cdef extern from "<unistd.h>" nogil:
    enum:
        _SC_PAGESIZE
        _SC_PHYS_PAGES
    long sysconf(int name)

# What calls answer that fail, as Redis says it and as Valkey does.
cdef enum:
    TEXT_UNKNOWN
    TEXT_ARITY
    TEXT_NO_ARGUMENT
    TEXT_NO_STRING
    TEXT_SETRESP
    TEXT_LOG
    TEXT_SET_REPL
    TEXT_ACL
    TEXTS_COUNT

cdef const char** TEXTS = [
    b"ERR Unknown Redis command called from script",
    b"ERR Wrong number of args calling Redis command from script",
    b"ERR Please specify at least one argument for this redis lib call",
    b"ERR Lua redis lib command arguments must be strings or integers",
    b"ERR redis.setresp() requires one argument.",
    b"ERR redis.log() requires two arguments or more.",
    b"ERR redis.set_repl() requires one argument.",
    b"ERR Invalid command passed to redis.acl_check_cmd()",
    # Valkey's
    b"ERR Unknown command called from script",
    b"ERR Wrong number of args calling command from script",
    b"ERR Please specify at least one argument for this call",
    b"ERR Command arguments must be strings or integers",
    b"ERR server.setresp() requires one argument.",
    b"ERR server.log() requires two arguments or more.",
    b"ERR server.set_repl() requires one argument.",
    b"ERR Invalid command passed to server.acl_check_cmd()",
]


cdef inline const char* text_of(const Core* core, int text) noexcept nogil:
    return TEXTS[text + TEXTS_COUNT if core.settings.script_errors_brief else text]


cdef size_t take_larger(Scripting* scripting, void* block, size_t size) noexcept nogil:
    """The size that a block has, which is about to go or to change."""
    cdef int i
    for i in range(scripting.larger_count):
        if scripting.larger[i].block == block:
            size = scripting.larger[i].size
            scripting.larger_count -= 1
            scripting.larger[i] = scripting.larger[scripting.larger_count]
            break
    return size


cdef void* allocate(void* owner, void* block, size_t old_size, size_t new_size) noexcept nogil:
    """Lua's memory is the engine's, and counted as such. Less is never refused: where a block cannot be made smaller,
    it stays as it is, since Lua takes that for granted where it could not bear an error."""
    cdef Scripting* scripting = <Scripting*> owner
    cdef void* moved
    cdef size_t size = old_size
    cdef bint is_too_much
    if scripting.larger_count and block != NULL:
        size = take_larger(scripting, block, old_size)
    if new_size == 0:
        if block != NULL:
            heap_free(scripting.core.heap, block, size)
            scripting.memory -= heap_footprint(size)
        return NULL
    if block == NULL:
        size = 0
    is_too_much = new_size > size and scripting.memory + (new_size - size) > scripting.memory_most
    if block == NULL:
        moved = NULL if is_too_much else heap_alloc(scripting.core.heap, new_size)
        if moved != NULL:
            scripting.memory += heap_footprint(new_size)
        return moved
    moved = NULL if is_too_much else heap_realloc(scripting.core.heap, block, size, new_size)
    if moved != NULL:
        scripting.memory += heap_footprint(new_size)
        scripting.memory -= heap_footprint(size)
    elif (new_size <= size or size != old_size) and scripting.larger_count < LARGER_BLOCKS:
        scripting.larger[scripting.larger_count].block = block
        scripting.larger[scripting.larger_count].size = size
        scripting.larger_count += 1
        if new_size <= size:
            return block
    return moved


cdef inline Scripting* owner_of(lua_State* L) noexcept nogil:
    cdef void* owner
    lua.getallocf(L, &owner)
    return <Scripting*> owner


# Calls from Lua

cdef void on_count(lua_State* L, lua_Debug* record) noexcept nogil:
    """Called by Lua's virtual machine now and then."""
    cdef Scripting* scripting = owner_of(L)
    if scripting.run.client == NULL or not run_must_end(scripting.core):
        return
    # From here on each line ends in this error, whatever catches it.
    lua.sethook(L, on_count, LUA_MASKLINE | LUA_MASKCOUNT, 1)
    lua_fail(L, killed_text(&scripting.run))


cdef int fail(lua_State* L, const char* text, bint raising) noexcept nogil:
    """Ends redis.call with an error, or redis.pcall with a table that tells it."""
    error_push(L, text, strlen(text))
    return lua.error(L) if raising else 1


cdef bint reserve_arguments(Scripting* scripting, int count) noexcept nogil:
    cdef size_t need = <size_t> (count if count > ARGUMENTS_LEAST else ARGUMENTS_LEAST) * \
        (sizeof(Argument) + NUMBER_TEXT_MAX)
    cdef char* room
    if scripting.arguments_capacity >= need:
        return 1
    room = <char*> heap_realloc(scripting.core.heap, scripting.arguments, scripting.arguments_capacity, need)
    if room == NULL:
        return 0
    scripting.arguments = room
    scripting.arguments_capacity = need
    return 1


cdef void drop_reply(Scripting* scripting) noexcept nogil:
    run_drop_reply(&scripting.run)
    if scripting.reply != NULL:
        heap_free(scripting.core.heap, scripting.reply, scripting.reply_capacity)
        scripting.reply = NULL
        scripting.reply_capacity = 0


cdef const char* whole_reply(Scripting* scripting) noexcept nogil:
    """The caller's output in one piece; NULL where memory is out."""
    cdef Client* caller = scripting.run.caller
    cdef Chunk* chunk = caller.reply.first
    cdef size_t length, used
    cdef char* room
    if caller.reply.starved or chunk == NULL:
        return NULL
    if chunk.next == NULL:
        return chunk_data(chunk)
    length = reply_pending(&caller.reply)
    if scripting.reply_capacity < length:
        room = <char*> heap_realloc(scripting.core.heap, scripting.reply, scripting.reply_capacity, length)
        if room == NULL:
            return NULL
        scripting.reply = room
        scripting.reply_capacity = length
    used = 0
    while chunk != NULL:
        memcpy(scripting.reply + used, chunk_data(chunk), chunk.length)
        used += chunk.length
        chunk = chunk.next
    return scripting.reply


cdef const char* unknown_subcommand(Scripting* scripting, const Command* command) noexcept nogil:
    cdef const Argument* word = &(<Argument*> scripting.arguments)[1]
    cdef char upper[64]
    cdef int i
    for i in range(command.name_length):
        upper[i] = <char> (command.name[i] - 32 if c'a' <= command.name[i] <= c'z' else command.name[i])
    snprintf(scripting.error, sizeof(scripting.error), "ERR unknown subcommand '%.*s'. Try %.*s HELP.",
             <int> min(word.length, <size_t> 128), word.data, command.name_length, upper)
    return scripting.error


cdef const char* refusal(Scripting* scripting, const Command* command, int argc) noexcept nogil:
    """Why the command may not be called from the script that runs; NULL where it may."""
    cdef Core* core = scripting.core
    if command != NULL and command.container and argc >= 2 and core.settings.script_errors_brief:
        return unknown_subcommand(scripting, command)
    if command == NULL or (command.container and argc >= 2):
        return text_of(core, TEXT_UNKNOWN)
    if argc != command.arity and (command.arity > 0 or argc < -command.arity):
        return text_of(core, TEXT_ARITY)
    return run_refusal(core, &scripting.run, command)


cdef int call_from_lua(lua_State* L, bint raising) noexcept nogil:
    cdef Scripting* scripting = owner_of(L)
    cdef Run* run = &scripting.run
    cdef Core* core = scripting.core
    cdef int argc = lua.gettop(L)
    cdef Argument* argv
    cdef char* texts
    cdef Command* command
    cdef const char* reply
    cdef const char* error
    cdef int i, type
    if run.client == NULL:
        return fail(L, "ERR redis.call/pcall can only be called inside a script invocation", 1)
    if argc == 0:
        return fail(L, text_of(core, TEXT_NO_ARGUMENT), raising)
    if not reserve_arguments(scripting, argc):
        return fail(L, "OOM out of memory while a script calls a command", raising)
    argv = <Argument*> scripting.arguments
    texts = scripting.arguments + argc * sizeof(Argument)
    for i in range(argc):
        type = lua.type(L, i + 1)
        argv[i].owner = NULL
        if type == LUA_TSTRING:
            # The string stays on the stack, and so where it is, until the command has run.
            argv[i].data = <char*> lua.tolstring(L, i + 1, &argv[i].length)
        elif type == LUA_TNUMBER:
            argv[i].data = texts
            argv[i].length = number_text(lua.tonumber(L, i + 1), texts)
            texts += NUMBER_TEXT_MAX
        else:
            return fail(L, text_of(core, TEXT_NO_STRING), raising)
    command = command_resolve(core, argv, argc, NULL)
    if scripting.debugger != NULL:
        debugger_command(scripting.debugger, argv, argc)
    error = refusal(scripting, command, argc)
    if error != NULL:
        if scripting.debugger != NULL:
            debugger_error(scripting.debugger, error)
        # It counts as an error, and as none of the script's that may pass it on.
        count_error(core, error, strlen(error), 0)
        core.errors_counted = core.statistics.error_replies
        if command != NULL:
            core.command_statistics[command.id].rejected += 1
        error_push(L, error, strlen(error))
        error_mark(L)
        return lua.error(L) if raising else 1
    run_call(core, run, argv, argc, command, 3 if run.resp3 else 2)
    reply = whole_reply(scripting)
    if reply == NULL:
        drop_reply(scripting)
        return fail(L, "OOM out of memory while a script reads a reply", raising)
    if scripting.debugger != NULL:
        debugger_reply(scripting.debugger, reply)
    i = reply[0] == c'-'
    # The arguments may fill the stack.
    lua.settop(L, 0)
    reply = value_push(L, reply)
    drop_reply(scripting)
    if reply == NULL:
        return fail(L, "ERR reached lua stack limit", raising)
    if run.outermost.is_killed:
        on_count(L, NULL)       # while the command ran
    return lua.error(L) if i and raising else 1


cdef int redis_call(lua_State* L) noexcept nogil:
    return call_from_lua(L, 1)


cdef int redis_pcall(lua_State* L) noexcept nogil:
    return call_from_lua(L, 0)


cdef int single_text(lua_State* L, const char* field) noexcept nogil:
    """{field = text}"""
    cdef size_t length
    cdef const char* text
    if lua.gettop(L) != 1 or lua.type(L, 1) != LUA_TSTRING:
        error_push(L, "ERR wrong number or type of arguments", 37)
        return 1
    lua.createtable(L, 0, 1)
    text = lua.tolstring(L, 1, &length)
    if field[0] != c'e':
        lua.pushlstring(L, text, length)
        lua_set(L, field)
        return 1
    # Some write the minus sign of the protocol before an error, and what is one word alone is no kind of error.
    if length and text[0] == c'-' and memchr(text, c' ', length) == NULL:
        text += 1
        length -= 1
    if memchr(text, c' ', length) == NULL:
        while length and (text[length - 1] == c'\n' or text[length - 1] == c'\r'):
            length -= 1
        lua.pushlstring(L, b"ERR ", 4)
        lua.pushlstring(L, text, length)
        lua.concat(L, 2)
    else:
        if text[0] == c'-' and text[1] != c' ':
            text += 1
            length -= 1
        lua.pushlstring(L, text, length)
    lua_set(L, field)
    return 1


cdef int redis_error_reply(lua_State* L) noexcept nogil:
    return single_text(L, "err")


cdef int redis_status_reply(lua_State* L) noexcept nogil:
    return single_text(L, "ok")


cdef int redis_sha1hex(lua_State* L) noexcept nogil:
    cdef char digest[SHA1_HEX]
    cdef size_t length
    cdef const char* text
    if lua.gettop(L) != 1:
        return fail(L, "ERR wrong number of arguments", 1)
    text = lua.tolstring(L, 1, &length)
    if text == NULL:
        text = ""
        length = 0
    sha1_hex(text, length, digest)
    lua.pushlstring(L, digest, SHA1_HEX)
    return 1


cdef inline int small_number(double number) noexcept nogil:
    """Without its fraction; -1 for what is no small number."""
    return <int> number if -1000 < number < 1000 else -1


cdef int redis_log(lua_State* L) noexcept nogil:
    cdef int count = lua.gettop(L)
    cdef int level
    if count < 2:
        return fail(L, text_of(owner_of(L).core, TEXT_LOG), 1)
    if not lua.isnumber(L, 1):
        return fail(L, "ERR First argument must be a number (log level).", 1)
    level = small_number(lua.tonumber(L, 1))
    if level < 0 or level > 3:
        return fail(L, "ERR Invalid log level.", 1)
    lua.pushlstring(L, b"", 0)
    for i in range(2, count + 1):
        if lua.tolstring(L, i, NULL) == NULL:
            continue
        if i > 2:
            lua.pushlstring(L, b" ", 1)
            lua.concat(L, 2)
        lua.pushvalue(L, i)
        lua.concat(L, 2)
    owner_of(L).core.upcalls.log_line(owner_of(L).core, level, lua.tolstring(L, -1, NULL))
    return 0


cdef int redis_setresp(lua_State* L) noexcept nogil:
    cdef int version
    if lua.gettop(L) != 1:
        return fail(L, text_of(owner_of(L).core, TEXT_SETRESP), 1)
    version = small_number(lua.tonumber(L, -1))
    if version != 2 and version != 3:
        return fail(L, "ERR RESP version must be 2 or 3.", 1)
    owner_of(L).run.resp3 = version == 3
    return 0


cdef int redis_set_repl(lua_State* L) noexcept nogil:
    cdef int where
    if lua.gettop(L) != 1:
        return fail(L, text_of(owner_of(L).core, TEXT_SET_REPL), 1)
    where = small_number(lua.tonumber(L, 1))
    if where & ~PROPAGATE_EVERYWHERE:
        return fail(L, "ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.", 1)
    owner_of(L).run.propagated = where
    return 0


cdef int redis_replicate_commands(lua_State* L) noexcept nogil:
    """Long ago scripts were replicated as they stand unless they asked for this."""
    lua.pushboolean(L, 1)
    return 1


cdef int redis_breakpoint(lua_State* L) noexcept nogil:
    cdef Debugger* debugger = owner_of(L).debugger
    if debugger != NULL:
        debugger.is_called = 1
    lua.pushboolean(L, debugger != NULL)
    return 1


cdef int redis_debug(lua_State* L) noexcept nogil:
    cdef Debugger* debugger = owner_of(L).debugger
    if debugger != NULL:
        debugger_tell_values(debugger, L)
    return 0


cdef int redis_acl_check_cmd(lua_State* L) noexcept nogil:
    cdef Scripting* scripting = owner_of(L)
    cdef int argc = lua.gettop(L)
    cdef Argument* argv
    cdef Command* command
    cdef int i
    if argc == 0:
        return fail(L, text_of(scripting.core, TEXT_NO_ARGUMENT), 1)
    if not reserve_arguments(scripting, argc):
        return fail(L, "OOM out of memory", 1)
    argv = <Argument*> scripting.arguments
    for i in range(argc):
        argv[i].owner = NULL
        argv[i].data = <char*> lua.tolstring(L, i + 1, &argv[i].length)
        if argv[i].data == NULL:
            return fail(L, text_of(scripting.core, TEXT_NO_STRING), 1)
    command = command_resolve(scripting.core, argv, argc, NULL)
    if command == NULL or (command.container and argc >= 2):
        return fail(L, text_of(scripting.core, TEXT_ACL), 1)
    lua.pushboolean(L, permissions_allow(scripting.core, scripting.run.caller, command, argv, argc))
    return 1


cdef int version_number(const char* version) noexcept nogil:
    """"8.0.6" as 0x00080006."""
    cdef int number = 0
    cdef int part = 0
    cdef int i = 0
    while True:
        if c'0' <= version[i] <= c'9':
            part = part * 10 + version[i] - c'0'
        else:
            number = number << 8 | part
            part = 0
            if version[i] == 0:
                return number
        i += 1


cdef void open_redis(lua_State* L) noexcept nogil:
    """Adds redis and server, which are the same, to the globals on top."""
    cdef Core* core = owner_of(L).core
    lua.createtable(L, 0, 24)
    lua_set_function(L, "call", redis_call)
    lua_set_function(L, "pcall", redis_pcall)
    lua_set_function(L, "log", redis_log)
    lua_set_function(L, "error_reply", redis_error_reply)
    lua_set_function(L, "status_reply", redis_status_reply)
    lua_set_function(L, "sha1hex", redis_sha1hex)
    lua_set_function(L, "setresp", redis_setresp)
    lua_set_function(L, "set_repl", redis_set_repl)
    lua_set_function(L, "replicate_commands", redis_replicate_commands)
    lua_set_function(L, "breakpoint", redis_breakpoint)
    lua_set_function(L, "debug", redis_debug)
    lua_set_function(L, "acl_check_cmd", redis_acl_check_cmd)
    lua_set_number(L, "LOG_DEBUG", 0)
    lua_set_number(L, "LOG_VERBOSE", 1)
    lua_set_number(L, "LOG_NOTICE", 2)
    lua_set_number(L, "LOG_WARNING", 3)
    lua_set_number(L, "REPL_NONE", 0)
    lua_set_number(L, "REPL_AOF", PROPAGATE_AOF)
    lua_set_number(L, "REPL_SLAVE", PROPAGATE_REPLICAS)
    lua_set_number(L, "REPL_REPLICA", PROPAGATE_REPLICAS)
    lua_set_number(L, "REPL_ALL", PROPAGATE_EVERYWHERE)
    lua_set_string(L, "REDIS_VERSION", core.version)
    lua_set_number(L, "REDIS_VERSION_NUM", version_number(core.version))
    if core.valkey_version[0] != 0:
        lua_set_string(L, "SERVER_NAME", "valkey")
        lua_set_string(L, "VALKEY_VERSION", core.valkey_version)
        lua_set_number(L, "VALKEY_VERSION_NUM", version_number(core.valkey_version))
    guard(L)
    lua.pushvalue(L, -1)
    lua.insert(L, -3)
    lua_set(L, "redis")
    lua.insert(L, -2)
    lua_set(L, "server")


# The interpreter

cdef void on_debug(lua_State* L, lua_Debug* record) noexcept nogil:
    debugger_hook(owner_of(L).debugger, L, record)


cdef int on_panic(lua_State* L) noexcept nogil:
    """An error outside of protected mode: there is none, since all calls are in it."""
    return 0


cdef int open_protected(lua_State* L) noexcept nogil:
    cdef Scripting* scripting = owner_of(L)
    sandbox_open(L)
    if scripting.core.settings.script_deprecated_api or scripting.core.settings.script_insecure_api:
        sandbox_add_deprecated(L)
    open_cjson(L)
    guard(L)
    lua_set(L, "cjson")
    open_cmsgpack(L)
    guard(L)
    lua_set(L, "cmsgpack")
    open_struct(L)
    guard(L)
    lua_set(L, "struct")
    open_bit(L)
    guard(L)
    lua_set(L, "bit")
    open_redis(L)
    if scripting.core.valkey_version[0] != 0:
        lua_set_function(L, "__server__err__handler", error_handler)
    lua.createtable(L, 0, 0)
    lua_set(L, "KEYS")
    lua.createtable(L, 0, 0)
    lua_set(L, "ARGV")
    lua.pushvalue(L, -1)
    scripting.globals = lua.aux_ref(L, LUA_REGISTRYINDEX)
    sandbox_close(L)
    lua.pushcclosure(L, error_handler, 0)
    scripting.handler = lua.aux_ref(L, LUA_REGISTRYINDEX)
    return 0


cdef int collect_protected(lua_State* L) noexcept nogil:
    lua.gc(L, LUA_GCCOLLECT, 0)
    return 0


cdef void scripting_collect(Scripting* scripting) noexcept nogil:
    if lua.cpcall(scripting.L, collect_protected, NULL) != 0:
        lua.settop(scripting.L, 0)


cdef int unref_protected(lua_State* L) noexcept nogil:
    lua.aux_unref(L, LUA_REGISTRYINDEX, (<int*> lua.touserdata(L, 1))[0])
    return 0


cdef void script_unref(Scripting* scripting, int reference) noexcept nogil:
    # This much asks for no memory; where the rest finds none, a number stays unused.
    lua.pushboolean(scripting.L, 0)
    lua.rawseti(scripting.L, LUA_REGISTRYINDEX, reference)
    if lua.cpcall(scripting.L, unref_protected, &reference) != 0:
        lua.settop(scripting.L, 0)


cdef int open_interpreter(Scripting* scripting) noexcept nogil:
    scripting.L = lua.newstate(allocate, scripting)
    if scripting.L == NULL:
        return -1
    lua.atpanic(scripting.L, on_panic)
    if lua.cpcall(scripting.L, open_protected, NULL) != 0:
        lua.close(scripting.L)
        scripting.L = NULL
        return -1
    return 0


cdef size_t memory_most(const Core* core) noexcept nogil:
    """Bytes that Lua may have, so that a script which wants ever more ends, and not the process: half of what the
    machine has, and no more than all data may have."""
    cdef size_t most = <size_t> sysconf(_SC_PHYS_PAGES) // 2 * <size_t> sysconf(_SC_PAGESIZE)
    if core.settings.max_memory > 0:
        most = min(most, max(<size_t> core.settings.max_memory, <size_t> MEMORY_LEAST))
    return most


cdef int scripting_start(Core* core) noexcept nogil:
    cdef Scripting* scripting = <Scripting*> heap_zalloc(core.heap, sizeof(Scripting))
    if scripting == NULL:
        return -1
    scripting.core = core
    scripting.slow_ms = core.settings.script_slow_ms
    scripting.memory_most = memory_most(core)
    if open_interpreter(scripting) != 0:
        heap_free(core.heap, scripting, sizeof(Scripting))
        return -1
    core.scripting = scripting
    return 0


cdef void scripting_release(Core* core) noexcept nogil:
    cdef Scripting* scripting = scripting_of(core)
    if scripting == NULL:
        return
    core.scripting = NULL
    lua.close(scripting.L)
    heap_free(core.heap, scripting.arguments, scripting.arguments_capacity)
    heap_free(core.heap, scripting.reply, scripting.reply_capacity)
    heap_free(core.heap, scripting, sizeof(Scripting))


cdef Scripting* scripting_or_reply(Core* core, Client* client) noexcept nogil:
    if core.scripting == NULL and not core.upcalls.start_scripting(core, client):
        return NULL
    return scripting_of(core)


# Running

# What is handed to run_protected.
cdef struct Call:
    Scripting* scripting
    Client* client
    int reference
    int first_key
    int keys_count
    bint is_function


cdef void push_arguments(lua_State* L, Client* client, int first, int end) noexcept nogil:
    cdef int i
    lua.createtable(L, end - first, 0)
    for i in range(first, end):
        lua.pushlstring(L, client.argv[i].data, client.argv[i].length)
        lua.rawseti(L, -2, i - first + 1)


cdef const char* field_text(lua_State* L, const char* name, size_t* length) noexcept nogil:
    """A field of the table on top that is a text or a number, as a text; NULL where there is none. It stays on the
    stack."""
    lua.pushstring(L, name)
    lua.rawget(L, -2)
    lua.insert(L, -2)
    return lua.tolstring(L, -2, length)


cdef void reply_failure(lua_State* L, Scripting* scripting, Client* client) noexcept nogil:
    """Replies the error on top of the stack."""
    cdef Run* run = &scripting.run
    cdef char text[ERROR_MAX]
    cdef const char* error = NULL
    cdef const char* source = NULL
    cdef const char* line = NULL
    cdef bint is_brief = scripting.core.settings.script_errors_brief != 0
    cdef bint is_counted
    cdef size_t length = 0
    cdef int shown, used
    if lua.type(L, -1) != LUA_TTABLE:
        # Memory was out, or the error handler has failed.
        error = lua.tolstring(L, -1, &length)
        used = snprintf(text, sizeof(text), "ERR %s", error if error != NULL else <const char*> b"unknown error")
        reply_error_bytes(&client.reply, text, min(<size_t> used, sizeof(text) - 1))
        return
    is_counted = error_is_marked(L)
    error = field_text(L, "err", &length)
    source = field_text(L, "source", NULL)
    line = field_text(L, "line", NULL)
    if error == NULL:
        error = "ERR unknown error"
        length = strlen(error)
    shown = <int> min(length, <size_t> ERROR_MAX)
    if source == NULL or line == NULL:
        used = snprintf(text, sizeof(text), "%.*s script: %.*s", shown, error,
                        <int> (0 if is_brief else run.name_length),
                        run.name)
    elif is_brief:
        used = snprintf(text, sizeof(text), "%.*s script: on %s:%s.", shown, error, source, line)
    else:
        used = snprintf(text, sizeof(text), "%.*s script: %.*s, on %s:%s.", shown, error, run.name_length, run.name,
                        source, line)
    length = min(<size_t> used, sizeof(text) - 1)
    if is_counted:
        reply_error_again(&client.reply, text, length)
    else:
        reply_custom_error(&client.reply, text, length)


cdef int run_protected(lua_State* L) noexcept nogil:
    cdef Call* call = <Call*> lua.touserdata(L, 1)
    cdef Scripting* scripting = call.scripting
    cdef Client* client = call.client
    cdef int first_argument = call.first_key + call.keys_count
    cdef int arguments = 0
    lua.settop(L, 0)
    lua.rawgeti(L, LUA_REGISTRYINDEX, scripting.handler)
    lua.rawgeti(L, LUA_REGISTRYINDEX, call.reference)
    if call.is_function:
        push_arguments(L, client, call.first_key, first_argument)
        push_arguments(L, client, first_argument, client.argc)
        arguments = 2
    else:
        lua.rawgeti(L, LUA_REGISTRYINDEX, scripting.globals)
        push_arguments(L, client, call.first_key, first_argument)
        lua_set(L, "KEYS")
        push_arguments(L, client, first_argument, client.argc)
        lua_set(L, "ARGV")
        lua_pop(L, 1)
    if scripting.debugger != NULL:
        scripting.debugger.globals = scripting.globals
        scripting.debugger.call = redis_pcall
        lua.sethook(L, on_debug, LUA_MASKLINE | LUA_MASKCOUNT, HOOK_INSTRUCTIONS)
    elif scripting.slow_ms > 0:
        lua.sethook(L, on_count, LUA_MASKCOUNT, HOOK_INSTRUCTIONS)
    if lua.pcall(L, arguments, 1, 1) != 0:
        lua.sethook(L, NULL, 0, 0)
        reply_failure(L, scripting, client)
        return 0
    lua.sethook(L, NULL, 0, 0)
    value_reply(L, &client.reply, scripting.run.resp3)
    return 0


cdef void script_run(Scripting* scripting, Client* client, int reference, const Run* run, int first_key,
                     int keys_count) noexcept nogil:
    cdef Core* core = scripting.core
    cdef Call call
    cdef ReplyMark mark = reply_mark(&client.reply)
    scripting.run = run[0]
    if run_begin(core, &scripting.run, client) != 0:
        scripting.run.client = NULL
        return
    scripting.slow_ms = core.settings.script_slow_ms
    if core.settings.max_memory != scripting.max_memory:
        scripting.max_memory = core.settings.max_memory
        scripting.memory_most = memory_most(core)
    call.scripting = scripting
    call.client = client
    call.reference = reference
    call.first_key = first_key
    call.keys_count = keys_count
    call.is_function = run.kind == RUN_FUNCTION
    if lua.cpcall(scripting.L, run_protected, &call) != 0:
        lua.sethook(scripting.L, NULL, 0, 0)
        lua.settop(scripting.L, 0)
        reply_rollback(&client.reply, mark)
        reply_out_of_memory(client)
    run_end(core, &scripting.run)
    scripting.run.client = NULL
    if scripting.memory > scripting.memory_most // 2:
        scripting_collect(scripting)


cdef int compile_protected(lua_State* L) noexcept nogil:
    cdef Source* source = <Source*> lua.touserdata(L, 1)
    cdef const char* error
    source.reference = -1
    if load_source(L, source.text, source.length, source.name) != 0:
        error = lua.tolstring(L, -1, NULL)
        snprintf(source.error, sizeof(source.error), "%s", error if error != NULL else <const char*> b"?")
        return 0
    source.reference = lua.aux_ref(L, LUA_REGISTRYINDEX)
    return 0


cdef int script_compile(Scripting* scripting, Source* source) noexcept nogil:
    if lua.cpcall(scripting.L, compile_protected, source) != 0:
        lua.settop(scripting.L, 0)
        source.reference = -1
        snprintf(source.error, sizeof(source.error), "OOM out of memory while compiling a script")
        return -1
    if source.reference < 0:
        return -1
    return 0
