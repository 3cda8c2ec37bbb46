"""Libraries of functions; the contract is in functions.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memchr, memcmp, memcpy, strcmp, strlen, strncmp
from redislite._core.base.alloc cimport heap_alloc, heap_footprint, heap_free, heap_zalloc
from redislite._core.base.clock cimport clock_counter
from redislite._core.base.prefixed cimport prefixed_read, prefixed_size, prefixed_write
from redislite._core.scripting.lua_api cimport (
    LUA_MASKCOUNT, LUA_MASKLINE, LUA_REGISTRYINDEX, LUA_TFUNCTION, LUA_TNIL, LUA_TNUMBER, LUA_TSTRING, LUA_TTABLE,
    LUA_UPVALUE_1, lua, lua_Debug, lua_State, lua_pop, lua_set,
)
from redislite._core.scripting.lua_sandbox cimport guard, guard_missing, push_guarded
from redislite._core.scripting.lua_values cimport error_push
from redislite._core.scripting.scripting cimport Scripting, script_unref, scripting_collect, scripting_of
from redislite._core.scripting.scripts cimport script_flag
from redislite._core.state.core cimport Core
from redislite._core.structures.dict cimport (
    Dict, dict_find, dict_hash, dict_init, dict_insert, dict_release, dict_remove,
)
from redislite._core.structures.records cimport record_name

cdef enum:
    LOG_WARNING = 3
    NAME_SHOWN = 128            # bytes of a name that errors tell
    SHORT_NAME = 128            # bytes of a function's name that is looked up without asking for memory
    HOOK_INSTRUCTIONS = 10000   # between two looks at the clock
    FILE_MILLISECONDS = 10000   # for a library that was loaded before, elsewhere or at another time
    # Where things stand while a library is loaded
    STACK_METATABLE = 1
    STACK_KEY = 2               # what the metatable has its view under
    STACK_RUNNING = 3           # the view for later
    STACK_HANDLER = 4

cdef const char* CHUNK_NAME = b"@user_function"


# Names

cdef bint is_name(const char* text, size_t length) noexcept nogil:
    cdef size_t i
    cdef char c
    for i in range(length):
        c = text[i]
        if not (c'a' <= c <= c'z' or c'A' <= c <= c'Z' or c'0' <= c <= c'9' or c == c'_'):
            return 0
    return length > 0


cdef void in_small_letters(char* target, const char* text, size_t length) noexcept nogil:
    cdef size_t i
    for i in range(length):
        target[i] = text[i] + 32 if c'A' <= text[i] <= c'Z' else text[i]


# The first line of a library: #!engine name=… ; its words may be quoted

cdef struct Metadata:
    const char* code            # what is behind the line's words: the end of the line
    size_t code_length
    char* words                 # block of words_size bytes, the caller's to release: the engine, and the name behind it
    size_t words_size
    size_t engine_length
    size_t name_length


cdef inline bint is_space(char c) noexcept nogil:
    return c == c' ' or c'\t' <= c <= c'\r'


cdef int hex_digit(char c) noexcept nogil:
    if c'0' <= c <= c'9':
        return c - c'0'
    if c'a' <= (c | 32) <= c'f':
        return (c | 32) - c'a' + 10
    return -1


cdef const char* take_quoted(const char* at, const char* end, char* word, size_t* length) noexcept nogil:
    """What is between the quote at this place and the next: answers the place behind that, or NULL where there is none."""
    cdef char quote = at[0]
    cdef char c
    at += 1
    while at < end and at[0] != quote:
        c = at[0]
        if c == c'\\' and quote == c'"' and end - at >= 4 and at[1] == c'x' and hex_digit(at[2]) >= 0 and hex_digit(at[3]) >= 0:
            c = <char> (hex_digit(at[2]) * 16 + hex_digit(at[3]))
            at += 3
        elif c == c'\\' and end - at >= 2 and (quote == c'"' or at[1] == quote):
            at += 1
            c = at[0]
            if quote == c'"':
                c = c'\n' if c == c'n' else c'\r' if c == c'r' else c'\t' if c == c't' else c
        word[length[0]] = c
        length[0] += 1
        at += 1
    if at >= end or (at + 1 < end and not is_space(at[1])):
        return NULL
    return at + 1


cdef int next_word(const char** place, const char* end, char* word, size_t* length) noexcept nogil:
    """1: there was one, 0: there is none, -1: its quotes are wrong."""
    cdef const char* at = place[0]
    length[0] = 0
    while at < end and is_space(at[0]):
        at += 1
    if at == end:
        place[0] = at
        return 0
    while at < end and not is_space(at[0]):
        if at[0] == c'"' or at[0] == c"'":
            at = take_quoted(at, end, word, length)
            if at == NULL:
                return -1
            break
        word[length[0]] = at[0]
        length[0] += 1
        at += 1
    place[0] = at
    return 1


cdef bint is_named(const char* word, size_t length) noexcept nogil:
    cdef char start[5]
    if length < sizeof(start):
        return 0
    in_small_letters(start, word, sizeof(start))
    return memcmp(start, b"name=", sizeof(start)) == 0


cdef bint read_words(Metadata* metadata, const char* at, char* error) noexcept nogil:
    cdef char* word
    cdef size_t length
    cdef int taken
    cdef bint has_name = 0
    # The engine's name may be missing: then a space comes at once.
    if at < metadata.code and not is_space(at[0]):
        if next_word(&at, metadata.code, metadata.words, &metadata.engine_length) < 0:
            snprintf(error, LIBRARY_ERROR, "ERR Invalid library metadata")
            return 0
    while True:
        word = metadata.words + metadata.engine_length + metadata.name_length
        taken = next_word(&at, metadata.code, word, &length)
        if taken < 0:
            snprintf(error, LIBRARY_ERROR, "ERR Invalid library metadata")
            return 0
        if taken == 0:
            break
        if not is_named(word, length):
            snprintf(error, LIBRARY_ERROR, "ERR Invalid metadata value given: %.*s", <int> min(length, <size_t> NAME_SHOWN), word)
            return 0
        if has_name:
            snprintf(error, LIBRARY_ERROR, "ERR Invalid metadata value, name argument was given multiple times")
            return 0
        has_name = 1
        metadata.name_length = length - 5
        for taken in range(<int> metadata.name_length):
            word[taken] = word[taken + 5]
    if not has_name:
        snprintf(error, LIBRARY_ERROR, "ERR Library name was not given")
        return 0
    if not is_name(metadata.words + metadata.engine_length, metadata.name_length):
        metadata.name_length = 0
        snprintf(error, LIBRARY_ERROR, "ERR Library names can only contain letters, numbers, or underscores(_) and must be at "
                 "least one character long")
        return 0
    return 1


cdef bint read_metadata(Core* core, const char* code, size_t length, Metadata* metadata, char* error) noexcept nogil:
    """False, and error says why, where the line is wrong; what could be read of it is there all the same."""
    metadata.words = NULL
    metadata.engine_length = metadata.name_length = 0
    metadata.code = code
    metadata.code_length = length
    if length < 2 or memcmp(code, b"#!", 2) != 0:
        snprintf(error, LIBRARY_ERROR, "ERR Missing library metadata")
        return 0
    metadata.code = <const char*> memchr(code, c'\n', length)
    if metadata.code == NULL:
        metadata.code = code
        snprintf(error, LIBRARY_ERROR, "ERR Invalid library metadata")
        return 0
    metadata.code_length = length - <size_t> (metadata.code - code)
    metadata.words_size = <size_t> (metadata.code - code)
    metadata.words = <char*> heap_alloc(core.heap, metadata.words_size)
    if metadata.words == NULL:
        snprintf(error, LIBRARY_ERROR, "OOM out of memory while a library is loaded")
        return 0
    return read_words(metadata, code + 2, error)


cdef void end_metadata(Core* core, Metadata* metadata) noexcept nogil:
    if metadata.words != NULL:
        heap_free(core.heap, metadata.words, metadata.words_size)


cdef bint is_lua(const char* engine, size_t length) noexcept nogil:
    cdef char name[3]
    if length != sizeof(name):
        return 0
    in_small_letters(name, engine, sizeof(name))
    return memcmp(name, b"lua", sizeof(name)) == 0


cdef const char* library_engine(const Library* library, size_t* length) noexcept nogil:
    cdef const char* end = library.code + library.code_length
    cdef const char* at = library.code + 2
    length[0] = 0
    if library.code_length < 2 or memcmp(library.code, b"#!", 2) != 0:
        return library.code
    while at < end and not is_space(at[0]):
        at += 1
    length[0] = <size_t> (at - library.code - 2)
    if is_lua(library.code + 2, length[0]):
        return "LUA"
    return library.code + 2


# Libraries and functions

cdef const char* library_name(Functions* functions, Library* library, size_t* length) noexcept nogil:
    return record_name(&functions.libraries, library, length)


cdef Library* library_new(Functions* functions, const char* code, size_t length, bint from_file, char* error) noexcept nogil:
    cdef Core* core = functions.core
    cdef Metadata metadata
    cdef Library* library = NULL
    cdef size_t size
    cdef bint sound = read_metadata(core, code, length, &metadata, error)
    if sound and not is_lua(metadata.words, metadata.engine_length):
        snprintf(error, LIBRARY_ERROR, "ERR Engine '%.*s' not found", <int> min(metadata.engine_length, <size_t> NAME_SHOWN),
                 metadata.words)
        sound = 0
    if sound or from_file:
        size = sizeof(Library) + prefixed_size(metadata.name_length) + length
        library = <Library*> heap_zalloc(core.heap, size)
        if library == NULL:
            snprintf(error, LIBRARY_ERROR, "OOM out of memory while a library is loaded")
        else:
            library.code = prefixed_write(<char*> library + sizeof(Library), metadata.words + metadata.engine_length
                                          if metadata.words != NULL else NULL, metadata.name_length)
            memcpy(library.code, code, length)
            library.code_length = length
            library.memory = heap_footprint(size)
            library.state = LIBRARY_WAITING if sound else LIBRARY_BROKEN
    end_metadata(core, &metadata)
    return library


cdef size_t library_size(Functions* functions, Library* library) noexcept nogil:
    cdef size_t length
    library_name(functions, library, &length)
    return sizeof(Library) + prefixed_size(length) + library.code_length


cdef inline size_t function_size(const Function* function) noexcept nogil:
    return sizeof(Function) + prefixed_size(function.name_length) + function.name_length + function.description_length


cdef void drop_functions(Functions* functions, Library* library) noexcept nogil:
    """Releases the functions of a library that belongs to nobody."""
    cdef Scripting* scripting = scripting_of(functions.core)
    cdef Function* function = library.first
    cdef Function* next
    while function != NULL:
        next = function.next
        script_unref(scripting, function.reference)
        library.memory -= heap_footprint(function_size(function))
        heap_free(functions.core.heap, function, function_size(function))
        function = next
    library.first = library.last = NULL
    library.count = 0


cdef void library_free(Functions* functions, Library* library) noexcept nogil:
    drop_functions(functions, library)
    heap_free(functions.core.heap, library, library_size(functions, library))


cdef Library* library_find(Functions* functions, const char* name, size_t length) noexcept nogil:
    cdef void** slot = dict_find(&functions.libraries, name, length, dict_hash(&functions.libraries, name, length))
    return <Library*> slot[0] if slot != NULL else NULL


cdef Function* function_find(Functions* functions, const char* name, size_t length) noexcept nogil:
    cdef char small[SHORT_NAME]
    cdef char* text = small
    cdef void** slot
    small[0] = 0                        # gcc does not see that an empty name reads nothing of it
    if length > SHORT_NAME:
        text = <char*> heap_alloc(functions.core.heap, length)
        if text == NULL:
            return NULL
    in_small_letters(text, name, length)
    slot = dict_find(&functions.by_name, text, length, dict_hash(&functions.by_name, text, length))
    if text != small:
        heap_free(functions.core.heap, text, length)
    return <Function*> slot[0] if slot != NULL else NULL


cdef Functions* functions_get(Core* core) noexcept nogil:
    cdef Functions* functions = functions_of(core)
    if functions == NULL:
        functions = <Functions*> heap_zalloc(core.heap, sizeof(Functions))
        if functions == NULL:
            return NULL
        functions.core = core
        dict_init(&functions.libraries, core.heap, core.seed, sizeof(Library))
        dict_init(&functions.by_name, core.heap, core.seed, sizeof(Function))
        core.functions = functions
    return functions


cdef void functions_release(Core* core) noexcept nogil:
    cdef Functions* functions = functions_of(core)
    if functions == NULL:
        return
    libraries_flush(functions)
    dict_release(&functions.libraries)
    dict_release(&functions.by_name)
    heap_free(core.heap, functions, sizeof(Functions))
    core.functions = NULL


# Joining: names are entered one by one, in the places of those that go where there are such; if one cannot be, what was
# entered is taken back, in the same order, and so nothing has changed

cdef void** slot_of(Dict* names, void* record) noexcept nogil:
    """The place of a record's name, whoever has it; NULL where nobody does."""
    cdef size_t length
    cdef const char* name = record_name(names, record, &length)
    return dict_find(names, name, length, dict_hash(names, name, length))


