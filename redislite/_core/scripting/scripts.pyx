"""The cache of scripts and what runs them: EVAL and its forms; the contract is in scripts.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memchr, memcmp, memcpy, memset, strlen
from redislite._core.base.alloc cimport heap_alloc, heap_footprint, heap_free, heap_zalloc
from redislite._core.commands.arguments cimport argument_is, reply_out_of_memory
from redislite._core.clients.ending cimport client_doom
from redislite._core.clients.output cimport client_end
from redislite._core.protocol.reply cimport reply_array, reply_bulk, reply_error, reply_integer, reply_ok, reply_pending
from redislite._core.scripting.calling cimport (
    SCRIPT_LEGACY, SCRIPT_NO_WRITES, Run, is_over_memory, run_kill, script_admit,
)
from redislite._core.scripting.first_line cimport is_space, next_word
from redislite._core.scripting.lua_debugger cimport (
    Debugger, debugger_begin, debugger_exit, debugger_finish, debugger_free,
)
from redislite._core.scripting.scripting cimport (
    COMPILE_ERROR_MAX, Scripting, Source, script_compile, script_run, script_unref, scripting_collect, scripting_of,
    scripting_or_reply,
)
from redislite._core.state.core cimport Argument, Client, Core
from redislite._core.state.flags cimport CLIENT_DEBUGS, CLIENT_DEBUGS_FORKED, CLIENT_INTERNAL
from redislite._core.structures.dict cimport (
    DictIterator, dict_hash, dict_init, dict_iterate_begin, dict_iterate_end, dict_iterate_next,
)
from redislite._core.structures.records cimport record_add, record_find, record_remove, records_release
from redislite._core.text.numbers cimport parse_int64
from redislite._core.text.sha1 cimport SHA1_HEX, sha1_hex
from redislite._core.commands.row import container, native

cdef enum:
    SHOWN_MAX = 64              # bytes of a word that errors show

cdef const char* SCRIPT_NAME = b"@user_script"
cdef const char** FLAG_NAMES = [
    b"no-writes", b"allow-oom", b"allow-stale", b"no-cluster", b"allow-cross-slot-keys", NULL,
]


# Shebang lines

cdef int64_t script_flag(const char* name, size_t length) noexcept nogil:
    cdef int i = 0
    while FLAG_NAMES[i] != NULL:
        if strlen(FLAG_NAMES[i]) == length and memcmp(FLAG_NAMES[i], name, length) == 0:
            return 1 << i
        i += 1
    return -1


cdef void reply_no_script(Core* core, Client* client) noexcept nogil:
    reply_error(&client.reply, "NOSCRIPT No matching script." if core.settings.valkey_texts
                else "NOSCRIPT No matching script. Please use EVAL.")


cdef const char* script_flag_name(int index) noexcept nogil:
    return FLAG_NAMES[index]


cdef int64_t script_flags(const char* text, size_t length, char* error) noexcept nogil:
    cdef const char* end = text + length
    cdef const char* word_end
    cdef int64_t flags = 0
    cdef int64_t flag
    if length == 0:
        return 0
    while True:
        word_end = <const char*> memchr(text, c',', <size_t> (end - text)) if text < end else NULL
        if word_end == NULL:
            word_end = end
        flag = script_flag(text, word_end - text)
        if flag < 0:
            snprintf(error, COMPILE_ERROR_MAX, "ERR Unexpected flag in script shebang: %.*s",
                     <int> min(<size_t> (word_end - text), <size_t> SHOWN_MAX), text)
            return -1
        flags |= flag
        if word_end == end:
            return flags
        text = word_end + 1


cdef int64_t shebang_words(Core* core, const char* line, const char* end, char* word, char* error) noexcept nogil:
    """The flags that the line says; -1 where it is wrong. word has room for all of it."""
    cdef size_t length
    cdef int64_t flags = 0
    cdef int taken = next_word(&line, end, word, &length)
    if taken < 0:
        snprintf(error, COMPILE_ERROR_MAX, "ERR Invalid engine in script shebang")
        return -1
    if not is_lua(core, word, length):
        snprintf(error, COMPILE_ERROR_MAX,
                 "ERR Could not find scripting engine '%.*s'" if core.settings.script_errors_brief
                 else "ERR Unexpected engine in script shebang: #!%.*s", <int> min(length, <size_t> SHOWN_MAX), word)
        return -1
    while True:
        taken = next_word(&line, end, word, &length)
        if taken == 0:
            return flags
        if taken < 0:
            snprintf(error, COMPILE_ERROR_MAX, "ERR Invalid engine in script shebang")
            return -1
        if length < 6 or memcmp(word, b"flags=", 6) != 0:
            snprintf(error, COMPILE_ERROR_MAX, "ERR Unknown lua shebang option: %.*s",
                     <int> min(length, <size_t> SHOWN_MAX), word)
            return -1
        flags = script_flags(word + 6, length - 6, error)
        if flags < 0:
            return -1


cdef bint is_lua(const Core* core, const char* engine, size_t length) noexcept nogil:
    """Redis wants the name in small letters."""
    if length != 3 or (not core.settings.script_errors_brief and memcmp(engine, b"lua", 3) != 0):
        return 0
    return (engine[0] | 32) == c'l' and (engine[1] | 32) == c'u' and (engine[2] | 32) == c'a'


cdef int64_t shebang_flags(Core* core, const char* body, size_t length, size_t* code, char* error) noexcept nogil:
    """What a script says of itself, and where its code begins; -1 where that is wrong."""
    cdef const char* end
    cdef char* word
    cdef int64_t flags
    code[0] = 0
    if length < 2 or body[0] != c'#' or body[1] != c'!':
        return SCRIPT_LEGACY
    end = <const char*> memchr(body, c'\n', length)
    if end == NULL:
        snprintf(error, COMPILE_ERROR_MAX, "ERR Invalid script shebang")
        return -1
    code[0] = <size_t> (end - body)
    word = <char*> heap_alloc(core.heap, code[0])
    if word == NULL:
        snprintf(error, COMPILE_ERROR_MAX, "OOM out of memory while keeping a script")
        return -1
    # What follows the mark at once is the engine, be it nothing.
    if is_space(body[2]):
        word[0] = 0
        snprintf(error, COMPILE_ERROR_MAX, "ERR Could not find scripting engine ''" if core.settings.script_errors_brief
                 else "ERR Unexpected engine in script shebang: #!")
        flags = -1
    else:
        flags = shebang_words(core, body + 2, end, word, error)
    heap_free(core.heap, word, code[0])
    return flags


# The cache

cdef void unlink_script(Scripts* cache, Script* script) noexcept nogil:
    if script.older != NULL:
        script.older.newer = script.newer
    else:
        cache.oldest = script.newer
    if script.newer != NULL:
        script.newer.older = script.older
    else:
        cache.newest = script.older
    script.older = NULL
    script.newer = NULL
    cache.evaluated -= 1


cdef void link_script(Scripts* cache, Script* script) noexcept nogil:
    script.older = cache.newest
    script.newer = NULL
    if cache.newest != NULL:
        cache.newest.newer = script
    else:
        cache.oldest = script
    cache.newest = script
    cache.evaluated += 1


cdef size_t script_memory(const Script* script) noexcept nogil:
    return heap_footprint(sizeof(Script) + SHA1_HEX + 1) + heap_footprint(script.length)


cdef void forget_script(Scripts* cache, Script* script) noexcept nogil:
    if not script.is_kept:
        unlink_script(cache, script)
    script_unref(cache.scripting, script.reference)
    cache.memory -= script_memory(script)
    heap_free(cache.scripting.core.heap, script.body, script.length)
    record_remove(&cache.by_digest, script)


cdef Script* find_script(Scripts* cache, const char* digest) noexcept nogil:
    return <Script*> record_find(&cache.by_digest, digest, SHA1_HEX, dict_hash(&cache.by_digest, digest, SHA1_HEX))


cdef Script* add_script(Scripts* cache, const char* digest, const char* body, size_t length,
                        char* error) noexcept nogil:
    """NULL, and error is a text of COMPILE_ERROR_MAX bytes, where it cannot be compiled, or memory is out."""
    cdef Source source
    cdef Script* script
    cdef size_t code
    cdef int64_t flags = shebang_flags(cache.scripting.core, body, length, &code, error)
    if flags < 0:
        return NULL
    source.text = body + code
    source.length = length - code
    source.name = SCRIPT_NAME
    if script_compile(cache.scripting, &source) != 0:
        snprintf(error, COMPILE_ERROR_MAX, "ERR Error compiling script (new function): %.*s", COMPILE_ERROR_MAX - 64,
                 source.error)
        return NULL
    script = <Script*> record_add(&cache.by_digest, digest, SHA1_HEX, dict_hash(&cache.by_digest, digest, SHA1_HEX))
    if script != NULL:
        script.body = <char*> heap_alloc(cache.scripting.core.heap, length)
        if script.body == NULL:
            record_remove(&cache.by_digest, script)
            script = NULL
    if script == NULL:
        script_unref(cache.scripting, source.reference)
        snprintf(error, COMPILE_ERROR_MAX, "OOM out of memory while keeping a script")
        return NULL
    memcpy(script.body, body, length)
    script.length = length
    script.reference = source.reference
    script.flags = <uint64_t> flags
    cache.memory += script_memory(script)
    link_script(cache, script)
    if cache.evaluated > EVALUATED_SCRIPTS_MAX:
        cache.scripting.core.statistics.evicted_scripts += 1
        forget_script(cache, cache.oldest)
    return script


# Commands

cdef int64_t keys_count_or_reply(Client* client, int index) noexcept nogil:
    cdef int64_t count
    if not parse_int64(client.argv[index].data, client.argv[index].length, &count):
        reply_error(&client.reply, "ERR value is not an integer or out of range")
        return -1
    if count > client.argc - index - 1:
        reply_error(&client.reply, "ERR Number of keys can't be greater than number of args")
        return -1
    if count < 0:
        reply_error(&client.reply, "ERR Number of keys can't be negative")
        return -1
    return count


cdef Scripts* scripts_or_reply(Core* core, Client* client) noexcept nogil:
    """The cache; NULL where it cannot be made, and the client has been told."""
    cdef Scripting* scripting = scripting_or_reply(core, client)
    cdef Scripts* cache
    if scripting == NULL:
        return NULL
    cache = <Scripts*> scripting.scripts
    if cache == NULL:
        cache = <Scripts*> heap_zalloc(core.heap, sizeof(Scripts))
        if cache == NULL:
            reply_out_of_memory(client)
            return NULL
        cache.scripting = scripting
        dict_init(&cache.by_digest, core.heap, core.seed, sizeof(Script))
        scripting.scripts = cache
    return cache


cdef void release_all(Scripts* cache) noexcept nogil:
    cdef DictIterator it
    cdef Script* script
    dict_iterate_begin(&it, &cache.by_digest)
    script = <Script*> dict_iterate_next(&it)
    while script != NULL:
        script_unref(cache.scripting, script.reference)
        heap_free(cache.scripting.core.heap, script.body, script.length)
        script = <Script*> dict_iterate_next(&it)
    dict_iterate_end(&it)
    records_release(&cache.by_digest)


cdef void scripts_release(Core* core) noexcept nogil:
    cdef Scripting* scripting = scripting_of(core)
    if scripting == NULL or scripting.scripts == NULL:
        return
    release_all(<Scripts*> scripting.scripts)
    heap_free(core.heap, scripting.scripts, sizeof(Scripts))
    scripting.scripts = NULL


cdef void scripts_flush(Core* core) noexcept nogil:
    scripts_release(core)
    if scripting_of(core) != NULL:
        scripting_collect(scripting_of(core))


cdef bint digest_of(const Argument* argument, char* digest) noexcept nogil:
    """A digest in an argument, in small letters."""
    cdef int i
    if argument.length != SHA1_HEX:
        return 0
    for i in range(SHA1_HEX):
        digest[i] = argument.data[i] | (32 if c'A' <= argument.data[i] <= c'F' else 0)
    return 1


cdef void evaluate(Core* core, Client* client, bint by_digest, bint read_only) noexcept nogil:
    if not client.flags & CLIENT_DEBUGS:
        evaluate_script(core, client, by_digest, read_only)
    elif by_digest:
        reply_error(&client.reply, "ERR Please use EVAL instead of EVALSHA for debugging")
    else:
        evaluate_debugged(core, client, read_only)


cdef void evaluate_debugged(Core* core, Client* client, bint read_only) noexcept nogil:
    """The client's connection ends with this script; where it has a process of its own, that ends here, too."""
    cdef Scripting* scripting = scripting_or_reply(core, client)
    cdef Debugger* debugger
    cdef int child
    if scripting == NULL:
        return
    debugger = debugger_begin(core, client.fd, client.argv[1].data, client.argv[1].length)
    if debugger == NULL:
        reply_out_of_memory(client)
        return
    if client.flags & CLIENT_DEBUGS_FORKED:
        child = core.upcalls.fork_debugger(core, client)
        if child != 0:
            debugger_free(debugger)
            if child < 0:
                reply_error(&client.reply, "ERR can't fork() a process for the debugger")
            else:
                client_doom(core, client)
            return
        core.propagation = 0
    scripting.debugger = debugger
    evaluate_script(core, client, 0, read_only)
    scripting.debugger = NULL
    debugger_finish(debugger)
    if client.flags & CLIENT_DEBUGS_FORKED:
        debugger_exit(debugger, &client.reply)
    debugger_free(debugger)
    client_end(core, client)


