"""Reports of crashes; the contract is in crash.pxd."""
from libc.errno cimport errno
from libc.signal cimport SIG_DFL, SIGABRT, SIGALRM, SIGBUS, SIGFPE, SIGILL, SIGSEGV, signal
from libc.signal cimport raise_ as raise_signal
from libc.stdint cimport int64_t, uintptr_t
from libc.stdlib cimport abort
from libc.string cimport memset
from libc.time cimport time, time_t
from posix.fcntl cimport O_APPEND, O_CREAT, O_WRONLY, open
from posix.signal cimport (
    SA_NODEFER,
    SA_ONSTACK,
    SA_RESTART,
    SA_SIGINFO,
    sigaction,
    sigaction_t,
    sigaltstack,
    sigdelset,
    siginfo_t,
    stack_t,
)
from posix.types cimport pid_t
from posix.unistd cimport STDOUT_FILENO, _exit, alarm, close, getpid, pause, unlink
from redislite._core.keyspace.key_table cimport keys_count
from redislite._core.base.safe_output cimport (
    SafeOutput, put_head, put_hex, put_quoted, put_signed, put_text, put_unsigned, safe_output_flush, safe_output_init,
)
from redislite._core.base.threads cimport threads_fill_mask
from redislite._core.process.memory_test cimport memory_test
from redislite._core.process.stack_trace cimport THREAD_STOP, stack_trace_ask, stack_trace_prepare, stack_trace_write
from redislite._core.protocol.reply cimport reply_pending
from redislite._core.state.core cimport Client, Core
from redislite._core.structures.dict cimport dict_size

# What differs by processor: where the program stood, and its registers.
cdef extern from *:
    """
    #include <dlfcn.h>
    #include <signal.h>
    #include <stdint.h>
    #include <unistd.h>
    #include <ucontext.h>
    #if defined(__linux__)
    #include <sys/syscall.h>
    #endif

    typedef struct {
        const char *name;
        int number;
    } CrashRegister;

    #if defined(__linux__) && defined(__x86_64__)
    #define CRASH_REGISTERS(X) \\
        X(RAX) X(RBX) X(RCX) X(RDX) X(RDI) X(RSI) X(RBP) X(RSP) X(R8) X(R9) X(R10) X(R11) X(R12) X(R13) X(R14) X(R15) \\
        X(RIP) X(EFL) X(CSGSFS)
    #define CRASH_ENTRY(name) {#name, REG_##name},
    static const CrashRegister crash_registers[] = {CRASH_REGISTERS(CRASH_ENTRY)};
    static uintptr_t crash_register(void *context, int number) {
        return (uintptr_t) ((ucontext_t *) context)->uc_mcontext.gregs[number];
    }
    static void *crash_instruction(void *context) { return (void *) crash_register(context, REG_RIP); }
    /* A call to where no code is has left nothing but where it came from: goes back there, as the stack is unreadable
       otherwise. */
    static void crash_return(void *context) {
        greg_t *registers = ((ucontext_t *) context)->uc_mcontext.gregs;
        registers[REG_RIP] = *(greg_t *) registers[REG_RSP];
        registers[REG_RSP] += sizeof(greg_t);
    }
    #elif defined(__linux__) && defined(__aarch64__)
    static const CrashRegister crash_registers[] = {
        {"X0", 0}, {"X1", 1}, {"X2", 2}, {"X3", 3}, {"X4", 4}, {"X5", 5}, {"X6", 6}, {"X7", 7}, {"X8", 8}, {"X9", 9},
        {"X10", 10}, {"X11", 11}, {"X12", 12}, {"X13", 13}, {"X14", 14}, {"X15", 15}, {"X16", 16}, {"X17", 17},
        {"X18", 18}, {"X19", 19}, {"X20", 20}, {"X21", 21}, {"X22", 22}, {"X23", 23}, {"X24", 24}, {"X25", 25},
        {"X26", 26}, {"X27", 27}, {"X28", 28}, {"X29", 29}, {"X30", 30}, {"SP", 31}, {"PC", 32}, {"PSTATE", 33}};
    static uintptr_t crash_register(void *context, int number) {
        mcontext_t *machine = &((ucontext_t *) context)->uc_mcontext;
        switch (number) {
        case 31: return machine->sp;
        case 32: return machine->pc;
        case 33: return machine->pstate;
        default: return machine->regs[number];
        }
    }
    static void *crash_instruction(void *context) { return (void *) crash_register(context, 32); }
    static void crash_return(void *context) {
        mcontext_t *machine = &((ucontext_t *) context)->uc_mcontext;
        machine->pc = machine->regs[30];
    }
    #else
    static const CrashRegister crash_registers[] = {{"", 0}};
    static uintptr_t crash_register(void *context, int number) { return 0; }
    static void *crash_instruction(void *context) { return NULL; }
    static void crash_return(void *context) {}
    #endif
    #if defined(__aarch64__)
    #define CRASH_MACHINE "aarch64"
    #else
    #define CRASH_MACHINE "i386:x86-64"
    #endif
    #define CRASH_REGISTERS_COUNT ((int) (sizeof(crash_registers) / sizeof(crash_registers[0])))

    static int crash_own_thread(void) {
    #if defined(__linux__)
        return (int) syscall(SYS_gettid);
    #else
        return 1;
    #endif
    }

    /* The thread that was there first, or 0 where that is this one from now on. */
    static int crash_enter(int *reporting, int thread) {
        int before = 0;
        __atomic_compare_exchange_n(reporting, &before, thread, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
        return before;
    }
    static void crash_leave(int *reporting) { __atomic_store_n(reporting, 0, __ATOMIC_RELEASE); }

    /* For overflows of the stack. Handlers of faults within handlers come on top. */
    static char crash_stack[262144];
    """
    ctypedef struct Dl_info:
        const char* dli_fname
        void* dli_fbase
        const char* dli_sname
        void* dli_saddr
    ctypedef struct CrashRegister:
        const char* name
        int number
    const CrashRegister crash_registers[1]
    int CRASH_REGISTERS_COUNT
    const char* CRASH_MACHINE
    char crash_stack[262144]
    int SI_USER
    int dladdr(void* address, Dl_info* info) noexcept nogil
    uintptr_t crash_register(void* context, int number) noexcept nogil
    void* crash_instruction(void* context) noexcept nogil
    void crash_return(void* context) noexcept nogil
    int crash_own_thread() noexcept nogil
    int crash_enter(int* reporting, int thread) noexcept nogil
    void crash_leave(int* reporting) noexcept nogil