cdef bint enter(Dict* names, void* record) noexcept nogil:
    """Enters a record, in the place of the one of its name if there is one. False where memory is out."""
    cdef size_t length
    cdef const char* name
    cdef void** slot = slot_of(names, record)
    if slot != NULL:
        slot[0] = record
        return 1
    name = record_name(names, record, &length)
    return dict_insert(names, record, dict_hash(names, name, length)) == 0


cdef void leave(Dict* names, void* record) noexcept nogil:
    """Takes a record's name out, unless it is another's by now."""
    cdef size_t length
    cdef const char* name
    cdef void** slot = slot_of(names, record)
    if slot != NULL and slot[0] == record:
        name = record_name(names, record, &length)
        dict_remove(names, name, length, dict_hash(names, name, length))


cdef bint goes(Functions* functions, Library* library, Library* added, int policy) noexcept nogil:
    """Whether a library that is there makes room for those that are added."""
    cdef size_t length, other_length
    cdef const char* name
    cdef const char* other
    if policy == JOIN_FLUSH:
        return 1
    name = library_name(functions, library, &length)
    while policy == JOIN_REPLACE and length and added != NULL:
        other = library_name(functions, added, &other_length)
        if other_length == length and memcmp(name, other, length) == 0:
            return 1
        added = added.newer
    return 0


