"""Libraries of functions in Lua; the contract is in lua_functions.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memchr, memcmp, strcmp, strlen, strncmp
from redislite._core.base.clock cimport clock_counter
from redislite._core.protocol.reply cimport reply_error
from redislite._core.scripting.calling cimport Run
from redislite._core.scripting.functions cimport (
    LIBRARY_ERROR, Function, FunctionEngine, Functions, Library, Registration, function_add, functions_of, is_name,
    is_registered,
)
from redislite._core.scripting.lua_api cimport (
    LUA_MASKCOUNT, LUA_MASKLINE, LUA_REGISTRYINDEX, LUA_TFUNCTION, LUA_TNIL, LUA_TNUMBER, LUA_TSTRING, LUA_TTABLE,
    LUA_UPVALUE_1, lua, lua_Debug, lua_State, lua_pop, lua_set,
)
from redislite._core.scripting.lua_sandbox cimport guard, guard_missing, load_source, push_guarded
from redislite._core.scripting.lua_values cimport error_push
from redislite._core.scripting.scripting cimport (
    Scripting, script_run, script_unref, scripting_collect, scripting_of, scripting_or_reply,
)
from redislite._core.scripting.scripts cimport script_flag
from redislite._core.state.core cimport Client, Core

cdef enum:
    HOOK_INSTRUCTIONS = 10000   # between two looks at the clock
    MEASURED_MOST = 1 << 20     # bytes of Lua's memory that are collected for the sake of a figure
    # Where things stand while a library is loaded
    STACK_METATABLE = 1
    STACK_KEY = 2               # what the metatable has its view under
    STACK_RUNNING = 3           # the view for later
    STACK_HANDLER = 4

cdef const char* CHUNK_NAME = b"@user_function"


# What Lua calls while a library is loaded

cdef inline Functions* owner_of(lua_State* L) noexcept nogil:
    cdef void* owner
    lua.getallocf(L, &owner)
    return functions_of((<Scripting*> owner).core)


cdef int fail(lua_State* L, const char* text) noexcept nogil:
    """Raises an error; %s in the text stands for what the original calls the table that has register_function."""
    cdef char line[LIBRARY_ERROR]
    cdef const char* api = lua.tolstring(L, LUA_UPVALUE_1, NULL)
    cdef int used = snprintf(line, sizeof(line), text, api)
    error_push(L, line, <size_t> used)
    return lua.error(L)


cdef bint read_flags(lua_State* L, uint64_t* flags) noexcept nogil:
    """The flags in the table on top; false for one that there is not."""
    cdef const char* text
    cdef size_t length
    cdef int64_t flag
    cdef int i = 1
    while True:
        lua.rawgeti(L, -1, i)
        if lua.type(L, -1) == LUA_TNIL:
            lua_pop(L, 1)
            return 1
        text = lua.tolstring(L, -1, &length) if lua.type(L, -1) == LUA_TSTRING else NULL
        flag = script_flag(text, length) if text != NULL else -1
        if flag < 0:
            return 0
        flags[0] |= <uint64_t> flag
        lua_pop(L, 1)
        i += 1


cdef bint is_word(const char* text, size_t length, const char* word) noexcept nogil:
    return strlen(word) == length and memcmp(text, word, length) == 0


cdef int read_named(lua_State* L, Registration* wanted) noexcept nogil:
    """The arguments in the table at 1; leaves the function to be registered on top."""
    cdef const char* key
    cdef size_t length
    cdef bint has_callback = 0
    lua.pushnil(L)                      # 2: what will be the function
    lua.pushnil(L)
    while lua.next(L, 1):
        if not lua.isstring(L, -2):
            return fail(L, "ERR named argument key given to %s.register_function is not a string")
        if lua.type(L, -2) == LUA_TNUMBER:      # which a walk does not bear being made a text of
            return fail(L, "ERR unknown argument given to %s.register_function")
        key = lua.tolstring(L, -2, &length)
        if is_word(key, length, "function_name"):
            if not lua.isstring(L, -1):
                return fail(L, "ERR function_name argument given to %s.register_function must be a string")
            lua.pushvalue(L, -1)
            wanted.name = lua.tolstring(L, -1, &wanted.name_length)
            lua.insert(L, 3)
        elif is_word(key, length, "description"):
            if not lua.isstring(L, -1):
                return fail(L, "ERR description argument given to %s.register_function must be a string")
            lua.pushvalue(L, -1)
            wanted.description = lua.tolstring(L, -1, &wanted.description_length)
            lua.insert(L, 3)
        elif is_word(key, length, "callback"):
            if lua.type(L, -1) != LUA_TFUNCTION:
                return fail(L, "ERR callback argument given to %s.register_function must be a function")
            lua.pushvalue(L, -1)
            lua.replace(L, 2)
            has_callback = 1
        elif is_word(key, length, "flags"):
            if lua.type(L, -1) != LUA_TTABLE:
                return fail(L, "ERR flags argument to %s.register_function must be a table representing function flags")
            if not read_flags(L, &wanted.flags):
                return fail(L, "ERR unknown flag given")
        else:
            return fail(L, "ERR unknown argument given to %s.register_function")
        lua_pop(L, 1)
    if wanted.name == NULL:
        return fail(L, "ERR %s.register_function must get a function name argument")
    if not has_callback:
        return fail(L, "ERR %s.register_function must get a callback argument")
    lua.pushvalue(L, 2)
    return 0


cdef int register_function(lua_State* L) noexcept nogil:
    cdef Functions* functions = owner_of(L)
    cdef int count = lua.gettop(L)
    cdef Registration wanted
    cdef int reference
    if functions == NULL or functions.loading == NULL:
        return fail(L, "ERR %s.register_function can only be called on FUNCTION LOAD command")
    if count < 1 or count > 2:
        return fail(L, "ERR wrong number of arguments to %s.register_function")
    wanted.name = wanted.description = NULL
    wanted.name_length = wanted.description_length = 0
    wanted.flags = 0
    if count == 1:
        if lua.type(L, 1) != LUA_TTABLE:
            return fail(L, "ERR calling %s.register_function with a single argument is only applicable to Lua table "
                        "(representing named arguments).")
        read_named(L, &wanted)
    else:
        if not lua.isstring(L, 1):
            return fail(L, "ERR first argument to %s.register_function must be a string")
        wanted.name = lua.tolstring(L, 1, &wanted.name_length)
        if lua.type(L, 2) != LUA_TFUNCTION:
            return fail(L, "ERR second argument to %s.register_function must be a function")
    if not is_name(wanted.name, wanted.name_length):
        functions.is_misnamed = functions.core.settings.script_errors_brief != 0
        return fail(L,
                    "ERR Function names can only contain letters, numbers, or underscores(_) and must be at least one "
                    "character long" if functions.is_misnamed else
                    "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one "
                    "character long")
    if is_registered(functions.loading, &wanted):
        return fail(L, "ERR Function already exists in the library")
    reference = lua.aux_ref(L, LUA_REGISTRYINDEX)
    if function_add(functions, &wanted, reference) == NULL:
        lua.aux_unref(L, LUA_REGISTRYINDEX, reference)
        return fail(L, "OOM out of memory while a function is registered")
    return 0


cdef void on_count(lua_State* L, lua_Debug* record) noexcept nogil:
    cdef Functions* functions = owner_of(L)
    if not functions.deadline or clock_counter() < functions.deadline:
        return
    # From here on each line ends in this error.
    lua.sethook(L, on_count, LUA_MASKLINE | LUA_MASKCOUNT, 1)
    error_push(L, "ERR FUNCTION LOAD timeout", 25)
    lua.error(L)


# The environment


cdef void push_loading_api(lua_State* L) noexcept nogil:
    """Pushes what redis or server is while a library is loaded: of what the table on top has, the constants and log."""
    cdef const char* key
    lua.createtable(L, 0, 16)
    lua.pushnil(L)
    while lua.next(L, -3):
        key = lua.tolstring(L, -2, NULL)
        if strncmp(key, "REPL_", 5) == 0 or (lua.type(L, -1) == LUA_TFUNCTION and strcmp(key, "log") != 0):
            lua_pop(L, 1)
            continue
        lua.pushvalue(L, -2)
        lua.insert(L, -2)
        lua.rawset(L, -4)
    lua.pushstring(L, "server" if owner_of(L).core.settings.script_errors_brief else "redis")
    lua.pushcclosure(L, register_function, 1)
    lua_set(L, "register_function")
    guard_missing(L)
    guard(L)


cdef void push_loading_view(lua_State* L, const char* name) noexcept nogil:
    """Adds what the globals on top but one have under this name, if they have it, to the table on top."""
    lua.pushstring(L, name)
    lua.rawget(L, -3)
    if push_guarded(L, -1):
        push_loading_api(L)
        lua.remove(L, -2)
        lua.remove(L, -2)
        lua_set(L, name)
    else:
        lua_pop(L, 1)


cdef int open_environment(lua_State* L) noexcept nogil:
    cdef Functions* functions = owner_of(L)
    cdef const char* key
    cdef int environment
    lua.settop(L, 0)
    lua.rawgeti(L, LUA_REGISTRYINDEX, scripting_of(functions.core).globals)
    lua.createtable(L, 0, 2)
    push_loading_view(L, "redis")
    push_loading_view(L, "server")
    guard_missing(L)
    lua.createtable(L, 0, 40)
    lua.pushnil(L)
    while lua.next(L, 1):
        key = lua.tolstring(L, -2, NULL)
        if strcmp(key, "KEYS") == 0 or strcmp(key, "ARGV") == 0 or strcmp(key, "_G") == 0 or strncmp(key, "__", 2) == 0:
            lua_pop(L, 1)
            continue
        lua.pushvalue(L, -2)
        lua.insert(L, -2)
        lua.rawset(L, 3)
    guard_missing(L)
    lua.pushvalue(L, 3)
    guard(L)
    lua.pushvalue(L, 4)
    lua.pushvalue(L, 3)
    lua.insert(L, -2)
    lua_set(L, "_G")
    # 2: what is seen while loading, 3: what is seen later, 4: the guard.
    lua.settop(L, 4)
    environment = lua.aux_ref(L, LUA_REGISTRYINDEX)
    functions.running_view = lua.aux_ref(L, LUA_REGISTRYINDEX)
    functions.loading_view = lua.aux_ref(L, LUA_REGISTRYINDEX)
    functions.environment = environment
    return 0


# Loading

cdef struct Load:
    Functions* functions
    Library* library
    char* error
    bint failed


cdef void tell_failure(lua_State* L, Load* load) noexcept nogil:
    """Of the error on top."""
    cdef const char* text = NULL
    if lua.type(L, -1) == LUA_TTABLE:
        lua.pushstring(L, "err")
        lua.rawget(L, -2)
    text = lua.tolstring(L, -1, NULL)
    if text == NULL:
        text = "(error object is not a string)"
    # Valkey says alone of a function's name what is wrong with it.
    snprintf(load.error, LIBRARY_ERROR, "%s" if load.functions.is_misnamed else "ERR Error registering functions: %s",
             text)
    load.failed = 1


cdef int load_protected(lua_State* L) noexcept nogil:
    cdef Load* load = <Load*> lua.touserdata(L, 1)
    cdef Functions* functions = load.functions
    cdef Library* library = load.library
    cdef const char* text = <const char*> memchr(library.code, c'\n', library.code_length)
    cdef int failed
    load.failed = 1
    lua.settop(L, 0)
    lua.rawgeti(L, LUA_REGISTRYINDEX, functions.environment)
    lua.getmetatable(L, 1)
    lua.replace(L, STACK_METATABLE)
    lua.pushstring(L, "__index")
    lua.rawgeti(L, LUA_REGISTRYINDEX, functions.running_view)
    lua.rawgeti(L, LUA_REGISTRYINDEX, scripting_of(functions.core).handler)
    if load_source(L, text, library.code_length - <size_t> (text - library.code), CHUNK_NAME) != 0:
        text = lua.tolstring(L, -1, NULL)
        snprintf(load.error, LIBRARY_ERROR, "ERR Error compiling function: %s",
                 text if text != NULL else <const char*> b"?")
        return 0
    lua.rawgeti(L, LUA_REGISTRYINDEX, functions.environment)
    lua.setfenv(L, -2)
    if functions.deadline:
        lua.sethook(L, on_count, LUA_MASKCOUNT, HOOK_INSTRUCTIONS)
    # From here to where the view is what it was, nothing but what pcall runs can raise an error: the key is in the
    # table.
    lua.pushvalue(L, STACK_KEY)
    lua.rawgeti(L, LUA_REGISTRYINDEX, functions.loading_view)
    lua.rawset(L, STACK_METATABLE)
    failed = lua.pcall(L, 0, 0, STACK_HANDLER)
    lua.sethook(L, NULL, 0, 0)
    lua.pushvalue(L, STACK_KEY)
    lua.pushvalue(L, STACK_RUNNING)
    lua.rawset(L, STACK_METATABLE)
    if failed:
        tell_failure(L, load)
    else:
        load.failed = 0
    return 0


cdef int load(Functions* functions, Library* library, int64_t milliseconds, char* error) noexcept nogil:
    cdef Core* core = functions.core
    cdef Scripting* scripting = scripting_of(core)
    cdef size_t memory, grown
    cdef bint is_exact
    cdef Load load
    load.functions = functions
    load.library = library
    load.error = error
    load.failed = 1
    functions.deadline = clock_counter() + <uint64_t> (milliseconds * 1e6 / core.ns_per_tick) if milliseconds else 0
    if (functions.environment == 0 and lua.cpcall(scripting.L, open_environment, NULL) != 0):
        lua.settop(scripting.L, 0)
        snprintf(error, LIBRARY_ERROR, "OOM out of memory while a library is loaded")
        return -1
    # What a library keeps is told by collecting what it does not; where that would take long, from the others' share.
    is_exact = scripting.memory < MEASURED_MOST
    if is_exact:
        scripting_collect(scripting)
    memory = scripting.memory
    functions.is_misnamed = 0
    if lua.cpcall(scripting.L, load_protected, &load) != 0:
        lua.sethook(scripting.L, NULL, 0, 0)
        lua.settop(scripting.L, 0)
        snprintf(error, LIBRARY_ERROR, "OOM out of memory while a library is loaded")
        load.failed = 1
    if load.failed:
        return -1
    grown = scripting.memory - memory if scripting.memory > memory else 0
    library.vm_memory = grown
    if is_exact:
        scripting_collect(scripting)
        library.vm_memory = scripting.memory - memory if scripting.memory > memory else 0
        functions.grown += <double> grown
        functions.kept += <double> library.vm_memory
    elif functions.grown > 0:
        library.vm_memory = <size_t> (<double> grown * functions.kept / functions.grown)
    return 0


cdef bint is_on(const Core* core) noexcept nogil:
    return 1


cdef bint start(Core* core, Client* client) noexcept nogil:
    return scripting_or_reply(core, client) != NULL


cdef void call(Core* core, Client* client, Function* function, Run* run, int first_key, int keys_count) noexcept nogil:
    cdef Scripting* scripting = scripting_of(core)
    if scripting.run.client != NULL:
        reply_error(&client.reply, "ERR a script that runs cannot have another one run")
        return
    script_run(scripting, client, function.reference, run, first_key, keys_count)


cdef void forget(Functions* functions, Function* function) noexcept nogil:
    script_unref(scripting_of(functions.core), function.reference)


cdef void collect(Functions* functions) noexcept nogil:
    cdef Scripting* scripting = scripting_of(functions.core)
    if scripting != NULL and scripting.run.client == NULL:
        scripting_collect(scripting)


cdef FunctionEngine LUA
LUA.name = b"LUA"
LUA.off_text = b""
LUA.is_on = is_on
LUA.start = start
LUA.load = load
LUA.call = call
LUA.forget = forget
LUA.collect = collect


cdef const FunctionEngine* lua_functions() noexcept nogil:
    return &LUA
