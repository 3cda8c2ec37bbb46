"""Libraries of functions in Python; the contract is in python_functions.pxd."""
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int64_t
from libc.stdio cimport snprintf
from redislite._core.protocol.reply cimport reply_error
from redislite._core.scripting.calling cimport Run, run_begin, run_end
from redislite._core.scripting.functions cimport (
    LIBRARY_ERROR, Function, FunctionEngine, Functions, Library, Registration, function_add, is_name, is_registered,
    library_name,
)
from redislite._core.scripting.python_calls cimport arguments_from, reply_python_code, report_raised
from redislite._core.scripting.scripts cimport script_flag
from redislite._core.scripting.watchdog cimport Watched, watch_begin, watch_end, watchdog_start
from redislite._core.state.core cimport Client, Core

from redislite._core.protocol.reply_types import Interrupted


cdef bint is_on(const Core* core) noexcept nogil:
    return core.settings.python_functions != 0


cdef bint start(Core* core, Client* client) noexcept nogil:
    return start_watchdog(core, client)


cdef bint start_watchdog(Core* core, Client* client) noexcept with gil:
    try:
        watchdog_start(core)
    except BaseException as error:
        report_raised(core, error)
        reply_error(&client.reply, "ERR functions in Python cannot be run, see the server's log")
        return 0
    return 1


cdef int refuse(char* error, object text) except -1:
    """Tells why a library cannot be loaded."""
    cdef bytes line = text.encode("utf-8", "replace")
    snprintf(error, LIBRARY_ERROR, "ERR %.*s", <int> min(len(line), LIBRARY_ERROR - 8), <char*> line)
    return 0


cdef object loaded(Core* core, Library* library, object name, int64_t milliseconds):
    """What the library's code has decorated."""
    cdef Watched outer
    from redislite._core.scripting.extension import functions_of_namespace

    source = library.code[:library.code_length].decode()
    code = compile(source, f"<library {name}>", "exec", dont_inherit=True)
    namespace = {"__name__": f"redislite_library_{name}", "__builtins__": __builtins__}
    watch_begin(core, &outer, milliseconds)
    try:
        exec(code, namespace)
    finally:
        watch_end(core, &outer)
    return functions_of_namespace(namespace)


cdef int add(Functions* functions, Library* library, object definition, char* error) except -1:
    """Adds one of the library's functions. 1: error says why not."""
    cdef Registration wanted
    cdef Function* function
    cdef bytes name = definition.name.encode()
    cdef bytes description = None if definition.description is None else definition.description.encode()
    cdef bytes word
    cdef int64_t flag
    wanted.name = name
    wanted.name_length = len(name)
    wanted.description = NULL
    wanted.description_length = 0
    wanted.flags = 0
    if description is not None:
        wanted.description = description
        wanted.description_length = len(description)
    for text in definition.flags:
        word = text.encode()
        flag = script_flag(word, len(word))
        if flag < 0:
            refuse(error, f"unknown flag given: {text}")
            return 1
        wanted.flags |= <unsigned long> flag
    if not is_name(wanted.name, wanted.name_length):
        refuse(error, "Function names can only contain letters, numbers, or underscores(_) and must be at least one "
               "character long")
        return 1
    if is_registered(library, &wanted):
        refuse(error, f"Function {definition.name} already exists in the library")
        return 1
    function = function_add(functions, &wanted, 0)
    if function == NULL:
        raise MemoryError
    Py_INCREF(definition.handler)
    function.callable = <void*> definition.handler
    return 0


cdef int load_with_gil(Functions* functions, Library* library, int64_t milliseconds, char* error) noexcept with gil:
    cdef size_t length
    cdef const char* text = library_name(functions, library, &length)
    try:
        try:
            for definition in loaded(functions.core, library, text[:length].decode(), milliseconds):
                if add(functions, library, definition, error):
                    return -1
            return 0
        except SyntaxError as syntax:
            refuse(error, f"Error compiling function: {syntax}")
        except Interrupted:
            refuse(error, "FUNCTION LOAD timeout")
        except MemoryError:
            snprintf(error, LIBRARY_ERROR, "OOM out of memory while a library is loaded")
        except UnicodeDecodeError as undecodable:
            refuse(error, f"Error compiling function: {undecodable}")
        except BaseException as raised:
            report_raised(functions.core, raised)
            refuse(error, f"Error registering functions: {type(raised).__name__}: {raised}")
    except BaseException:
        snprintf(error, LIBRARY_ERROR, "ERR Error registering functions")
    return -1


cdef int load(Functions* functions, Library* library, int64_t milliseconds, char* error) noexcept nogil:
    return load_with_gil(functions, library, milliseconds, error)


cdef void run_function(Core* core, Client* client, Run* run, void* callable, int first_key,
                       int keys_count) noexcept with gil:
    cdef int end = first_key + keys_count
    try:
        arguments = (arguments_from(client, first_key, end), arguments_from(client, end, client.argc))
    except MemoryError:
        reply_error(&client.reply, "OOM out of memory while a function is called")
        return
    reply_python_code(core, run, <object> callable, arguments)


cdef void call(Core* core, Client* client, Function* function, Run* run, int first_key, int keys_count) noexcept nogil:
    if run_begin(core, run, client) != 0:
        return
    # The library stays while anything runs.
    run_function(core, client, run, function.callable, first_key, keys_count)
    run_end(core, run)


cdef void forget_callable(void* callable) noexcept with gil:
    Py_DECREF(<object> callable)


cdef void forget(Functions* functions, Function* function) noexcept nogil:
    if function.callable != NULL:
        forget_callable(function.callable)
        function.callable = NULL


cdef void collect(Functions* functions) noexcept nogil:
    pass


cdef FunctionEngine PYTHON
PYTHON.name = b"PYTHON"
PYTHON.off_text = (b"libraries in Python are loaded only where the directive enable-python-functions is yes: their "
                   b"code may do whatever the server's process may")
PYTHON.is_on = is_on
PYTHON.start = start
PYTHON.load = load
PYTHON.call = call
PYTHON.forget = forget
PYTHON.collect = collect


cdef const FunctionEngine* python_functions() noexcept nogil:
    return &PYTHON
