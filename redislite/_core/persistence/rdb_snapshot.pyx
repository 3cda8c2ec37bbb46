"""Snapshots as Python asks for them; the methods of the engine that lead here describe them.

A child (fork.pxd) runs C only and tells its progress in its page; a save in the server's own process lets signals be
handled meanwhile.
"""
from cpython.exc cimport PyErr_CheckSignals
from cpython.ref cimport PyObject
from libc.errno cimport ENOMEM, errno
from libc.stdint cimport int64_t, uint64_t
from redislite._core.base.sds cimport sds, sds_free
from redislite._core.persistence.fork cimport CHILD_PROGRAM_WORDS, ChildPage, ChildReport, child_fork, child_program
from redislite._core.text.rdb_format cimport RDB_FUNCTION, RDB_MODULE_AUX
from redislite._core.text.rdb_input cimport (
    RdbInput, input_close, input_fail, input_left, input_offset, input_open, input_open_memory,
)
from redislite._core.rdb.rdb_module cimport RDB_AUX_AFTER, RDB_AUX_BEFORE, module_aux_when, rdb_read_module_aux
from redislite._core.text.rdb_output cimport (
    RdbOutput, output_byte, output_bytes, output_close, output_length, output_open, output_text,
)
from redislite._core.rdb.rdb_read cimport (
    RDB_SINK_AUX, RDB_SINK_EMPTY, RDB_SINK_FUNCTION, RDB_SINK_MODULE, RdbLoadOptions, RdbLoadResult, rdb_load,
)
from redislite._core.rdb.rdb_write cimport RdbSaveOptions, RdbSaveProgress, rdb_save, rdb_write_aux
from redislite._core.values.module_value cimport module_id

import os
import stat

cdef extern from *:
    """
    #include <unistd.h>
    """
    int fsync(int fd) noexcept nogil


