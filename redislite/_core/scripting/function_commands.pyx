"""Commands about functions, and their rows; what a payload looks like stands in function_commands.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memcmp, memset, strlen
from redislite._core.base.clock cimport clock_counter
from redislite._core.commands.arguments cimport argument_is, reply_out_of_memory
from redislite._core.protocol.reply cimport (
    reply_array, reply_bulk, reply_deferred_begin, reply_deferred_end, reply_error, reply_integer, reply_map,
    reply_null, reply_ok, reply_set, reply_simple,
)
from redislite._core.text.rdb_format cimport RDB_DUMP_TAIL, RDB_FUNCTION, RDB_FUNCTION_EARLY, RDB_VERSION_FUNCTIONS
from redislite._core.text.rdb_input cimport RdbInput, input_byte, input_close, input_left, input_open_memory, input_text
from redislite._core.text.rdb_output cimport (
    RdbOutput, output_byte, output_checksum, output_close, output_open, output_text, output_word,
)
from redislite._core.rdb.rdb_read cimport rdb_payload_version
from redislite._core.scripting.calling cimport (
    RUN_FUNCTION, SCRIPT_NO_WRITES, Run, busy_text, is_over_memory, run_kill, running, script_admit,
)
from redislite._core.scripting.functions cimport (
    FUNCTION_ENGINES, JOIN_APPEND, JOIN_FLUSH, JOIN_REPLACE, LIBRARY_ERROR, Function, FunctionEngine, Functions,
    Library, function_engine, function_find, functions_get, functions_of, libraries_flush, libraries_join,
    libraries_run_waiting, library_delete, library_engine, library_find, library_free, library_name, library_new,
    library_run,
)
from redislite._core.scripting.scripts cimport keys_count_or_reply, script_flag_name, script_is_read_only
from redislite._core.state.core cimport Argument, Chunk, Client, Command, Core
from redislite._core.state.flags cimport CLIENT_MASTER
from redislite._core.text.glob cimport glob_match
from redislite._core.text.numbers cimport parse_int64
from redislite._core.commands.row import container, native

cdef enum:
    LOAD_MILLISECONDS = 500     # that a client's library may take to register its functions
    LAZILY_FREED_LEAST = 64     # libraries that are worth counting as released later


cdef Functions* functions_or_reply(Core* core, Client* client) noexcept nogil:
    """Everything that waited has been run; NULL where that cannot be done, and the client has been told."""
    cdef Functions* functions = functions_get(core)
    if functions == NULL:
        reply_out_of_memory(client)
        return NULL
    return functions if libraries_run_waiting(functions, client) else NULL


cdef bint is_running(Core* core, Client* client) noexcept nogil:
    """Whether something runs that calls commands, and so no library may change; then the client has been told."""
    if running(core) == NULL:
        return 0
    reply_error(&client.reply, busy_text(core))
    return 1


cdef int64_t milliseconds_for(Core* core, Client* client) noexcept nogil:
    """How long a library of this client's may take; 0: for ever, as the primary has accepted it."""
    return 0 if client.flags & CLIENT_MASTER else LOAD_MILLISECONDS


# Calling

cdef void fcall(Core* core, Client* client, bint read_only) noexcept nogil:
    cdef Functions* functions = functions_of(core)
    cdef Function* function = NULL
    cdef Run run
    cdef int64_t keys_count
    if functions != NULL:
        if functions.waiting and functions_or_reply(core, client) == NULL:
            return
        function = function_find(functions, client.argv[1].data, client.argv[1].length)
    if function == NULL:
        reply_error(&client.reply, "ERR Function not found")
        return
    if not parse_int64(client.argv[2].data, client.argv[2].length, &keys_count):
        reply_error(&client.reply, "ERR Bad number of keys provided")
        return
    keys_count = keys_count_or_reply(client, 2)
    if keys_count < 0:
        return
    if not script_admit(core, client, function.flags, read_only):
        return
    memset(&run, 0, sizeof(run))
    run.name = function.name
    run.name_length = <int> function.name_length
    run.flags = function.flags | (SCRIPT_NO_WRITES if read_only else 0)
    run.kind = RUN_FUNCTION
    run.over_memory = is_over_memory(core)
    function.library.engine.call(core, client, function, &run, 3, <int> keys_count)


