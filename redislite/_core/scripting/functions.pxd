"""Libraries of functions: what FUNCTION LOAD brings, what files bring, and finding a function by its name.

    Functions ─┬─ libraries by name ─▶ Library ─▶ Function ─▶ …
               ├─ functions by name ──────────────▲
               └─ oldest ─▶ Library ─▶ Library ─▶ newest      in the order in which they came

    Library  | struct | name, prefixed | code |
    Function | struct | name in small letters, prefixed | name | description |

A library is code that registers its functions while it runs, once, when it is loaded.  What it may be written in are
FunctionEngines (lua_functions, python_functions).

What a file brings waits: it is run when functions are asked for, so that who calls none loads no interpreter.  What
then cannot be run is broken: it is kept, listed without functions and saved again.

A change takes place as a whole or not at all (libraries_join).
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t
from redislite._core.scripting.calling cimport Run
from redislite._core.state.core cimport Client, Core
from redislite._core.structures.dict cimport Dict

cdef enum:
    LIBRARY_WAITING = 0         # it has not been run yet
    LIBRARY_READY = 1
    LIBRARY_BROKEN = 2          # it cannot be run

cdef enum:
    LIBRARY_ERROR = 1024        # bytes of what is wrong with one

# What joining makes of libraries that are there.
cdef enum:
    JOIN_APPEND = 0             # one of the same name is an error
    JOIN_REPLACE = 1            # one of the same name goes
    JOIN_FLUSH = 2              # all go


cdef struct Library:
    Library* older
    Library* newer
    Library* also_leaving       # the next one that makes room, while others join
    Function* first             # its functions, in the order of their registration
    Function* last
    int64_t count
    size_t memory               # bytes of it and its functions
    size_t vm_memory            # of Lua's memory, as far as it can be told
    char* code                  # of code_length bytes, in the library's own block
    size_t code_length
    int state
    const FunctionEngine* engine    # NULL: one that there is not


cdef struct Function:
    Library* library
    Function* next              # of the same library
    int reference               # in Lua's registry
    void* callable              # of Python: the function, referred to
    uint64_t flags              # SCRIPT_*
    char* name                  # of name_length bytes, as it was registered; in the function's own block
    size_t name_length
    char* description           # NULL: none
    size_t description_length


cdef struct Functions:
    Core* core
    Dict libraries              # by name; one whose name cannot be told is in none
    Dict by_name                # functions, by name in small letters
    Library* oldest
    Library* newest
    int64_t waiting             # how many are LIBRARY_WAITING
    size_t memory               # bytes of all libraries
    size_t vm_memory
    Library* loading            # what is being loaded, or NULL
    bint is_misnamed            # it has added a function of a name that cannot be, as Valkey tells it
    # by how much libraries in Lua have had its memory grow, and how much of that they have kept, where both were looked
    # at
    double grown
    double kept
    # of Lua: the environment, in its registry (0: there is none yet), and when loading takes too long (counter; 0:
    # never)
    int environment
    int loading_view
    int running_view
    uint64_t deadline


cdef enum:
    FUNCTION_ENGINES = 2


# What libraries may be written in.
cdef struct FunctionEngine:
    const char* name            # in capitals, as it is listed
    const char* off_text        # why libraries cannot be loaded where is_on says so
    bint (*is_on)(const Core* core) noexcept nogil
    # Makes the interpreter ready; false where that fails, and the client has been told why.
    bint (*start)(Core* core, Client* client) noexcept nogil
    # Has a library add its functions. 0, or -1, and error says why, where that fails: what it has added is dropped
    # then.
    int (*load)(Functions* functions, Library* library, int64_t milliseconds, char* error) noexcept nogil
    # Runs a function for a client, whose arguments from first_key on are keys_count keys and then others, and replies
    # what it returns.
    void (*call)(Core* core, Client* client, Function* function, Run* run, int first_key, int keys_count) noexcept nogil
    # Gives back what the function refers to.
    void (*forget)(Functions* functions, Function* function) noexcept nogil
    # After many have been forgotten.
    void (*collect)(Functions* functions) noexcept nogil


# A function that a library adds.
cdef struct Registration:
    const char* name            # the caller's
    size_t name_length
    const char* description     # the caller's; NULL: none
    size_t description_length
    uint64_t flags              # SCRIPT_*


cdef inline const FunctionEngine* function_engine(const Core* core, int number) noexcept nogil:
    return <const FunctionEngine*> core.function_engines[number]


cdef inline Functions* functions_of(const Core* core) noexcept nogil:
    """NULL before the first library."""
    return <Functions*> core.functions


# Made if need be; NULL where memory is out.
cdef Functions* functions_get(Core* core) noexcept nogil
# Releases everything, while the interpreter is still there.
cdef void functions_release(Core* core) noexcept nogil
# The function of this name, letter case ignored, or NULL.
cdef Function* function_find(Functions* functions, const char* name, size_t length) noexcept nogil
# The library of this name, or NULL.
cdef Library* library_find(Functions* functions, const char* name, size_t length) noexcept nogil
# A library's name; of no length where it cannot be told.
cdef const char* library_name(Functions* functions, Library* library, size_t* length) noexcept nogil
# What it says that it is written in, or b"".
cdef const char* library_engine(const Library* library, size_t* length) noexcept nogil
# A library of this code that belongs to nobody yet and has not been run; its first line is looked at. NULL, and error
# (LIBRARY_ERROR bytes) says why, where that cannot be. from_file: nothing is wrong with any code, as long as there is
# memory.
cdef Library* library_new(Functions* functions, const char* code, size_t length, bint from_file,
                          char* error) noexcept nogil
# Whether a library or a function may have this name.
cdef bint is_name(const char* text, size_t length) noexcept nogil
# Adds a function to the library that is being loaded; NULL where memory is out.
cdef Function* function_add(Functions* functions, const Registration* wanted, int reference) noexcept nogil
# Whether the library has a function of this very name.
cdef bint is_registered(const Library* library, const Registration* wanted) noexcept nogil
# Runs a library that belongs to nobody, and has it register its functions. False, and error says why, where that fails;
# the library has no functions then. milliseconds: how long that may take, 0 for ever. The interpreter is there.
cdef bint library_run(Functions* functions, Library* library, int64_t milliseconds, char* error) noexcept nogil
# Releases a library that belongs to nobody.
cdef void library_free(Functions* functions, Library* library) noexcept nogil
# Takes over a chain of libraries (by newer; NULL for none) that belong to nobody. False, and error says why, where that
# cannot be: they are still the caller's then, and nothing has changed.
cdef bint libraries_join(Functions* functions, Library* added, int policy, char* error) noexcept nogil
cdef void library_delete(Functions* functions, Library* library) noexcept nogil
# Deletes all; answers how many there were.
cdef int64_t libraries_flush(Functions* functions) noexcept nogil
# Runs what waits, unless a script runs now. What fails is broken, and the log says why. False where an interpreter
# cannot be had, and the client has been told.
cdef bint libraries_run_waiting(Functions* functions, Client* client) noexcept nogil
