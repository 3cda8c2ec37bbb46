"""Reading a command's arguments: words, numbers, options that several commands share.

A function whose name ends in ``_or_reply`` has answered the error where it returns 0.
"""
from libc.stdint cimport int64_t
from redislite._core.state.core cimport Argument, Client, Core
from redislite._core.values.sorted_set_value cimport ScoreRange, TextRange

cdef enum:
    EXPIRE_NONE = 0
    EXPIRE_KEEP = 1             # KEEPTTL
    EXPIRE_PERSIST = 2
    EXPIRE_AT = 3               # at deadline_ms


# EX, PX, EXAT, PXAT, KEEPTTL and PERSIST, as SET, GETEX and others take them.
cdef struct ExpireOption:
    int kind
    int argument                # index of the time's argument
    bint seconds
    bint absolute
    int64_t deadline_ms


# Whether the argument is this word, given in capitals, in any letter case.
cdef bint argument_is(const Argument* argument, const char* word) noexcept nogil
cdef bint argument_integer_or_reply(Client* client, int index, int64_t* value) noexcept nogil
# The same with a range, and the error text for a number outside of it.
cdef bint argument_range_or_reply(Client* client, int index, int64_t least, int64_t most, int64_t* value,
                                  const char* error) noexcept nogil
# An integer from least on; error is the answer to everything else, texts that are no integers included.
cdef bint argument_at_least_or_reply(Client* client, int index, int64_t least, int64_t* value,
                                     const char* error) noexcept nogil
# How long a command may wait, in milliseconds, 0 for ever: given in seconds, with a fraction, or else in milliseconds.
cdef bint argument_timeout_or_reply(Core* core, Client* client, int index, bint seconds,
                                    int64_t* timeout_ms) noexcept nogil
# Makes indexes, from the end where negative, a range within the length: start and the index behind the last.
# 0 where it is empty.
cdef bint clamp_range(int64_t length, int64_t* start, int64_t* end) noexcept nogil
# Takes the option at *index where it is one of an expiry (KEEPTTL where keep, PERSIST where persist), moving *index to
# its last argument. 1 taken, 0 something else, -1 a second one or without its argument.
cdef int take_expire_option(Client* client, int* index, bint keep, bint persist, ExpireOption* option) noexcept nogil
# The deadline that a time in an argument means: seconds or milliseconds, absolute or from now on. Less than least is an
# error, and so is what does not fit 64 bits of milliseconds.
cdef bint deadline_or_reply(Core* core, Client* client, int index, bint seconds, bint absolute, int64_t least,
                            int64_t* deadline_ms) noexcept nogil
# Works out deadline_ms of an option of kind EXPIRE_AT, which is above 0.
cdef bint expire_deadline_or_reply(Core* core, Client* client, ExpireOption* option) noexcept nogil
cdef void reply_syntax_error(Client* client) noexcept nogil
cdef void reply_wrong_type(Client* client) noexcept nogil
cdef void reply_not_an_integer(Client* client) noexcept nogil
cdef void reply_out_of_memory(Client* client) noexcept nogil
# A floating point number, and the error text for anything else.
cdef bint argument_double_or_reply(Client* client, int index, double* value, const char* error) noexcept nogil
# Ends of a range of scores: a number, "(" before it where it is excluded.
cdef bint score_range_or_reply(Client* client, int least, int most, ScoreRange* range) noexcept nogil
# Ends of a range of members: "[" or "(" and the bytes, "-" and "+" for what is before and behind all. They point into
# the arguments.
cdef bint text_range_or_reply(Client* client, int least, int most, TextRange* range) noexcept nogil