cdef bint script_only_reads(Core* core, const Client* client, const Command* command) noexcept nogil:
    cdef Functions* functions = functions_of(core)
    cdef Function* function
    if command.own_name[0] == c'e':
        return script_is_read_only(core, &client.argv[1], command.own_length == 7)      # EVALSHA
    # Of those that wait to be run, nothing is known.
    if functions == NULL or functions.waiting:
        return 0
    function = function_find(functions, client.argv[1].data, client.argv[1].length)
    return function != NULL and function.flags & SCRIPT_NO_WRITES != 0


cdef void fcall_command(Core* core, Client* client) noexcept nogil:
    fcall(core, client, 0)


cdef void fcall_ro_command(Core* core, Client* client) noexcept nogil:
    fcall(core, client, 1)


# Loading

cdef bint replay_library(Core* core, Client* client, const Argument* code, int policy) noexcept nogil:
    """From an append-only file a library is taken without being run; it was when the file was written."""
    cdef Functions* functions = functions_get(core)
    cdef Library* library
    cdef char error[LIBRARY_ERROR]
    if functions == NULL:
        reply_out_of_memory(client)
        return 0
    library = library_new(functions, code.data, code.length, 1, error)
    if library != NULL:
        if libraries_join(functions, library, policy, error):
            core.dirty += 1
            return 1
        library_free(functions, library)
    reply_error(&client.reply, error)
    return 0


cdef void load_command(Core* core, Client* client) noexcept nogil:
    cdef const Argument* code = &client.argv[client.argc - 1]
    cdef Functions* functions
    cdef Library* library
    cdef char error[LIBRARY_ERROR]
    cdef const char* name
    cdef size_t length
    cdef int policy = JOIN_APPEND
    cdef int i
    for i in range(2, client.argc - 1):
        if not argument_is(&client.argv[i], "REPLACE"):
            snprintf(error, LIBRARY_ERROR, "ERR Unknown option given: %.*s",
                     <int> min(client.argv[i].length, <size_t> 128),
                     client.argv[i].data)
            reply_error(&client.reply, error)
            return
        policy = JOIN_REPLACE
    if core.replaying:
        if replay_library(core, client, code, policy):
            reply_ok(&client.reply)
        return
    functions = functions_or_reply(core, client)
    if functions == NULL:
        return
    if is_running(core, client):
        return
    library = library_new(functions, code.data, code.length, 0, error)
    if library == NULL:
        reply_error(&client.reply, error)
        return
    name = library_name(functions, library, &length)
    if not library.engine.start(core, client):
        library_free(functions, library)
        return
    if policy == JOIN_APPEND and library_find(functions, name, length) != NULL:
        snprintf(error, LIBRARY_ERROR, "ERR Library '%.*s' already exists", <int> min(length, <size_t> 128), name)
    elif library_run(functions, library, milliseconds_for(core, client), error) \
            and libraries_join(functions, library, policy, error):
        core.dirty += 1
        reply_bulk(&client.reply, name, length)
        return
    library_free(functions, library)
    reply_error(&client.reply, error)


cdef void delete_command(Core* core, Client* client) noexcept nogil:
    cdef Functions* functions = functions_of(core)
    cdef Library* library = NULL
    if is_running(core, client):
        return
    if functions != NULL:
        library = library_find(functions, client.argv[2].data, client.argv[2].length)
    if library == NULL:
        reply_error(&client.reply, "ERR Library not found")
        return
    library_delete(functions, library)
    core.dirty += 1
    reply_ok(&client.reply)


cdef void flush_command(Core* core, Client* client) noexcept nogil:
    cdef Functions* functions = functions_of(core)
    cdef bint later = core.settings.lazy_user_flush != 0
    cdef int64_t count = 0
    if client.argc > 3:
        reply_subcommand_error(client)
        return
    if client.argc == 3:
        later = argument_is(&client.argv[2], "ASYNC")
        if not later and not argument_is(&client.argv[2], "SYNC"):
            reply_error(&client.reply, "ERR FUNCTION FLUSH only supports SYNC|ASYNC option")
            return
    if is_running(core, client):
        return
    if functions != NULL:
        count = libraries_flush(functions)
    if later and count >= LAZILY_FREED_LEAST:
        core.statistics.lazily_freed += count + 1   # and what Lua held for them
    core.dirty += 1
    reply_ok(&client.reply)


cdef void reply_subcommand_error(Client* client) noexcept nogil:
    cdef char text[LIBRARY_ERROR]
    snprintf(text, sizeof(text), "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try FUNCTION HELP.",
             <int> client.argv[1].length, client.argv[1].data)
    reply_error(&client.reply, text)


# Payloads

