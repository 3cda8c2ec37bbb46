"""Commands called on behalf of a client; the contract is in calling.pxd."""
from libc.stdint cimport uint64_t
from redislite._core.base.alloc cimport heap_free, heap_zalloc
from redislite._core.base.clock cimport clock_counter
from redislite._core.commands.arguments cimport reply_out_of_memory
from redislite._core.dispatch.suspension cimport Suspension, suspend, suspension_end
from redislite._core.keyspace.eviction cimport EVICTION_FAILED, evict_keys, eviction_is_due
from redislite._core.keyspace.propagate cimport propagate_nothing
from redislite._core.protocol.reply cimport reply_error, reply_ok, reply_release
from redislite._core.state.core cimport Argument, Client, Command, Core
from redislite._core.state.flags cimport (
    CLIENT_DENY_BLOCKING, CLIENT_SCRIPT, COMMAND_DENYOOM, COMMAND_MAY_REPLICATE, COMMAND_NOSCRIPT, COMMAND_WRITE,
    GATE_BUSY, GATE_MEMORY, GATE_MISCONF, GATE_TRACKING, GATE_USER, PROPAGATE_AOF, PROPAGATE_REPLICAS,
)


cdef struct Callers:
    Client* at[RUN_DEPTH_MAX]   # by depth; NULL where none has been needed yet


cdef Client* caller_at(Core* core, int depth) noexcept nogil:
    """NULL where memory is out."""
    cdef Callers* callers = <Callers*> core.callers
    if callers == NULL:
        callers = <Callers*> heap_zalloc(core.heap, sizeof(Callers))
        if callers == NULL:
            return NULL
        core.callers = callers
    if callers.at[depth] == NULL:
        callers.at[depth] = core.upcalls.new_caller(core)
        if callers.at[depth] != NULL:
            callers.at[depth].flags |= CLIENT_SCRIPT | CLIENT_DENY_BLOCKING
    return callers.at[depth]


cdef void callers_release(Core* core) noexcept nogil:
    heap_free(core.heap, core.callers, sizeof(Callers))
    core.callers = NULL


cdef int run_begin(Core* core, Run* run, Client* client) noexcept nogil:
    cdef Run* below = <Run*> (core.run if core.run != NULL else core.suspended)
    cdef int depth = below.depth + 1 if below != NULL else 0
    cdef Client* caller
    if depth >= RUN_DEPTH_MAX:
        reply_error(&client.reply, "ERR commands call each other too deeply")
        return -1
    caller = caller_at(core, depth)
    if caller == NULL:
        reply_out_of_memory(client)
        return -1
    run.outer = run_of(core)
    run.outermost = run.outer.outermost if run.outer != NULL else run
    run.depth = depth
    run.client = client
    run.caller = caller
    run.began = clock_counter()
    run.propagated = PROPAGATE_AOF | PROPAGATE_REPLICAS
    run.resp3 = run.is_calling = run.has_written = run.is_slow = run.is_killed = 0
    caller.database = client.database
    caller.user = client.user
    caller.gate = client.gate & (GATE_USER | GATE_TRACKING)
    core.run = run
    return 0


cdef void run_end(Core* core, Run* run) noexcept nogil:
    run.caller.user = NULL
    run.caller.gate = 0
    core.run = run.outer
    if run.is_slow:
        core.gate &= ~<uint64_t> GATE_BUSY
    # What it has written has been propagated command by command.
    propagate_nothing(core)


cdef const char* run_refusal(const Core* core, const Run* run, const Command* command) noexcept nogil:
    cdef const Run* outermost = run.outermost
    if core.gate & GATE_BUSY and not outermost.is_slow:
        return busy_text(core)
    if command.flags & COMMAND_NOSCRIPT and not core.settings.script_calls_all:
        return "ERR This Valkey command is not allowed from script" if core.settings.script_errors_brief else \
            "ERR This Redis command is not allowed from script"
    if command.flags & COMMAND_MAY_REPLICATE and run.flags & SCRIPT_NO_WRITES and run.kind <= RUN_FUNCTION:
        return "ERR Write commands are not allowed from read-only scripts."
    if command.flags & COMMAND_WRITE:
        if run.flags & SCRIPT_NO_WRITES:
            if run.kind == RUN_COMMAND:
                return "ERR Write commands are not allowed from a command without the flag write."
            return "ERR Write commands are not allowed from read-only scripts."
        if core.gate & GATE_MISCONF and not outermost.has_written:
            return core.refusal
    if command.flags & COMMAND_DENYOOM and outermost.over_memory and not outermost.has_written \
            and not run.flags & SCRIPT_ALLOW_OOM:
        return "OOM command not allowed when used memory > 'maxmemory'."
    return NULL