cdef enum:
    ARGUMENT_MAX = 128                  # bytes of an argument that are shown
    ARGUMENTS_MAX = 1024
    CODE_BYTES = 128                    # around the instruction that failed
    REPORT_SECONDS_MAX = 60             # before the test of memory; what hangs then is ended all the same
    PAGE_MASK = 4095
    FAULTS_COUNT = 5

cdef int[FAULTS_COUNT] FAULTS = [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT]


# What reports need, ready to be written. Texts end with a NUL and belong to `texts`; a signal may come between any two
# assignments, so each is complete by itself.
cdef struct Reporter:
    const char* title                   # of the program, with its version
    const char* log_path                # empty: standard output
    const char* pid_file                # to be removed; empty: none
    const char* info                    # what INFO would tell of the server itself
    const char* configuration
    bint report                         # crash-log-enabled
    bint hide_user_data
    bint test_memory
    bint exit_on_panic
    pid_t process                       # that catches faults: children do so too, but their memory is not theirs alone
    time_t started
    const Core* core
    # of the report that is being written
    int reporting                       # the thread that writes it; 0: none
    int answering                       # the thread that writes stacks for SIGALRM
    int section                         # the next one
    void* context                       # of the fault, or NULL

cdef Reporter reporter
cdef list texts = []


cdef int open_log() noexcept nogil:
    cdef int fd
    if reporter.log_path == NULL or reporter.log_path[0] == 0:
        return STDOUT_FILENO
    fd = open(reporter.log_path, O_WRONLY | O_CREAT | O_APPEND, 0o644)
    return fd if fd >= 0 else STDOUT_FILENO


cdef void close_log(int fd) noexcept nogil:
    if fd != STDOUT_FILENO:
        close(fd)


# Sections


cdef void put_title(SafeOutput* output, const char* title) noexcept nogil:
    """Written at once, so that a fault behind it tells in which section it was."""
    put_text(output, "\n------ ")
    put_text(output, title)
    put_text(output, " ------\n")
    safe_output_flush(output)


cdef void write_stacks(SafeOutput* output) noexcept nogil:
    stack_trace_write(output.fd, NULL if reporter.context == NULL else crash_instruction(reporter.context))


