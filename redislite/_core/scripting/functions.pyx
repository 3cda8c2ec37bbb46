"""Libraries of functions; the contract is in functions.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t
from libc.stdio cimport snprintf
from libc.string cimport memchr, memcmp, memcpy, strlen
from redislite._core.base.alloc cimport heap_alloc, heap_footprint, heap_free, heap_zalloc
from redislite._core.base.prefixed cimport prefixed_read, prefixed_size, prefixed_write
from redislite._core.scripting.calling cimport running
from redislite._core.scripting.first_line cimport is_space, next_word
from redislite._core.state.core cimport Client, Core
from redislite._core.state.flags cimport LOG_WARNING
from redislite._core.structures.dict cimport (
    Dict, dict_find, dict_hash, dict_init, dict_insert, dict_release, dict_remove,
)
from redislite._core.structures.records cimport record_name

cdef enum:
    NAME_SHOWN = 128            # bytes of a name that errors tell
    SHORT_NAME = 128            # bytes of a function's name that is looked up without asking for memory
    FILE_MILLISECONDS = 10000   # for a library that was loaded before, elsewhere or at another time


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
            snprintf(error, LIBRARY_ERROR, "ERR Invalid metadata value given: %.*s",
                     <int> min(length, <size_t> NAME_SHOWN), word)
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
        snprintf(error, LIBRARY_ERROR,
                 "ERR Library names can only contain letters, numbers, or underscores(_) and must be at "
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


cdef const FunctionEngine* engine_named(const Core* core, const char* name, size_t length) noexcept nogil:
    """In any letter case; NULL where there is none of this name."""
    cdef const FunctionEngine* engine
    cdef size_t at
    cdef int i
    for i in range(FUNCTION_ENGINES):
        engine = function_engine(core, i)
        if strlen(engine.name) != length:
            continue
        at = 0
        while at < length and (name[at] == engine.name[at] or name[at] == engine.name[at] + 32):
            at += 1
        if at == length:
            return engine
    return NULL


cdef const char* library_engine(const Library* library, size_t* length) noexcept nogil:
    cdef const char* end = library.code + library.code_length
    cdef const char* at = library.code + 2
    length[0] = 0
    if library.engine != NULL:
        length[0] = strlen(library.engine.name)
        return library.engine.name
    if library.code_length < 2 or memcmp(library.code, b"#!", 2) != 0:
        return library.code
    while at < end and not is_space(at[0]):
        at += 1
    length[0] = <size_t> (at - library.code - 2)
    return library.code + 2


# Libraries and functions

cdef const char* library_name(Functions* functions, Library* library, size_t* length) noexcept nogil:
    return record_name(&functions.libraries, library, length)


cdef Library* library_new(Functions* functions, const char* code, size_t length, bint from_file,
                          char* error) noexcept nogil:
    cdef Core* core = functions.core
    cdef Metadata metadata
    cdef Library* library = NULL
    cdef size_t size
    cdef const FunctionEngine* engine = NULL
    cdef bint sound = read_metadata(core, code, length, &metadata, error)
    if metadata.words != NULL:
        engine = engine_named(core, metadata.words, metadata.engine_length)
    if sound and engine == NULL:
        snprintf(error, LIBRARY_ERROR, "ERR Engine '%.*s' not found",
                 <int> min(metadata.engine_length, <size_t> NAME_SHOWN),
                 metadata.words)
        sound = 0
    elif sound and not engine.is_on(core):
        snprintf(error, LIBRARY_ERROR, "ERR %s", engine.off_text)
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
            library.engine = engine
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
    cdef Function* function = library.first
    cdef Function* next
    while function != NULL:
        next = function.next
        library.engine.forget(functions, function)
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
            snprintf(error, LIBRARY_ERROR, "ERR Library %.*s already exists", <int> min(length, <size_t> NAME_SHOWN),
                     name)
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
    """Gives all that were there the places that they had before something was entered: those are free or another's, or
    were made into one that is to be taken out next, so nothing is asked for."""
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


cdef Library* those_that_leave(Functions* functions, Library* added, int policy) noexcept nogil:
    """A chain (by also_leaving) of the libraries that make room."""
    cdef Library* leaving = NULL
    cdef Library* library = functions.oldest if policy == JOIN_FLUSH else added
    cdef Library* there
    cdef const char* name
    cdef size_t length
    while library != NULL and policy != JOIN_APPEND:
        there = library
        if policy == JOIN_REPLACE:
            name = library_name(functions, library, &length)
            there = library_find(functions, name, length) if length else NULL
        if there != NULL:
            there.also_leaving = leaving
            leaving = there
        library = library.newer
    return leaving


cdef bint libraries_join(Functions* functions, Library* added, int policy, char* error) noexcept nogil:
    cdef Library* library
    cdef Library* next
    cdef Library* leaving
    if not may_join(functions, added, policy, error):
        return 0
    leaving = those_that_leave(functions, added, policy)
    if not enter_all(functions, added, error):
        enter_again(functions)
        library = added
        while library != NULL:
            leave_all(functions, library)
            library = library.newer
        return 0
    while leaving != NULL:
        next = leaving.also_leaving
        library_delete(functions, leaving)
        leaving = next
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
    cdef int i
    while functions.oldest != NULL:
        count += 1
        library_delete(functions, functions.oldest)
    for i in range(FUNCTION_ENGINES if count else 0):
        function_engine(functions.core, i).collect(functions)
    return count


# Loading

cdef Function* function_add(Functions* functions, const Registration* wanted, int reference) noexcept nogil:
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


cdef bint library_run(Functions* functions, Library* library, int64_t milliseconds, char* error) noexcept nogil:
    cdef bint failed
    if library.state == LIBRARY_BROKEN:
        snprintf(error, LIBRARY_ERROR, "ERR Invalid library metadata")
        return 0
    error[0] = 0
    functions.loading = library
    failed = library.engine.load(functions, library, milliseconds, error) != 0
    functions.loading = NULL
    if not failed and library.first == NULL:
        snprintf(error, LIBRARY_ERROR, "ERR No functions registered")
        failed = 1
    if failed:
        drop_functions(functions, library)
        library.vm_memory = 0
        return 0
    library.state = LIBRARY_READY
    return 1


cdef bint libraries_run_waiting(Functions* functions, Client* client) noexcept nogil:
    cdef Library* library = functions.oldest
    cdef char error[LIBRARY_ERROR]
    cdef char line[LIBRARY_ERROR + 256]
    cdef const char* name
    cdef size_t length
    if functions.waiting == 0 or running(functions.core) != NULL:
        return 1
    while library != NULL:
        if library.state == LIBRARY_WAITING:
            if not library.engine.start(functions.core, client):
                return 0
            functions.waiting -= 1
            functions.memory -= library.memory
            if not library_run(functions, library, FILE_MILLISECONDS, error) or \
                    not enter_functions(functions, library, error):
                library.state = LIBRARY_BROKEN
                name = library_name(functions, library, &length)
                snprintf(line, sizeof(line), "The library of functions '%.*s' cannot be used, and is kept as it is: %s",
                         <int> min(length, <size_t> NAME_SHOWN), name, error)
                functions.core.upcalls.log_line(functions.core, LOG_WARNING, line)
            functions.memory += library.memory
            functions.vm_memory += library.vm_memory
        library = library.newer
    return 1


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