cdef bint may_join(Functions* functions, Library* added, int policy, char* error) noexcept nogil:
    cdef Library* library = added
    cdef Library* there
    cdef Function* function
    cdef void** slot
    cdef const char* name
    cdef size_t length
    while library != NULL:
        name = library_name(functions, library, &length)
        there = library_find(functions, name, length) if length else NULL
        if there != NULL and policy == JOIN_APPEND:
            snprintf(error, LIBRARY_ERROR, "ERR Library %.*s already exists", <int> min(length, <size_t> NAME_SHOWN), name)
            return 0
        function = library.first
        while function != NULL:
            slot = slot_of(&functions.by_name, function)
            if slot != NULL and not goes(functions, (<Function*> slot[0]).library, added, policy):
                snprintf(error, LIBRARY_ERROR, "ERR Function %.*s already exists",
                         <int> min(function.name_length, <size_t> NAME_SHOWN), function.name)
                return 0
            function = function.next
        library = library.newer
    return 1


cdef bint is_entered(Functions* functions, Function* function, Library* added) noexcept nogil:
    """Whether the name of a function that is added is another's that is added too."""
    cdef void** slot = slot_of(&functions.by_name, function)
    cdef Library* library
    if slot == NULL:
        return 0
    library = (<Function*> slot[0]).library
    while added != NULL:
        if added == library:
            return 1
        added = added.newer
    return 0