cdef void dump_command(Core* core, Client* client) noexcept nogil:
    cdef Functions* functions = functions_of(core)
    cdef Library* library = functions.oldest if functions != NULL else NULL
    cdef RdbOutput output
    if output_open(&output, -1, 1, core.settings.rdb_compression != 0, 0) == 0:
        while library != NULL:
            output_byte(&output, RDB_FUNCTION)
            output_text(&output, library.code, library.code_length)
            library = library.newer
        output_byte(&output, RDB_VERSION_FUNCTIONS)
        output_byte(&output, 0)
        output_word(&output, output_checksum(&output))
    if output.error:
        reply_out_of_memory(client)
    else:
        reply_bulk(&client.reply, <char*> output.buffer, output.length)
    output_close(&output)


cdef bint is_among(Functions* functions, Library* library, Library* added, char* error) noexcept nogil:
    """Whether one of the same name is among those that are added."""
    cdef size_t length, other_length
    cdef const char* name = library_name(functions, library, &length)
    cdef const char* other
    while added != NULL:
        other = library_name(functions, added, &other_length)
        if length and length == other_length and memcmp(name, other, length) == 0:
            snprintf(error, LIBRARY_ERROR, "ERR Library '%.*s' already exists", <int> min(length, <size_t> 128), name)
            return 1
        added = added.newer
    return 0


cdef Library* read_library(Core* core, Client* client, Functions* functions, RdbInput* input,
                           char* error) noexcept nogil:
    """The next one of a payload, run unless it comes from an append-only file; NULL, and error says why, where that
    fails."""
    cdef uint8_t opcode
    cdef Library* library
    if not input_byte(input, &opcode) or (opcode != RDB_FUNCTION and opcode != RDB_FUNCTION_EARLY):
        snprintf(error, LIBRARY_ERROR, "ERR given type is not a function")
        return NULL
    if opcode == RDB_FUNCTION_EARLY:
        snprintf(error, LIBRARY_ERROR, "ERR Pre-GA function format not supported")
        return NULL
    if not input_text(input, 0):
        snprintf(error, LIBRARY_ERROR, "ERR Failed loading library payload")
        return NULL
    library = library_new(functions, input.texts[0].data, input.texts[0].length, core.replaying != 0, error)
    if library != NULL and not core.replaying and not library.engine.start(core, client):
        library_free(functions, library)
        error[0] = 0
        return NULL
    if library != NULL and not core.replaying and \
            not library_run(functions, library, milliseconds_for(core, client), error):
        library_free(functions, library)
        return NULL
    return library


cdef void free_chain(Functions* functions, Library* library) noexcept nogil:
    cdef Library* next
    while library != NULL:
        next = library.newer
        library_free(functions, library)
        library = next


cdef bint restore(Core* core, Client* client, Functions* functions, const Argument* payload, int policy,
                  char* error) noexcept nogil:
    cdef RdbInput input
    cdef Library* first = NULL
    cdef Library* last = NULL
    cdef Library* library
    cdef bint good = 1
    input_open_memory(&input, core.heap, payload.data, payload.length - RDB_DUMP_TAIL)
    while good and input_left(&input):
        library = read_library(core, client, functions, &input, error)
        if library == NULL:
            good = 0
        elif is_among(functions, library, first, error):
            library_free(functions, library)
            good = 0
        else:
            if last != NULL:
                last.newer = library
            else:
                first = library
            last = library
    input_close(&input)
    if good and libraries_join(functions, first, policy, error):
        return 1
    free_chain(functions, first)
    return 0


cdef void restore_command(Core* core, Client* client) noexcept nogil:
    cdef const Argument* payload = &client.argv[2]
    cdef Functions* functions
    cdef char error[LIBRARY_ERROR]
    cdef int policy = JOIN_APPEND
    if client.argc > 4:
        reply_subcommand_error(client)
        return
    if client.argc == 4:
        if argument_is(&client.argv[3], "REPLACE"):
            policy = JOIN_REPLACE
        elif argument_is(&client.argv[3], "FLUSH"):
            policy = JOIN_FLUSH
        elif not argument_is(&client.argv[3], "APPEND"):
            reply_error(&client.reply,
                        "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.")
            return
    if not rdb_payload_version(core, payload.data, payload.length):
        reply_error(&client.reply, "ERR DUMP payload version or checksum are wrong")
        return
    functions = functions_get(core) if core.replaying else functions_or_reply(core, client)
    if functions == NULL:
        if core.replaying:
            reply_out_of_memory(client)
        return
    if is_running(core, client):
        return
    if not restore(core, client, functions, payload, policy, error):
        if error[0]:                    # otherwise the client has been told
            reply_error(&client.reply, error)
        return
    core.dirty += 1
    reply_ok(&client.reply)


