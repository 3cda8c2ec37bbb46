"""Commands put aside; the contract is in suspension.pxd."""
from redislite._core.base.alloc cimport heap_alloc, heap_free
from redislite._core.keyspace.propagate cimport propagate_put_back, propagate_set_aside
from redislite._core.protocol.reply cimport reply_init, reply_release
from redislite._core.protocol.resp cimport parser_free, parser_new
from redislite._core.state.core cimport QUERY_BUFFER, Core, Parser


cdef int suspend(Core* core, Suspension* suspension) noexcept nogil:
    cdef char* read_buffer = <char*> heap_alloc(core.heap, QUERY_BUFFER)
    cdef Parser* parser = parser_new(core.heap)
    if read_buffer == NULL or parser == NULL or propagate_set_aside(core, &suspension.feed) != 0:
        heap_free(core.heap, read_buffer, QUERY_BUFFER)
        parser_free(core.heap, parser)
        return -1
    suspension.executing = core.executing
    suspension.outermost = core.outermost
    suspension.served = core.served
    suspension.propagation = core.propagation
    suspension.now_ms = core.now_ms
    suspension.expiry_ms = core.expiry_ms
    suspension.ticks = core.ticks
    suspension.renewal_ticks = core.renewal_ticks
    suspension.read_buffer = core.read_buffer
    suspension.parser = core.parser
    suspension.ready = core.ready
    suspension.ready_last = core.ready_last
    suspension.late = core.late
    suspension.after_unit = core.after_unit
    suspension.run = core.run
    suspension.suspended = core.suspended
    core.executing = NULL
    core.outermost = NULL
    core.served = NULL
    core.propagation = 0
    core.ready = NULL
    core.ready_last = NULL
    core.read_buffer = read_buffer
    core.parser = parser
    reply_init(&core.late, core)
    core.after_unit = 0
    core.suspended = core.run
    core.run = NULL
    return 0


cdef void suspension_end(Core* core, Suspension* suspension) noexcept nogil:
    propagate_put_back(core, &suspension.feed)
    reply_release(&core.late)
    parser_free(core.heap, core.parser)
    heap_free(core.heap, core.read_buffer, QUERY_BUFFER)
    core.executing = suspension.executing
    core.outermost = suspension.outermost
    core.served = suspension.served
    core.propagation = suspension.propagation
    core.now_ms = suspension.now_ms
    core.expiry_ms = suspension.expiry_ms
    core.ticks = suspension.ticks
    core.renewal_ticks = suspension.renewal_ticks
    core.read_buffer = suspension.read_buffer
    core.parser = suspension.parser
    core.ready = suspension.ready
    core.ready_last = suspension.ready_last
    core.late = suspension.late
    core.after_unit = suspension.after_unit
    core.run = suspension.run
    core.suspended = suspension.suspended
