"""Replies straight from listpacks: elements as bulk strings, without a call for each.
"""
from libc.stdint cimport uint8_t
from redislite._core.protocol.reply cimport reply_bulk, reply_bulk_integer
from redislite._core.state.core cimport Reply
from redislite._core.structures.listpack cimport ListpackValue


# Appends count elements from entry on (there must be as many). end: behind the listpack's last byte.
cdef void reply_listpack(Reply* reply, const uint8_t* entry, const uint8_t* end, size_t count) noexcept nogil


cdef inline void reply_listpack_value(Reply* reply, const ListpackValue* value) noexcept nogil:
    if value.data != NULL:
        reply_bulk(reply, value.data, value.length)
    else:
        reply_bulk_integer(reply, value.integer)