# What there is

cdef inline void reply_text(Client* client, const char* text) noexcept nogil:
    reply_bulk(&client.reply, text, strlen(text))


cdef void reply_flags(Client* client, uint64_t flags) noexcept nogil:
    cdef int64_t count = 0
    cdef int i = 0
    while script_flag_name(i) != NULL:
        count += flags >> i & 1
        i += 1
    reply_set(&client.reply, count)
    i = 0
    while script_flag_name(i) != NULL:
        if flags >> i & 1:
            reply_simple(&client.reply, script_flag_name(i))
        i += 1


cdef void reply_library(Client* client, Functions* functions, Library* library, bint with_code) noexcept nogil:
    cdef Function* function = library.first
    cdef const char* text
    cdef size_t length
    reply_map(&client.reply, 4 if with_code else 3)
    reply_text(client, "library_name")
    text = library_name(functions, library, &length)
    reply_bulk(&client.reply, text, length)
    reply_text(client, "engine")
    text = library_engine(library, &length)
    reply_bulk(&client.reply, text, length)
    reply_text(client, "functions")
    reply_array(&client.reply, library.count)
    while function != NULL:
        reply_map(&client.reply, 3)
        reply_text(client, "name")
        reply_bulk(&client.reply, function.name, function.name_length)
        reply_text(client, "description")
        if function.description == NULL:
            reply_null(&client.reply)
        else:
            reply_bulk(&client.reply, function.description, function.description_length)
        reply_text(client, "flags")
        reply_flags(client, function.flags)
        function = function.next
    if with_code:
        reply_text(client, "library_code")
        reply_bulk(&client.reply, library.code, library.code_length)


cdef void list_command(Core* core, Client* client) noexcept nogil:
    cdef Functions* functions
    cdef Library* library
    cdef const Argument* pattern = NULL
    cdef Chunk* place
    cdef char error[LIBRARY_ERROR]
    cdef const char* name
    cdef size_t length
    cdef int64_t count = 0
    cdef bint with_code = 0
    cdef int i = 2
    while i < client.argc:
        if not with_code and argument_is(&client.argv[i], "WITHCODE"):
            with_code = 1
        elif pattern == NULL and argument_is(&client.argv[i], "LIBRARYNAME"):
            i += 1
            if i == client.argc:
                reply_error(&client.reply, "ERR library name argument was not given")
                return
            pattern = &client.argv[i]
        else:
            snprintf(error, LIBRARY_ERROR, "ERR Unknown argument %.*s", <int> min(client.argv[i].length, <size_t> 128),
                     client.argv[i].data)
            reply_error(&client.reply, error)
            return
        i += 1
    functions = functions_of(core)
    if functions != NULL and functions.waiting and functions_or_reply(core, client) == NULL:
        return
    library = functions.oldest if functions != NULL else NULL
    place = reply_deferred_begin(&client.reply)
    while library != NULL:
        name = library_name(functions, library, &length)
        if pattern == NULL or glob_match(pattern.data, pattern.length, name, length, 1):
            reply_library(client, functions, library, with_code)
            count += 1
        library = library.newer
    reply_deferred_end(&client.reply, place, c'*', count)


cdef void reply_run(Core* core, Client* client, const Run* run) noexcept nogil:
    """What runs now."""
    cdef int i
    reply_map(&client.reply, 3)
    reply_text(client, "name")
    reply_bulk(&client.reply, run.name, run.name_length)
    reply_text(client, "command")
    reply_array(&client.reply, run.client.argc)
    for i in range(run.client.argc):
        reply_bulk(&client.reply, run.client.argv[i].data, run.client.argv[i].length)
    reply_text(client, "duration_ms")
    reply_integer(&client.reply, <int64_t> (<double> (clock_counter() - run.began) * core.ns_per_tick / 1e6))