cdef void evaluate_script(Core* core, Client* client, bint by_digest, bint read_only) noexcept nogil:
    cdef Scripts* cache
    cdef Script* script = NULL
    cdef Run run
    cdef char digest[SHA1_HEX]
    cdef char error[COMPILE_ERROR_MAX]
    cdef int64_t keys_count = keys_count_or_reply(client, 2)
    if keys_count < 0:
        return
    cache = scripts_or_reply(core, client)
    if cache == NULL:
        return
    if cache.scripting.run.client != NULL:
        reply_error(&client.reply, "ERR a script that runs cannot have another one run")
        return
    if not by_digest:
        sha1_hex(client.argv[1].data, client.argv[1].length, digest)
    if not by_digest or digest_of(&client.argv[1], digest):
        script = find_script(cache, digest)
    if script == NULL:
        if by_digest:
            reply_no_script(core, client)
            return
        script = add_script(cache, digest, client.argv[1].data, client.argv[1].length, error)
        if script == NULL:
            reply_error(&client.reply, error)
            return
    elif not script.is_kept and cache.newest != script:
        unlink_script(cache, script)
        link_script(cache, script)
    if not script_admit(core, client, script.flags, read_only):
        return
    memset(&run, 0, sizeof(run))
    run.name = digest
    run.name_length = SHA1_HEX
    run.flags = script.flags | (SCRIPT_NO_WRITES if read_only else 0)
    run.over_memory = is_over_memory(core)
    script_run(cache.scripting, client, script.reference, &run, 3, <int> keys_count)