cdef void run_call(Core* core, Run* run, Argument* argv, int argc, Command* command, int protocol) noexcept nogil:
    cdef Client* caller = run.caller
    cdef int propagation = core.propagation
    cdef int withheld = core.withheld
    if command != NULL and command.flags & COMMAND_WRITE:
        run.outermost.has_written = 1
    caller.argv = argv
    caller.argc = argc
    caller.hashed = 0
    caller.reply.protocol = <unsigned char> protocol
    core.propagation = propagation & run.propagated
    core.withheld |= propagation & ~run.propagated
    run.outermost.client.commands += 1
    run.is_calling = 1
    core.upcalls.call(core, caller, command, 0)
    run.is_calling = 0
    core.propagation = propagation
    core.withheld = withheld
    caller.argv = NULL
    caller.argc = 0


cdef void run_drop_reply(Run* run) noexcept nogil:
    reply_release(&run.caller.reply)
    run.caller.reply.starved = 0


cdef bint run_must_end(Core* core) noexcept nogil:
    cdef Run* outermost = run_of(core).outermost
    cdef Suspension suspension
    cdef bint first
    if outermost.is_killed:
        return 1
    if core.settings.script_slow_ms <= 0 or \
            <double> (clock_counter() - outermost.began) * core.ns_per_tick < core.settings.script_slow_ms * 1e6:
        return 0
    first = not outermost.is_slow
    outermost.is_slow = 1
    core.busy_reply = busy_text(core)
    core.gate |= GATE_BUSY
    if suspend(core, &suspension) != 0:
        return 0
    # Meanwhile somebody may have ended it.
    if core.upcalls.script_slow(core, first):
        outermost.is_killed = 1
    suspension_end(core, &suspension)
    return outermost.is_killed


cdef const char* killed_text(const Run* run) noexcept nogil:
    if run.outermost.kind == RUN_FUNCTION:
        return "Script killed by user with FUNCTION KILL."
    return "Script killed by user with SCRIPT KILL."


cdef const char* BUSY_SCRIPT = b"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
cdef const char* BUSY_FUNCTION = \
    b"BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
cdef const char* BUSY_SCRIPT_VALKEY = \
    b"BUSY Valkey is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
cdef const char* BUSY_FUNCTION_VALKEY = \
    b"BUSY Valkey is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."


cdef const char* busy_text(const Core* core) noexcept nogil:
    cdef const Run* run = running(core)
    cdef bint valkey = core.settings.valkey_texts != 0
    if run == NULL or run.kind == RUN_SCRIPT:
        return BUSY_SCRIPT_VALKEY if valkey else BUSY_SCRIPT
    if run.kind == RUN_FUNCTION:
        return BUSY_FUNCTION_VALKEY if valkey else BUSY_FUNCTION
    return "BUSY Redis is busy running a command in Python. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."


cdef void run_kill(Core* core, Client* client, bint is_function) noexcept nogil:
    cdef Run* run = running(core)
    if run == NULL:
        reply_error(&client.reply, "NOTBUSY No scripts in execution right now.")
    elif (run.kind == RUN_FUNCTION) != is_function:
        reply_error(&client.reply, busy_text(core))
    elif run.has_written:
        reply_error(&client.reply, "UNKILLABLE Sorry the script already executed write commands against the dataset. "
                    "You can either wait the script termination or kill the server in a hard way using the SHUTDOWN "
                    "NOSAVE command.")
    else:
        run.is_killed = 1
        reply_ok(&client.reply)


cdef bint script_admit(Core* core, Client* client, uint64_t flags, bint read_only) noexcept nogil:
    if flags & SCRIPT_LEGACY:
        return 1
    if read_only and not flags & SCRIPT_NO_WRITES:
        reply_error(&client.reply, "ERR Can not execute a script with write flag using *_ro command.")
        return 0
    if not flags & SCRIPT_NO_WRITES and core.gate & GATE_MISCONF:
        reply_error(&client.reply, core.refusal)
        return 0
    if not flags & (SCRIPT_NO_WRITES | SCRIPT_ALLOW_OOM) and is_over_memory(core):
        reply_error(&client.reply, "OOM allow-oom flag is not set on the script, can not run it when used memory > "
                    "'maxmemory'")
        return 0
    return 1


cdef bint is_over_memory(Core* core) noexcept nogil:
    return core.gate & GATE_MEMORY and eviction_is_due(core) and evict_keys(core) == EVICTION_FAILED