cdef void write_registers(SafeOutput* output) noexcept nogil:
    cdef int i
    if reporter.context == NULL:
        return
    put_title(output, "REGISTERS")
    for i in range(CRASH_REGISTERS_COUNT):
        put_text(output, crash_registers[i].name)
        put_text(output, ":")
        put_hex(output, crash_register(reporter.context, crash_registers[i].number), 16)
        put_text(output, "\n" if i % 4 == 3 else " ")
    put_text(output, "\n")


cdef void put_figure(SafeOutput* output, const char* name, int64_t value) noexcept nogil:
    put_text(output, name)
    put_text(output, ":")
    put_signed(output, value)
    put_text(output, "\n")


cdef void write_info(SafeOutput* output) noexcept nogil:
    cdef const Core* core = reporter.core
    cdef int i
    put_title(output, "INFO OUTPUT")
    put_text(output, reporter.info)
    put_figure(output, "uptime_in_seconds", time(NULL) - reporter.started)
    if core == NULL:
        return
    put_text(output, "\n# Clients\n")
    put_figure(output, "connected_clients", core.clients_count)
    put_figure(output, "blocked_clients", core.blocked_clients)
    put_text(output, "\n# Memory\n")
    put_figure(output, "used_memory", <int64_t> core.heap.used)
    put_figure(output, "maxmemory", core.settings.max_memory)
    put_text(output, "\n# Stats\n")
    put_figure(output, "total_connections_received", core.statistics.connections_received)
    put_figure(output, "total_commands_processed", core.statistics.commands_processed)
    put_figure(output, "total_net_input_bytes", core.statistics.input_bytes)
    put_figure(output, "total_net_output_bytes", core.statistics.output_bytes)
    put_figure(output, "expired_keys", core.statistics.expired_keys)
    put_figure(output, "evicted_keys", core.statistics.evicted_keys)
    put_figure(output, "keyspace_hits", core.statistics.keyspace_hits)
    put_figure(output, "keyspace_misses", core.statistics.keyspace_misses)
    put_figure(output, "total_error_replies", core.statistics.error_replies)
    put_figure(output, "changes_since_last_save", <int64_t> core.dirty)
    put_text(output, "\n# Keyspace\n")
    for i in range(core.databases_count):
        if keys_count(core.databases[i]):
            put_text(output, "db")
            put_signed(output, i)
            put_text(output, ":keys=")
            put_unsigned(output, keys_count(core.databases[i]))
            put_text(output, ",expires=")
            put_unsigned(output, dict_size(&core.databases[i].expires))
            put_text(output, "\n")