cdef void eval_command(Core* core, Client* client) noexcept nogil:
    evaluate(core, client, 0, 0)


cdef void eval_ro_command(Core* core, Client* client) noexcept nogil:
    evaluate(core, client, 0, 1)


cdef void evalsha_command(Core* core, Client* client) noexcept nogil:
    evaluate(core, client, 1, 0)


cdef void evalsha_ro_command(Core* core, Client* client) noexcept nogil:
    evaluate(core, client, 1, 1)


cdef void script_load_command(Core* core, Client* client) noexcept nogil:
    cdef Scripts* cache = scripts_or_reply(core, client)
    cdef Script* script
    cdef char digest[SHA1_HEX]
    cdef char error[COMPILE_ERROR_MAX]
    if cache == NULL:
        return
    sha1_hex(client.argv[2].data, client.argv[2].length, digest)
    script = find_script(cache, digest)
    if script == NULL:
        script = add_script(cache, digest, client.argv[2].data, client.argv[2].length, error)
    if script == NULL:
        reply_error(&client.reply, error)
        return
    if not script.is_kept:
        unlink_script(cache, script)
        script.is_kept = 1
    reply_bulk(&client.reply, digest, SHA1_HEX)


cdef Script* script_in_argument(Core* core, const Argument* argument) noexcept nogil:
    """The script whose digest an argument is, or NULL."""
    cdef Scripting* scripting = scripting_of(core)
    cdef char digest[SHA1_HEX]
    if scripting == NULL or scripting.scripts == NULL or not digest_of(argument, digest):
        return NULL
    return find_script(<Scripts*> scripting.scripts, digest)