cdef bint enter_all(Functions* functions, Library* added, char* error) noexcept nogil:
    cdef Library* library = added
    cdef Function* function
    cdef size_t length
    while library != NULL:
        library_name(functions, library, &length)
        if length and not enter(&functions.libraries, library):
            snprintf(error, LIBRARY_ERROR, "OOM out of memory while a library is loaded")
            return 0
        function = library.first
        while function != NULL:
            if is_entered(functions, function, added):
                # Names that differ in letter case alone are one, which within a library the first function has.
                if (<Function*> slot_of(&functions.by_name, function)[0]).library != library:
                    snprintf(error, LIBRARY_ERROR, "ERR Function %.*s already exists",
                             <int> min(function.name_length, <size_t> NAME_SHOWN), function.name)
                    return 0
            elif not enter(&functions.by_name, function):
                snprintf(error, LIBRARY_ERROR, "OOM out of memory while a library is loaded")
                return 0
            function = function.next
        library = library.newer
    return 1


cdef void leave_all(Functions* functions, Library* library) noexcept nogil:
    cdef Function* function = library.first
    cdef size_t length
    library_name(functions, library, &length)
    if length:
        leave(&functions.libraries, library)
    while function != NULL:
        leave(&functions.by_name, function)
        function = function.next


cdef void enter_again(Functions* functions) noexcept nogil:
    """Gives all that were there the places that they had before something was entered: those are free or another's, or were
    made into one that is to be taken out next, so nothing is asked for."""
    cdef Library* library = functions.oldest
    cdef Function* function
    cdef void** slot
    cdef size_t length
    while library != NULL:
        library_name(functions, library, &length)
        slot = slot_of(&functions.libraries, library) if length else NULL
        if slot != NULL:
            slot[0] = library
        function = library.first
        while function != NULL:
            slot = slot_of(&functions.by_name, function)
            if slot != NULL and ((<Function*> slot[0]).library != library):
                slot[0] = function
            function = function.next
        library = library.newer