cdef void put_client(SafeOutput* output, const Client* client) noexcept nogil:
    put_text(output, "id=")
    put_unsigned(output, client.id)
    put_text(output, " fd=")
    put_signed(output, client.fd)
    put_text(output, " age=")
    put_signed(output, (client.core.now_ms - client.created_ms) // 1000)
    put_text(output, " idle=")
    put_signed(output, (client.core.now_ms - client.active_ms) // 1000)
    put_text(output, " flags=0x")
    put_hex(output, client.flags, 0)
    put_text(output, " gate=0x")
    put_hex(output, client.gate, 0)
    put_text(output, " db=")
    put_signed(output, client.database.id)
    put_text(output, " multi=")
    put_signed(output, client.transaction.count if client.transaction != NULL else -1)
    put_text(output, " qbuf=")
    put_unsigned(output, client.query_length)
    put_text(output, " obl=")
    put_unsigned(output, reply_pending(&client.reply))
    put_text(output, " cmd=")
    if client.command != NULL:
        put_text(output, client.command.name)
    else:
        put_text(output, "NULL")
    put_text(output, " resp=")
    put_unsigned(output, client.reply.protocol)
    put_text(output, " tot-net-in=")
    put_unsigned(output, client.input_bytes)
    put_text(output, " tot-net-out=")
    put_unsigned(output, client.output_bytes)
    put_text(output, " tot-cmds=")
    put_unsigned(output, client.commands)
    put_text(output, "\n")


cdef void write_clients(SafeOutput* output) noexcept nogil:
    cdef const Client* client
    cdef int64_t i
    put_title(output, "CLIENT LIST OUTPUT")
    if reporter.core == NULL:
        return
    client = reporter.core.clients
    # A list that was damaged may go round in circles.
    for i in range(reporter.core.clients_count):
        if client == NULL:
            break
        put_client(output, client)
        client = client.next


cdef bint is_password_word(const char* data, size_t length) noexcept nogil:
    """auth or auth2, in any case: what is behind it is secret."""
    return (length == 4 or length == 5 and data[4] == 50) and data[0] | 32 == 97 and data[1] | 32 == 117 \
        and data[2] | 32 == 116 and data[3] | 32 == 104


cdef void put_request(SafeOutput* output, const char* title, const Client* client) noexcept nogil:
    cdef size_t length
    cdef int i
    if client == NULL:
        return
    put_title(output, title)
    put_client(output, client)
    put_text(output, "argc: ")
    put_signed(output, client.argc)
    put_text(output, "\n")
    for i in range(min(client.argc, ARGUMENTS_MAX)):
        length = client.argv[i].length
        put_text(output, "argv[")
        put_signed(output, i)
        put_text(output, "]: ")
        if reporter.hide_user_data and i > 0:
            put_unsigned(output, length)
            put_text(output, " bytes\n")
            continue
        put_quoted(output, client.argv[i].data, min(length, <size_t> ARGUMENT_MAX))
        put_text(output, "\n")
        if is_password_word(client.argv[i].data, length):
            break


cdef void write_current_client(SafeOutput* output) noexcept nogil:
    if reporter.core != NULL:
        put_request(output, "CURRENT CLIENT INFO", reporter.core.outermost)


cdef void write_executing_client(SafeOutput* output) noexcept nogil:
    if reporter.core != NULL and reporter.core.executing != reporter.core.outermost:
        put_request(output, "EXECUTING CLIENT INFO", reporter.core.executing)


cdef void write_configuration(SafeOutput* output) noexcept nogil:
    put_title(output, "CONFIG DEBUG OUTPUT")
    put_text(output, reporter.configuration)


cdef void write_code(SafeOutput* output) noexcept nogil:
    cdef Dl_info info
    cdef uintptr_t instruction, start, end, at
    if reporter.context == NULL:
        return
    instruction = <uintptr_t> crash_instruction(reporter.context)
    memset(&info, 0, sizeof(Dl_info))
    if dladdr(<void*> instruction, &info) == 0:
        return
    put_title(output, "DUMPING CODE AROUND EIP")
    put_text(output, "Symbol: ")
    put_text(output, info.dli_sname)
    put_text(output, " (base: 0x")
    put_hex(output, <uintptr_t> info.dli_saddr, 0)
    put_text(output, ")\nModule: ")
    put_text(output, info.dli_fname)
    put_text(output, " (base 0x")
    put_hex(output, <uintptr_t> info.dli_fbase, 0)
    put_text(output, ")\n$ xxd -r -p /tmp/dump.hex /tmp/dump.bin\n$ objdump --adjust-vma=0x")
    start = instruction - CODE_BYTES if instruction > <uintptr_t> info.dli_fbase + CODE_BYTES \
        else <uintptr_t> info.dli_fbase
    # Behind the page there may be nothing.
    end = min(instruction + CODE_BYTES, (instruction | PAGE_MASK) + 1)
    put_hex(output, start, 0)
    put_text(output, " -D -b binary -m ")
    put_text(output, CRASH_MACHINE)
    put_text(output, " /tmp/dump.bin\n------\n")
    at = start
    while at < end:
        put_hex(output, (<unsigned char*> at)[0], 2)
        at += 1
        if (at - start) % 32 == 0:
            put_text(output, "\n")


cdef void write_memory_test(SafeOutput* output) noexcept nogil:
    # A child shares its memory with its parent until it changes it, and this changes all of it.
    if not reporter.test_memory or getpid() != reporter.process:
        return
    put_title(output, "FAST MEMORY TEST")
    safe_output_flush(output)
    alarm(0)
    if stack_trace_ask(output.fd, THREAD_STOP):
        put_text(output, "Memory is not tested, as some threads cannot be stopped.\n")
    elif memory_test(output.fd):
        put_text(output, "!!! MEMORY ERROR DETECTED! Check your memory ASAP !!!\n")
    else:
        put_text(output,
                 "Fast memory test PASSED, however your memory can still be broken. Please run a memory test for "
                         "several hours if possible.\n")


ctypedef void (*Section)(SafeOutput* output) noexcept nogil

cdef enum:
    SECTIONS_COUNT = 9

cdef Section[SECTIONS_COUNT] SECTIONS = [
    write_stacks,
    write_registers,
    write_info,
    write_clients,
    write_current_client,
    write_executing_client,
    write_configuration,
    write_code,
    write_memory_test,
]


# Reports


cdef void begin_report(SafeOutput* output) noexcept nogil:
    put_text(output, "\n\n=== REDIS BUG REPORT START: Cut & paste starting from here ===\n")


cdef void write_sections(SafeOutput* output) noexcept nogil:
    """Those that have not been begun yet."""
    safe_output_flush(output)
    if reporter.section == 0:
        signal(SIGALRM, SIG_DFL)
        alarm(REPORT_SECONDS_MAX)
    while reporter.section < SECTIONS_COUNT:
        reporter.section += 1
        SECTIONS[reporter.section - 1](output)
        safe_output_flush(output)
    alarm(0)


cdef void end_report(SafeOutput* output) noexcept nogil:
    put_text(output, "\n=== REDIS BUG REPORT END. Make sure to include from START to END. ===\n\n"
                     "       Please report the crash to those who maintain redislite.\n\n"
                     "  Suspect RAM error? memtest86 and memtester are made to verify it.\n\n"
                     "  Some other issues could be detected by redislite-server --check-system\n")
    safe_output_flush(output)
    if reporter.pid_file != NULL and reporter.pid_file[0] != 0 and getpid() == reporter.process:
        unlink(reporter.pid_file)


cdef void die_by(int number) noexcept nogil:
    signal(number, SIG_DFL)
    # To this thread: while another one took it, this one would go on.
    raise_signal(number)
    _exit(1)


cdef void wait_for_the_end() noexcept nogil:
    while True:
        pause()


cdef void on_fault(int number, siginfo_t* info, void* context) noexcept nogil:
    cdef SafeOutput output
    cdef int thread = crash_own_thread()
    cdef int first = crash_enter(&reporter.reporting, thread)
    if first != 0 and first != thread:
        wait_for_the_end()              # another thread's report is being written, and ends the process
    safe_output_init(&output, open_log())
    if first == thread:
        put_head(&output)
        put_text(&output, "Crashed running signal handler. The report goes on with its next part.\n")
    else:
        begin_report(&output)
    put_head(&output)
    put_text(&output, reporter.title)
    put_text(&output, " crashed by signal: ")
    put_signed(&output, number)
    put_text(&output, ", si_code: ")
    put_signed(&output, info.si_code)
    put_text(&output, "\n")
    if number == SIGSEGV or number == SIGBUS:
        put_head(&output)
        put_text(&output, "Accessing address: 0x")
        put_hex(&output, <uintptr_t> info.si_addr, 0)
        put_text(&output, "\n")
    if info.si_code == SI_USER:
        put_head(&output)
        put_text(&output, "Killed by PID: ")
        put_signed(&output, info.si_pid)
        put_text(&output, ", UID: ")
        put_unsigned(&output, info.si_uid)
        put_text(&output, "\n")
    put_head(&output)
    put_text(&output, "Crashed running the instruction at: 0x")
    put_hex(&output, <uintptr_t> crash_instruction(context), 0)
    put_text(&output, "\n")
    safe_output_flush(&output)
    if first == 0:
        if number == SIGSEGV and info.si_addr == crash_instruction(context):
            crash_return(context)
        reporter.context = context
    write_sections(&output)
    end_report(&output)
    die_by(number)


cdef void on_alarm(int number, siginfo_t* info, void* context) noexcept nogil:
    cdef int saved = errno
    cdef SafeOutput output
    # A second one meanwhile asks for what is being written.
    if crash_enter(&reporter.answering, crash_own_thread()) != 0:
        return
    safe_output_init(&output, open_log())
    put_head(&output)
    # The timer names no process that sent it.
    put_text(&output, "\n--- WATCHDOG TIMER EXPIRED ---\n" if info.si_pid == 0 else "\nReceived SIGALRM\n")
    safe_output_flush(&output)
    stack_trace_write(output.fd, crash_instruction(context))
    put_head(&output)
    put_text(&output, "--------\n\n")
    safe_output_flush(&output)
    close_log(output.fd)
    crash_leave(&reporter.answering)
    (&errno)[0] = saved


cdef bint begin_by_itself(SafeOutput* output) noexcept nogil:
    """Whether this is the first report; where it is not, one is being written."""
    cdef bint is_first = crash_enter(&reporter.reporting, crash_own_thread()) == 0
    safe_output_init(output, open_log())
    if is_first:
        begin_report(output)
    put_head(output)
    return is_first


cdef void end_by_itself(SafeOutput* output, bint is_first) noexcept nogil:
    """Ends the process for a reason that output has the text of."""
    safe_output_flush(output)
    if reporter.report and is_first:
        write_sections(output)
    end_report(output)
    if reporter.exit_on_panic:
        _exit(1)
    signal(SIGABRT, SIG_DFL)
    abort()


cdef void put_place(SafeOutput* output, const char* file, int line) noexcept nogil:
    put_text(output, file)
    put_text(output, ":")
    put_signed(output, line)


cdef void report_assertion(const char* condition, const char* file, int line) noexcept nogil:
    cdef SafeOutput output
    cdef bint is_first = begin_by_itself(&output)
    put_text(&output, "=== ASSERTION FAILED ===\n" if is_first else "=== RECURSIVE ASSERTION FAILED ===\n")
    put_head(&output)
    put_text(&output, "==> ")
    put_place(&output, file, line)
    put_text(&output, " '")
    put_text(&output, condition)
    put_text(&output, "' is not true\n")
    end_by_itself(&output, is_first)


cdef void report_panic(const char* message, const char* file, int line) noexcept nogil:
    cdef SafeOutput output
    cdef bint is_first = begin_by_itself(&output)
    put_text(&output, "------------------------------------------------\n")
    put_head(&output)
    put_text(&output, "!!! Software Failure. Press left mouse button to continue\n")
    put_head(&output)
    put_text(&output, "Guru Meditation: ")
    put_text(&output, message)
    put_text(&output, " #")
    put_place(&output, file, line)
    put_text(&output, "\n")
    end_by_itself(&output, is_first)


cdef void crash_watch(Core* core) noexcept nogil:
    reporter.core = core


cdef void crash_forget(const Core* core) noexcept nogil:
    if reporter.core == core:
        reporter.core = NULL


# For the control plane


def prepare(int python_signal, int python_descriptor):
    """Answers SIGALRM with the stacks of all threads, from now on. Once per process, which the caller has to itself.

    python_signal: faulthandler was told to write Python's stacks for it, to the descriptor; 0: it was not.
    """
    cdef sigaction_t action
    stack_trace_prepare(python_signal, python_descriptor)
    reporter.process = getpid()
    reporter.started = time(NULL)
    action.sa_sigaction = on_alarm
    action.sa_flags = SA_SIGINFO | SA_RESTART
    threads_fill_mask(&action.sa_mask)
    sigaction(SIGALRM, &action, NULL)


def catch_faults(bint on):
    """Reports faults and SIGABRT, or leaves them to the system. For the main thread, whose stack may overflow."""
    cdef sigaction_t action
    cdef stack_t stack
    cdef int i
    if on:
        memset(&stack, 0, sizeof(stack_t))
        stack.ss_sp = crash_stack
        stack.ss_size = sizeof(crash_stack)
        sigaltstack(&stack, NULL)
    action.sa_sigaction = on_fault
    # A fault within the handler comes through, too.
    action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK
    threads_fill_mask(&action.sa_mask)
    sigdelset(&action.sa_mask, SIGALRM)
    for i in range(FAULTS_COUNT):
        if on:
            sigaction(FAULTS[i], &action, NULL)
        else:
            signal(FAULTS[i], SIG_DFL)


def describe(*, bytes title, bytes log_path, bytes pid_file, bytes info, bytes configuration, bint report,
             bint hide_user_data, bint test_memory, bint exit_on_panic):
    """What reports say of the program, and how they are made. Texts must not have a NUL within; empty paths: no
    file."""
    global texts
    cdef list new = [title, log_path, pid_file, info, configuration]
    reporter.title = title
    reporter.log_path = log_path
    reporter.pid_file = pid_file
    reporter.info = info
    reporter.configuration = configuration
    reporter.report = report
    reporter.hide_user_data = hide_user_data
    reporter.test_memory = test_memory
    reporter.exit_on_panic = exit_on_panic
    texts = new


def assertion_failed(bytes condition, bytes file, int line):
    """Ends the process with a report of a condition that does not hold."""
    report_assertion(condition, file, line)


def panic(bytes message, bytes file, int line):
    """Ends the process with a report that it cannot go on."""
    report_panic(message, file, line)