cdef void script_exists_command(Core* core, Client* client) noexcept nogil:
    cdef int i
    reply_array(&client.reply, client.argc - 2)
    for i in range(2, client.argc):
        reply_integer(&client.reply, script_in_argument(core, &client.argv[i]) != NULL)


cdef void script_show_command(Core* core, Client* client) noexcept nogil:
    cdef Script* script = script_in_argument(core, &client.argv[2])
    if script == NULL:
        reply_no_script(core, client)
    else:
        reply_bulk(&client.reply, script.body, script.length)


cdef void script_debug_command(Core* core, Client* client) noexcept nogil:
    cdef const Argument* mode = &client.argv[2]
    cdef char text[128]
    cdef uint64_t flags
    if client.argc > 3 and not core.settings.script_errors_brief:
        reply_error(&client.reply, "ERR wrong number of arguments for 'script|debug' command")
        return
    if client.argc > 4:
        reply_error(&client.reply, "ERR unknown subcommand or wrong number of arguments for 'DEBUG'. Try SCRIPT HELP.")
        return
    if client.argc == 4 and not is_lua(core, client.argv[3].data, client.argv[3].length):
        snprintf(text, sizeof(text), "ERR No scripting engine found with name '%.*s' to enable debug",
                 <int> min(client.argv[3].length, <size_t> SHOWN_MAX), client.argv[3].data)
        reply_error(&client.reply, text)
        return
    if reply_pending(&client.reply):
        reply_error(&client.reply, "ERR SCRIPT DEBUG must be called outside a pipeline")
        return
    if client.flags & CLIENT_INTERNAL:
        reply_error(&client.reply, "ERR SCRIPT DEBUG needs a connection")
        return
    if argument_is(mode, "NO"):
        flags = 0
    elif argument_is(mode, "YES"):
        flags = CLIENT_DEBUGS | CLIENT_DEBUGS_FORKED
    elif argument_is(mode, "SYNC"):
        flags = CLIENT_DEBUGS
    else:
        reply_error(&client.reply, "ERR Use SCRIPT DEBUG YES/SYNC/NO")
        return
    client.flags = client.flags & ~<uint64_t> (CLIENT_DEBUGS | CLIENT_DEBUGS_FORKED) | flags
    reply_ok(&client.reply)