cdef void forget(Functions* functions, Library* library) noexcept nogil:
    """Takes a library out of the chain and the counts, and releases it."""
    if library.older != NULL:
        library.older.newer = library.newer
    else:
        functions.oldest = library.newer
    if library.newer != NULL:
        library.newer.older = library.older
    else:
        functions.newest = library.older
    functions.waiting -= library.state == LIBRARY_WAITING
    functions.memory -= library.memory
    functions.vm_memory -= library.vm_memory
    library_free(functions, library)


cdef void library_delete(Functions* functions, Library* library) noexcept nogil:
    leave_all(functions, library)
    forget(functions, library)


cdef bint libraries_join(Functions* functions, Library* added, int policy, char* error) noexcept nogil:
    cdef Library* library
    cdef Library* next
    if not may_join(functions, added, policy, error):
        return 0
    if not enter_all(functions, added, error):
        enter_again(functions)
        library = added
        while library != NULL:
            leave_all(functions, library)
            library = library.newer
        return 0
    library = functions.oldest
    while library != NULL:
        next = library.newer
        if goes(functions, library, added, policy):
            library_delete(functions, library)
        library = next
    while added != NULL:
        next = added.newer
        added.older = functions.newest
        added.newer = NULL
        if functions.newest != NULL:
            functions.newest.newer = added
        else:
            functions.oldest = added
        functions.newest = added
        functions.waiting += added.state == LIBRARY_WAITING
        functions.memory += added.memory
        functions.vm_memory += added.vm_memory
        added = next
    return 1


cdef int64_t libraries_flush(Functions* functions) noexcept nogil:
    cdef int64_t count = 0
    while functions.oldest != NULL:
        count += 1
        library_delete(functions, functions.oldest)
    if count and scripting_of(functions.core) != NULL and scripting_of(functions.core).run.client == NULL:
        scripting_collect(scripting_of(functions.core))
    return count


# What Lua calls while a library is loaded

cdef inline Functions* owner_of(lua_State* L) noexcept nogil:
    cdef void* owner
    lua.getallocf(L, &owner)
    return functions_of((<Scripting*> owner).core)