cdef void stats_command(Core* core, Client* client) noexcept nogil:
    cdef Functions* functions = functions_of(core)
    cdef const FunctionEngine* engine
    cdef Run* run = running(core)
    cdef Library* library
    cdef int64_t engines = 0
    cdef int64_t libraries_count, functions_count
    cdef int i
    if run != NULL and run.kind != RUN_FUNCTION:
        reply_error(&client.reply, busy_text(core))
        return
    if functions != NULL and functions.waiting and functions_or_reply(core, client) == NULL:
        return
    reply_map(&client.reply, 2)
    reply_text(client, "running_script")
    if run != NULL:
        reply_run(core, client, run)
    else:
        reply_null(&client.reply)
    reply_text(client, "engines")
    for i in range(FUNCTION_ENGINES):
        engines += function_engine(core, i).is_on(core)
    reply_map(&client.reply, engines)
    for i in range(FUNCTION_ENGINES):
        engine = function_engine(core, i)
        if not engine.is_on(core):
            continue
        libraries_count = functions_count = 0
        library = functions.oldest if functions != NULL else NULL
        while library != NULL:
            # What nobody knows counts with the first.
            if library.engine == engine or (i == 0 and library.engine == NULL):
                libraries_count += 1
                functions_count += library.count
            library = library.newer
        reply_text(client, engine.name)
        reply_map(&client.reply, 2)
        reply_text(client, "libraries_count")
        reply_integer(&client.reply, libraries_count)
        reply_text(client, "functions_count")
        reply_integer(&client.reply, functions_count)


cdef void kill_command(Core* core, Client* client) noexcept nogil:
    run_kill(core, client, 1)


_ALL_SHARDS = "request_policy:all_shards response_policy:all_succeeded"

COMMANDS = [
    native(
        "fcall", <size_t> &fcall_command, -3, "noscript skip_monitor may_replicate no_mandatory_keys stale",
        keys="RW ACCESS UPDATE @ 2 keynum=0", group="scripting", since="7.0.0",
        syntax="function numkeys:integer [key...] [arg...]", summary="Calls a function.",
        complexity="Depends on the function",
    ),
    native(
        "fcall_ro", <size_t> &fcall_ro_command, -3, "noscript skip_monitor no_mandatory_keys stale readonly",
        keys="RO ACCESS @ 2 keynum=0", group="scripting", since="7.0.0",
        syntax="function numkeys:integer [key...] [arg...]", summary="Calls a function that only reads.",
        complexity="Depends on the function",
    ),
    container("function", group="scripting", since="7.0.0", summary="A container for commands about functions."),
    native(
        "function|load", <size_t> &load_command, -3, "noscript write denyoom", group="scripting", since="7.0.0",
        tips=_ALL_SHARDS, syntax="[REPLACE] function-code", summary="Creates a library of functions.",
        complexity="O(1) besides what its code takes",
    ),
    native(
        "function|delete", <size_t> &delete_command, 3, "noscript write", group="scripting", since="7.0.0",
        tips=_ALL_SHARDS, syntax="library-name", summary="Deletes a library and its functions.", complexity="O(1)",
    ),
    native(
        "function|flush", <size_t> &flush_command, -2, "noscript write", group="scripting", since="7.0.0",
        tips=_ALL_SHARDS, syntax="[flush-type:(ASYNC | SYNC)]", summary="Deletes all libraries.",
        complexity="O(N) for N functions",
    ),
    native(
        "function|dump", <size_t> &dump_command, 2, "noscript", group="scripting", since="7.0.0",
        summary="Returns all libraries as bytes that FUNCTION RESTORE makes libraries of again.",
        complexity="O(N) for N bytes of code",
    ),
    native(
        "function|restore", <size_t> &restore_command, -3, "noscript write denyoom", group="scripting", since="7.0.0",
        tips=_ALL_SHARDS, syntax="serialized-value [policy:(FLUSH | APPEND | REPLACE)]",
        summary="Restores libraries from the bytes that FUNCTION DUMP has returned.",
        complexity="O(N) for N libraries in the payload",
    ),
    native(
        "function|list", <size_t> &list_command, -2, "noscript", group="scripting", since="7.0.0",
        tips="nondeterministic_output_order", syntax="[LIBRARYNAME library-name-pattern] [WITHCODE]",
        summary="Tells of all libraries and their functions.", complexity="O(N) for N functions",
    ),
    native(
        "function|stats", <size_t> &stats_command, 2, "noscript allow_busy", group="scripting", since="7.0.0",
        tips="nondeterministic_output request_policy:all_shards response_policy:special",
        summary="Tells of the function that runs, and how many there are.", complexity="O(N) for N libraries",
    ),
    native(
        "function|kill", <size_t> &kill_command, 2, "noscript allow_busy", group="scripting", since="7.0.0",
        tips="request_policy:all_shards response_policy:one_succeeded", summary="Ends the function that runs.",
        complexity="O(1)",
    ),
]