cdef bint script_is_read_only(Core* core, const Argument* argument, bint by_digest) noexcept nogil:
    cdef Script* script
    cdef size_t code
    cdef int64_t flags
    cdef char error[COMPILE_ERROR_MAX]
    if by_digest:
        script = script_in_argument(core, argument)
        return script != NULL and script.flags & SCRIPT_NO_WRITES != 0
    flags = shebang_flags(core, argument.data, argument.length, &code, error)
    return flags >= 0 and flags & SCRIPT_NO_WRITES != 0


cdef void script_flush_command(Core* core, Client* client) noexcept nogil:
    if client.argc > 3 or (client.argc == 3 and not argument_is(&client.argv[2], "ASYNC")
                           and not argument_is(&client.argv[2], "SYNC")):
        reply_error(&client.reply, "ERR SCRIPT FLUSH only support SYNC|ASYNC option")
        return
    scripts_flush(core)
    reply_ok(&client.reply)


cdef void script_kill_command(Core* core, Client* client) noexcept nogil:
    run_kill(core, client, 0)


COMMANDS = [
    native(
        "eval", <size_t> &eval_command, -3, "noscript skip_monitor may_replicate no_mandatory_keys stale",
        keys="RW ACCESS UPDATE @ 2 keynum=0", group="scripting", since="2.6.0",
        syntax="script numkeys:integer [key...] [arg...]", summary="Executes a script in Lua.",
        complexity="Depends on the script",
    ),
    native(
        "evalsha", <size_t> &evalsha_command, -3, "noscript skip_monitor may_replicate no_mandatory_keys stale",
        keys="RW ACCESS UPDATE @ 2 keynum=0", group="scripting", since="2.6.0",
        syntax="sha1 numkeys:integer [key...] [arg...]", summary="Executes a script in Lua that is known by its SHA-1.",
        complexity="Depends on the script",
    ),
    native(
        "eval_ro", <size_t> &eval_ro_command, -3, "noscript skip_monitor no_mandatory_keys stale readonly",
        keys="RO ACCESS @ 2 keynum=0", group="scripting", since="7.0.0",
        syntax="script numkeys:integer [key...] [arg...]", summary="Executes a script in Lua that only reads.",
        complexity="Depends on the script",
    ),
    native(
        "evalsha_ro", <size_t> &evalsha_ro_command, -3, "noscript skip_monitor no_mandatory_keys stale readonly",
        keys="RO ACCESS @ 2 keynum=0", group="scripting", since="7.0.0",
        syntax="sha1 numkeys:integer [key...] [arg...]",
        summary="Executes a script in Lua that only reads, known by its SHA-1.",
        complexity="Depends on the script",
    ),
    container("script", group="scripting", since="2.6.0", summary="A container for commands about scripts."),
    native(
        "script|load", <size_t> &script_load_command, 3, "noscript stale", group="scripting", since="2.6.0",
        tips="request_policy:all_nodes response_policy:all_succeeded", syntax="script",
        summary="Keeps a script, and answers its SHA-1.", complexity="O(N) for a script of N bytes",
    ),
    native(
        "script|exists", <size_t> &script_exists_command, -3, "noscript stale", group="scripting", since="2.6.0",
        tips="request_policy:all_shards response_policy:agg_logical_and", syntax="sha1...",
        summary="Tells which scripts are known.", complexity="O(N) for N scripts",
    ),
    native(
        "script|show", <size_t> &script_show_command, 3, "noscript stale", group="scripting", since="8.0.0",
        syntax="sha1", summary="Returns the text of a script.", complexity="O(1)",
    ),
    native(
        "script|flush", <size_t> &script_flush_command, -2, "noscript stale", group="scripting", since="2.6.0",
        tips="request_policy:all_nodes response_policy:all_succeeded", syntax="[flush-type:(ASYNC | SYNC)@6.2.0]",
        summary="Forgets all scripts.", complexity="O(N) for N scripts",
    ),
    native(
        "script|debug", <size_t> &script_debug_command, -3, "noscript", group="scripting", since="3.2.0",
        syntax="mode:(YES | SYNC | NO) [engine:string@9.1.0]",
        summary="Sets how the next scripts of the connection are debugged.", complexity="O(1)",
    ),
    native(
        "script|kill", <size_t> &script_kill_command, 2, "noscript allow_busy", group="scripting", since="2.6.0",
        tips="request_policy:all_shards response_policy:one_succeeded",
        summary="Ends the script that runs.", complexity="O(1)",
    ),
]
