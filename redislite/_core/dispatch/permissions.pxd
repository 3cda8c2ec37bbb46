"""What users may do, compiled from their rules so that a check is a few tests of C structs.

A user has one or more selectors, and may run a command if one of them allows all of it: the database, the command, each
key, each channel. What rules mean is the control plane's business (redislite/acl); it hands over the outcome: a bit per
command id, patterns, numbers of databases.

    Client.user ─▶ UserRules ─▶ Selector[]      part of a Permissions object, which the Connection holds; the selectors
                                                are one block of the engine's heap. NULL: a user who may do everything

A client whose user is restricted has GATE_USER; without it nothing here is ever called.
"""
from libc.stdint cimport int32_t, uint8_t
from redislite._core.state.core cimport Argument, Client, Command, Core


cdef enum:                      # which arguments are channels (Command.channels); shared with access.py
    CHANNELS_NONE = 0
    CHANNELS_FIRST = 1
    CHANNELS_ALL = 2
    CHANNELS_PATTERNS = 3       # all, and they are patterns, which must be allowed literally


# Why a command is denied. The larger, the further a selector went: of several, the furthest is reported.
cdef enum:
    ALLOWED = 0
    DENIED_DATABASE = 1
    DENIED_COMMAND = 2
    DENIED_KEY = 3
    DENIED_CHANNEL = 4


cdef struct AccessPattern:
    const char* data
    size_t length
    int32_t allows              # ACCESS_* bits (command_keys.pxd), of a key's
    bint is_all                 # the pattern *


# A command that is allowed with this first argument only, in any letter case.
cdef struct FirstArgument:
    int32_t command             # id
    const char* data
    size_t length


cdef struct Selector:
    bint all_commands
    bint all_keys
    bint all_channels
    bint all_databases
    uint8_t* commands           # a bit per id
    int commands_count          # bits; what comes behind is not allowed
    AccessPattern* keys
    int keys_count
    AccessPattern* channels
    int channels_count
    FirstArgument* first_arguments
    int first_arguments_count
    int32_t* databases
    int databases_count


cdef struct UserRules:
    Selector* selectors
    int selectors_count
    size_t size                 # bytes of the block of selectors
    bint is_unrestricted        # some selector allows everything


# Whether the client's user may run its current command, whose arity is right. Where not, it has been answered, counted
# and logged; the transaction of a denied EXEC is for the caller to drop. For clients with GATE_USER.
cdef bint permissions_admit(Core* core, Client* client, Command* command) noexcept nogil
# Whether the client's user may run a command with these arguments, whose number is right. Nobody is told.
cdef bint permissions_allow(Core* core, const Client* client, const Command* command, const Argument* argv,
                            int argc) noexcept nogil
# Whether the user may read every key, in some selector that allows the client's current command: what SORT asks, whose
# patterns name keys that no rule can foresee.
cdef bint permissions_read_every_key(Core* core, Client* client, Command* command) noexcept nogil


cdef class Permissions:
    cdef Core* core
    cdef UserRules rules
    cdef object engine          # keeps the heap alive
    cdef list kept              # bytes that patterns point into
    cdef int _check_made(self) except -1
    cdef int _fill(self, UserRules* rules, list selectors, list kept) except -1
    cdef size_t _fill_commands(self, Selector* selector, char* block, size_t used, object commands,
                               object first_arguments,
                               list kept) except 0
