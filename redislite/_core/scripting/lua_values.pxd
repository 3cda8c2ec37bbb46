"""Replies as Lua values, and Lua values as replies.

    RESP                        Lua                                     RESP
    :7                     ─▶   7                                  ─▶   :7 (a fraction is cut off)
    $3 abc                 ─▶   "abc"                              ─▶   $3 abc
    +OK                    ─▶   {ok = "OK"}                        ─▶   +OK
    -ERR x                 ─▶   {err = "ERR x"}                    ─▶   -ERR x
    *2 …                   ─▶   {…}                                ─▶   *n …, up to the first nil
    $-1 *-1                ─▶   false                              ─▶   a null
                                true                               ─▶   :1
    under setresp(3), both ways:
    _                      ─▶   nil                                ─▶   a null
    #t                     ─▶   true                               ─▶   #t
    ,1.5                   ─▶   {double = 1.5}                     ─▶   ,1.5
    %1 …                   ─▶   {map = {…}}                        ─▶   %1 …
    ~1 …                   ─▶   {set = {member = true}}            ─▶   ~1 …
    (123                   ─▶   {big_number = "123"}               ─▶   (123
    =5 txt:a               ─▶   {verbatim_string = {format = "txt", string = "a"}}  ─▶  =5 txt:a

Both functions may raise errors in Lua, for want of memory: to be called in protected mode.
"""
from libc.stdint cimport int64_t
from redislite._core.scripting.lua_api cimport lua_State
from redislite._core.state.core cimport Reply


# Pushes the reply that stands at data, which is whole, and answers the place behind it. NULL where it is nested too
# deeply for Lua's stack: nothing is pushed then.
cdef const char* value_push(lua_State* L, const char* data) noexcept nogil
# Appends the value on top of the stack as a reply, and pops it. resp3: the script has asked for protocol 3.
cdef void value_reply(lua_State* L, Reply* reply, bint resp3) noexcept nogil
# Pushes {err = text}.
cdef void error_push(lua_State* L, const char* text, size_t length) noexcept nogil
# Marks the error on top as one that has been counted.
cdef void error_mark(lua_State* L) noexcept nogil
cdef bint error_is_marked(lua_State* L) noexcept nogil
# A Lua number as the text that commands get: an integer where it is one. Answers the length; the text has
# NUMBER_TEXT_MAX bytes.
cdef int number_text(double number, char* text) noexcept nogil
cdef enum:
    NUMBER_TEXT_MAX = 32