class RdbError(Exception):
    """RDB data that cannot be read. reason: what is wrong; offset: at which byte of the file."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(f"{reason} (at byte {offset})")
        self.reason = reason
        self.offset = offset


# What a child is to write.
cdef struct ForkedSave:
    int fd
    bint checksum
    bint synchronize
    uint64_t sync_bytes
    RdbSaveOptions options


cdef bytes opcodes_of(dict options, int place):
    """What stands before the keys (RDB_AUX_BEFORE: auxiliary fields, what modules have written, functions) or behind
    them (RDB_AUX_AFTER), as the file has it."""
    cdef RdbOutput output
    cdef bytes name, value
    cdef uint64_t identifier
    cdef int when
    if output_open(&output, -1, 0, 0, 0) != 0:
        raise MemoryError
    try:
        if place == RDB_AUX_BEFORE:
            for name, value in options["aux"].items():
                rdb_write_aux(&output, name, len(name), value, len(value))
        for (identifier, when), value in options["module_aux"].items():
            if when == place:
                output_byte(&output, RDB_MODULE_AUX)
                output_length(&output, identifier)
                output_bytes(&output, <char*> value, len(value))
        if place == RDB_AUX_BEFORE:
            for value in options["functions"]:
                output_byte(&output, RDB_FUNCTION)
                output_text(&output, value, len(value))
        if output.error:
            raise MemoryError
        return (<char*> output.buffer)[:output.length]
    finally:
        output_close(&output)


cdef int save(Core* core, int fd, bint checksum, uint64_t sync_bytes, const RdbSaveOptions* options,
              RdbSaveProgress* progress) noexcept nogil:
    """Writes the file and answers the errno of what failed, or 0."""
    cdef RdbOutput output
    if output_open(&output, fd, checksum, core.settings.rdb_compression != 0, sync_bytes) == 0:
        rdb_save(core, &output, options, progress)
    output_close(&output)
    return output.error


cdef int handle_signals(void* argument) noexcept with gil:
    """Lets the interpreter handle signals; what a handler raises ends the save and is kept in the list."""
    try:
        PyErr_CheckSignals()
        return 0
    except BaseException as error:
        (<list> <PyObject*> argument).append(error)
        return 1


cdef void prepare(RdbSaveOptions* save_options, bytes head, bytes tail, dict options) except *:
    save_options.head = head
    save_options.head_length = len(head)
    save_options.tail = tail
    save_options.tail_length = len(tail)
    save_options.key_delay_us = options["key_delay_us"]
    save_options.interrupt = NULL
    save_options.interrupt_argument = NULL


cdef object snapshot_save(Core* core, int fd, dict options):
    cdef bytes head = opcodes_of(options, RDB_AUX_BEFORE)
    cdef bytes tail = opcodes_of(options, RDB_AUX_AFTER)
    cdef RdbSaveOptions save_options
    cdef RdbSaveProgress progress
    cdef list raised = []
    cdef bint checksum = options["checksum"]
    cdef uint64_t sync_bytes = options["sync_bytes"]
    cdef int error
    prepare(&save_options, head, tail, options)
    save_options.interrupt = handle_signals
    save_options.interrupt_argument = <PyObject*> raised
    progress.keys = progress.bytes = 0
    with nogil:
        error = save(core, fd, checksum, sync_bytes, &save_options, &progress)
    if raised:
        raise raised[0]
    if error:
        raise OSError(error, os.strerror(error))
    return {"keys": progress.keys, "bytes": progress.bytes}


cdef int save_in_child(Core* core, void* argument, ChildPage* page) noexcept nogil:
    cdef ForkedSave* job = <ForkedSave*> argument
    # The page begins as RdbSaveProgress does.
    cdef int error = save(core, job.fd, job.checksum, job.sync_bytes, &job.options, <RdbSaveProgress*> page)
    if error == 0 and job.synchronize and fsync(job.fd) != 0:
        error = errno
    return error


cdef object snapshot_fork(Core* core, ChildReport report, int fd, dict options):
    cdef bytes head = opcodes_of(options, RDB_AUX_BEFORE)
    cdef bytes tail = opcodes_of(options, RDB_AUX_AFTER)
    cdef char* program[CHILD_PROGRAM_WORDS]
    cdef char** then = child_program(options["then"], program)
    cdef ForkedSave job
    cdef int child
    job.fd = fd
    job.checksum = options["checksum"]
    job.sync_bytes = options["sync_bytes"]
    job.synchronize = options["fsync"]
    prepare(&job.options, head, tail, options)
    with nogil:
        child = child_fork(core, save_in_child, &job, report.page, "redis-rdb-save", fd, then)
    if child < 0:
        raise OSError(-child, os.strerror(-child))
    return child


# Loading

cdef enum:
    EMPTY_NAMES = 10                # of keys that were not loaded, to be told


cdef tuple SINK_NAMES = ("aux", "function", "empty", "module", "database")     # by RDB_SINK_*
cdef tuple STAGE_NAMES = ("start", "read-type", "read-expire", "read-key", "read-object-value", "check-sum", "read-len",
                          "read-aux", "read-module-aux", "read-functions")      # by RdbStage


cdef class Sinks:
    """What a load tells Python on its way."""
    cdef dict aux
    cdef list functions
    cdef dict module_aux
    cdef list empty
    cdef object progress
    cdef object exception
    cdef list trace
    cdef RdbInput* input


cdef int take(void* argument, int kind, const char* name, size_t name_length, const char* value,
              size_t value_length) noexcept with gil:
    cdef Sinks sinks = <Sinks> <PyObject*> argument
    try:
        if sinks.trace is not None:
            sinks.trace.append((input_offset(sinks.input), SINK_NAMES[kind], name[:name_length], value[:value_length]))
        if kind == RDB_SINK_FUNCTION:
            sinks.functions.append(value[:value_length])
        elif kind == RDB_SINK_MODULE:
            sinks.module_aux[module_id(name), module_aux_when(value)] = value[:value_length]
        elif kind == RDB_SINK_EMPTY:
            if len(sinks.empty) < EMPTY_NAMES:
                sinks.empty.append(name[:name_length])
        elif kind == RDB_SINK_AUX:
            sinks.aux[name[:name_length]] = value[:value_length]
        return 0
    except BaseException as error:
        sinks.exception = error
        return 1


cdef int tell(void* argument, uint64_t position) noexcept with gil:
    cdef Sinks sinks = <Sinks> <PyObject*> argument
    try:
        sinks.progress(position)
        return 0
    except BaseException as error:
        sinks.exception = error
        return 1


cdef int64_t size_behind(int fd) except? -2:
    """Bytes from where the descriptor stands to the end of the file; -1 where it is no file."""
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        return -1
    return max(0, status.st_size - os.lseek(fd, 0, os.SEEK_CUR))


cdef object snapshot_load(Core* core, int fd, dict options):
    cdef Sinks sinks = Sinks()
    cdef RdbInput input
    cdef RdbLoadOptions load_options
    cdef RdbLoadResult result
    cdef int64_t size = options["size"] if options["size"] is not None else size_behind(fd)
    cdef bint checksum = options["checksum"]
    cdef int failed
    sinks.aux = options["aux"]
    sinks.functions = []
    sinks.module_aux = {}
    sinks.empty = []
    sinks.trace = options["trace"]
    sinks.input = &input
    sinks.progress = options["progress"]
    load_options.deep = options["deep"]
    load_options.keep_expired = options["keep_expired"]
    load_options.replace = options["replace"]
    load_options.key_delay_us = options["key_delay_us"]
    load_options.sink = take
    load_options.sink_argument = <PyObject*> sinks
    if input_open(&input, core.heap, fd, size, checksum) != 0:
        raise MemoryError
    if sinks.progress is not None:
        input.progress = tell
        input.progress_argument = <PyObject*> sinks
        input.progress_step = input.progress_next = options["progress_step"]
    try:
        with nogil:
            failed = rdb_load(core, &input, &load_options, &result)
        if sinks.trace is not None:
            sinks.trace.append((input_offset(&input), "end", STAGE_NAMES[result.stage], {
                "version": result.version,
                "type": result.type,
                "key": input.texts[0].data[:input.texts[0].length] if result.named else None,
                "keys": result.seen,
                "expires": result.seen_expires,
                "expired": result.seen_expired,
                "timed": result.seen_timed,
            }))
        if failed:
            if sinks.exception is not None:
                raise sinks.exception
            if input.error == ENOMEM:
                raise MemoryError
            if input.error:
                raise OSError(input.error, os.strerror(input.error))
            raise RdbError(input.reason.decode("utf-8", "replace"), input.error_offset)
        return {
            "version": result.version,
            "keys": result.keys,
            "expires": result.expires,
            "expired": result.expired,
            "empty": result.empty,
            "empty_names": sinks.empty,
            "checked": bool(result.summed),
            "bytes": input_offset(&input),
            "rest": (<char*> input.buffer)[input.position:input.filled],
            "aux": sinks.aux,
            "functions": sinks.functions,
            "module_aux": sinks.module_aux,
        }
    finally:
        input_close(&input)


cdef object module_aux_of(Core* core, uint64_t identifier, bytes fields):
    cdef bytes data = b"\x81" + identifier.to_bytes(8, "big") + fields
    cdef RdbInput input
    cdef sds kept
    input_open_memory(&input, core.heap, data, len(data))
    try:
        kept = rdb_read_module_aux(&input)
        if kept != NULL:
            sds_free(core.heap, kept)
            if input_left(&input):
                input_fail(&input, b"something stands behind the end of what a module has written")
        if input.error:
            raise MemoryError
        if input.failed:
            raise RdbError(input.reason.decode("utf-8", "replace"), input.error_offset)
        return {(identifier, module_aux_when(fields)): fields}
    finally:
        input_close(&input)