cdef int fail(lua_State* L, const char* text) noexcept nogil:
    """Raises an error; {api} in the text is the name of the table through which register_function was called."""
    cdef char line[LIBRARY_ERROR]
    cdef const char* api = lua.tolstring(L, LUA_UPVALUE_1, NULL)
    cdef int used = snprintf(line, sizeof(line), text, api)
    error_push(L, line, <size_t> used)
    return lua.error(L)


cdef struct Registration:
    const char* name            # strings that Lua keeps
    size_t name_length
    const char* description
    size_t description_length
    uint64_t flags


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


cdef Function* add_function(Functions* functions, const Registration* wanted, int reference) noexcept nogil:
    """Adds a function to the library that is loaded; NULL where memory is out."""
    cdef Library* library = functions.loading
    cdef size_t size = (sizeof(Function) + prefixed_size(wanted.name_length) + wanted.name_length
                        + wanted.description_length)
    cdef Function* function = <Function*> heap_zalloc(functions.core.heap, size)
    cdef char* place
    cdef size_t length
    if function == NULL:
        return NULL
    prefixed_write(<char*> function + sizeof(Function), NULL, wanted.name_length)
    place = prefixed_read(<char*> function + sizeof(Function), &length)
    in_small_letters(place, wanted.name, length)
    function.name = place + length
    memcpy(function.name, wanted.name, length)
    function.name_length = length
    if wanted.description != NULL:
        function.description = function.name + length
        function.description_length = wanted.description_length
        memcpy(function.description, wanted.description, wanted.description_length)
    function.flags = wanted.flags
    function.reference = reference
    function.library = library
    if library.last != NULL:
        library.last.next = function
    else:
        library.first = function
    library.last = function
    library.count += 1
    library.memory += heap_footprint(size)
    return function


cdef bint is_registered(const Library* library, const Registration* wanted) noexcept nogil:
    cdef const Function* function = library.first
    while function != NULL:
        if function.name_length == wanted.name_length and memcmp(function.name, wanted.name, wanted.name_length) == 0:
            return 1
        function = function.next
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
        # Redis says it of libraries, Valkey of functions.
        return fail(L, "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one "
                    "character long" if lua.tolstring(L, LUA_UPVALUE_1, NULL)[0] == c'r' else
                    "ERR Function names can only contain letters, numbers, or underscores(_) and must be at least one "
                    "character long")
    if is_registered(functions.loading, &wanted):
        return fail(L, "ERR Function already exists in the library")
    reference = lua.aux_ref(L, LUA_REGISTRYINDEX)
    if add_function(functions, &wanted, reference) == NULL:
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


cdef void push_loading_api(lua_State* L, const char* name) noexcept nogil:
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
    lua.pushstring(L, name)
    lua.pushcclosure(L, register_function, 1)
    lua_set(L, "register_function")
    guard_missing(L)
    guard(L)


cdef void push_loading_view(lua_State* L, const char* name) noexcept nogil:
    """Adds what the globals on top but one have under this name, if they have it, to the table on top."""
    lua.pushstring(L, name)
    lua.rawget(L, -3)
    if push_guarded(L, -1):
        push_loading_api(L, name)
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
    snprintf(load.error, LIBRARY_ERROR, "ERR Error registering functions: %s", text)
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
    if lua.aux_loadbuffer(L, text, library.code_length - <size_t> (text - library.code), CHUNK_NAME) != 0:
        text = lua.tolstring(L, -1, NULL)
        snprintf(load.error, LIBRARY_ERROR, "ERR Error compiling function: %s", text if text != NULL else <const char*> b"?")
        return 0
    lua.rawgeti(L, LUA_REGISTRYINDEX, functions.environment)
    lua.setfenv(L, -2)
    if functions.deadline:
        lua.sethook(L, on_count, LUA_MASKCOUNT, HOOK_INSTRUCTIONS)
    # From here to where the view is what it was, nothing but what pcall runs can raise an error: the key is in the table.
    lua.pushvalue(L, STACK_KEY)
    lua.rawgeti(L, LUA_REGISTRYINDEX, functions.loading_view)
    lua.rawset(L, STACK_METATABLE)
    functions.loading = library
    failed = lua.pcall(L, 0, 0, STACK_HANDLER)
    functions.loading = NULL
    lua.sethook(L, NULL, 0, 0)
    lua.pushvalue(L, STACK_KEY)
    lua.pushvalue(L, STACK_RUNNING)
    lua.rawset(L, STACK_METATABLE)
    if failed:
        tell_failure(L, load)
    elif library.first == NULL:
        snprintf(load.error, LIBRARY_ERROR, "ERR No functions registered")
    else:
        load.failed = 0
    return 0


