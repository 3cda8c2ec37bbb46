"""Hooks for keyspace events; the contract is in hooks.pxd."""
from libc.string cimport memset
from redislite._core.dispatch.turns cimport renew_clock
from redislite._core.dispatch.upcalls cimport upcall_failed
from redislite._core.keyspace.propagate cimport propagate_unit
from redislite._core.protocol.reply cimport reply_release
from redislite._core.scripting.calling cimport RUN_HOOK, Run, run_begin, run_end
from redislite._core.scripting.python_calls cimport report_raised, run_python_code
from redislite._core.state.core cimport Client, Core, Database
from redislite._core.state.flags cimport AFTER_HOOKS, LOG_WARNING
from redislite._core.text.glob cimport glob_match

from redislite._core.protocol.reply_types import Interrupted


cdef class Hooks:
    def __init__(self) -> None:
        self.by_event = {}
        self.waiting = []
        self.causes = ()

    cdef int add(self, object hook) except -1:
        for event in hook.events:
            self.by_event.setdefault(event.encode(), []).append(hook)
        self._tell()
        return 0

    cdef int remove(self, object hook) except -1:
        for event in hook.events:
            hooks = self.by_event.get(event.encode(), [])
            if hook in hooks:
                hooks.remove(hook)
            if not hooks:
                self.by_event.pop(event.encode(), None)
        self.waiting = [call for call in self.waiting if call[0] is not hook]
        self._tell()
        return 0

    cdef int _tell(self) except -1:
        """Says which events are wanted."""
        cdef int classes = 0
        from redislite._core.scripting.extension import EVENT_CLASSES

        for name in self.by_event:
            classes |= <int> EVENT_CLASSES[name.decode()]
        self.core.hooked_classes = classes
        self.core.notify_classes = self.core.published_classes | classes
        return 0

    cdef int note(self, Database* database, bytes event, const char* key, size_t length) except -1:
        cdef bytes pattern
        for hook in self.by_event.get(event, ()):
            pattern = hook.pattern
            if hook in self.causes or (
                    pattern is not None and not glob_match(pattern, len(pattern), key, length, 0)):
                continue
            self.waiting.append((hook, event, key[:length], database.id, self.causes + (hook,)))
            self.core.after_unit |= AFTER_HOOKS
        return 0

    cdef void run(self) noexcept:
        """Calls what waits, and what comes to wait because of that."""
        cdef Core* core = self.core
        core.after_unit &= ~AFTER_HOOKS
        while self.waiting:
            calls = self.waiting
            self.waiting = []
            for call in calls:
                try:
                    self._call(call)
                except BaseException as error:
                    report_raised(core, error)
        core.after_unit &= ~AFTER_HOOKS

    cdef int _call(self, tuple call) except -1:
        cdef Core* core = self.core
        cdef Client* client = self.client
        cdef Run run
        cdef bytes name
        hook, event, key, database, causes = call
        name = getattr(hook.handler, "__name__", "hook").encode("utf-8", "replace")
        memset(&run, 0, sizeof(run))
        run.name = name
        run.name_length = <int> len(name)
        run.kind = RUN_HOOK
        renew_clock(core)
        client.database = core.databases[<int> database]
        client.reply.protocol = 3
        core.executing = client
        core.outermost = client
        self.causes = causes
        try:
            if run_begin(core, &run, client) != 0:
                reply_release(&client.reply)
                raise MemoryError
            try:
                run_python_code(core, &run, hook.handler, (event.decode(), key))
            except Interrupted:
                core.upcalls.log_line(core, LOG_WARNING, b"A hook has been ended, as it took too long: " + name)
            finally:
                run_end(core, &run)
        finally:
            self.causes = ()
            core.feed.is_replaced = 0
            core.executing = NULL
            core.outermost = NULL
            if core.propagation:
                propagate_unit(core)
        return 0


cdef void key_hooked(Core* core, Database* database, const char* name, const char* key, size_t length) noexcept nogil:
    if not core.replaying:
        note_event(core, database, name, key, length)


cdef void note_event(Core* core, Database* database, const char* name, const char* key,
                     size_t length) noexcept with gil:
    try:
        hooks_of(core).note(database, name, key, length)
    except BaseException as error:
        upcall_failed(core, error)


cdef void run_hooks(Core* core) noexcept with gil:
    hooks_of(core).run()


cdef inline Hooks hooks_of(Core* core):
    return (<object> core.engine).hooks