cdef bint library_run(Functions* functions, Library* library, int64_t milliseconds, char* error) noexcept nogil:
    cdef Core* core = functions.core
    cdef Scripting* scripting = scripting_of(core)
    cdef size_t memory
    cdef Load load
    load.functions = functions
    load.library = library
    load.error = error
    load.failed = 1
    if library.state == LIBRARY_BROKEN:
        snprintf(error, LIBRARY_ERROR, "ERR Invalid library metadata")
        return 0
    functions.deadline = clock_counter() + <uint64_t> (milliseconds * 1e6 / core.ns_per_tick) if milliseconds else 0
    error[0] = 0
    if (functions.environment == 0 and lua.cpcall(scripting.L, open_environment, NULL) != 0):
        lua.settop(scripting.L, 0)
        snprintf(error, LIBRARY_ERROR, "OOM out of memory while a library is loaded")
        return 0
    memory = scripting.memory
    if lua.cpcall(scripting.L, load_protected, &load) != 0:
        lua.sethook(scripting.L, NULL, 0, 0)
        lua.settop(scripting.L, 0)
        snprintf(error, LIBRARY_ERROR, "OOM out of memory while a library is loaded")
        load.failed = 1
    if load.failed:
        drop_functions(functions, library)
        return 0
    library.vm_memory = scripting.memory - memory if scripting.memory > memory else 0
    library.state = LIBRARY_READY
    return 1


cdef void libraries_run_waiting(Functions* functions) noexcept nogil:
    cdef Library* library = functions.oldest
    cdef char error[LIBRARY_ERROR]
    cdef char line[LIBRARY_ERROR + 256]
    cdef const char* name
    cdef size_t length
    if functions.waiting == 0 or scripting_of(functions.core).run.client != NULL:
        return
    while library != NULL:
        if library.state == LIBRARY_WAITING:
            functions.waiting -= 1
            functions.memory -= library.memory
            if not library_run(functions, library, FILE_MILLISECONDS, error) or not enter_functions(functions, library, error):
                library.state = LIBRARY_BROKEN
                name = library_name(functions, library, &length)
                snprintf(line, sizeof(line), "The library of functions '%.*s' cannot be used, and is kept as it is: %s",
                         <int> min(length, <size_t> NAME_SHOWN), name, error)
                functions.core.upcalls.log_line(functions.core, LOG_WARNING, line)
            functions.memory += library.memory
            functions.vm_memory += library.vm_memory
        library = library.newer


cdef bint enter_functions(Functions* functions, Library* library, char* error) noexcept nogil:
    """Of a library that is in its place already. False, and it has none any more, where that cannot be."""
    cdef Function* function = library.first
    cdef void** slot
    while function != NULL:
        slot = slot_of(&functions.by_name, function)
        if slot != NULL and (<Function*> slot[0]).library == library:
            function = function.next
            continue
        if slot != NULL:
            snprintf(error, LIBRARY_ERROR, "ERR Function %.*s already exists",
                     <int> min(function.name_length, <size_t> NAME_SHOWN), function.name)
        elif not enter(&functions.by_name, function):
            snprintf(error, LIBRARY_ERROR, "OOM out of memory while a library is loaded")
        else:
            function = function.next
            continue
        function = library.first
        while function != NULL:
            leave(&functions.by_name, function)
            function = function.next
        drop_functions(functions, library)
        library.vm_memory = 0
        return 0
    return 1
