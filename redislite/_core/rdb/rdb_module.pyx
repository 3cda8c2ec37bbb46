"""Reading what modules have written into RDB data; the contract is in rdb_module.pxd."""
from libc.stdint cimport uint8_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy
from redislite._core.base.alloc cimport heap_alloc, heap_free
from redislite._core.base.sds cimport sds_append, sds_free, sds_length, sds_new, sds_reserve, sds_resize, sds_set_length
from redislite._core.text.rdb_format cimport (
    RDB_FIELD_DOUBLE, RDB_FIELD_END, RDB_FIELD_FLOAT, RDB_FIELD_SIGNED, RDB_FIELD_STRING, RDB_FIELD_UNSIGNED, RDB_INT32,
    RDB_LZF,
)
from redislite._core.text.rdb_input cimport (
    RDB_LZF_RATIO, RDB_REASON, input_bytes, input_fail, input_fail_number, input_left, input_length, input_offset,
    input_out_of_memory,
)
from redislite._core.text.rdb_output cimport output_bytes, output_length
from redislite._core.text.lzf cimport lzf_decompress
from redislite._core.values.module_value cimport MODULE_ID, MODULE_NAME_ROOM, module_id, module_name

cdef enum:
    ROOM = 64                       # bytes of a value to begin with
    REASON_HEAD = 48                # bytes that an error's reason may need before what is wrong
    PIECE = 1 << 20                 # bytes that room is made for where the size of the input is not known


# What is read and what of it is kept. text: NULL after memory ran out.
cdef struct Keeper:
    RdbInput* input
    sds text


cdef bint keep(Keeper* keeper, const void* data, size_t length) noexcept nogil:
    cdef sds grown = sds_append(keeper.input.heap, keeper.text, <const char*> data, length)
    if grown == NULL:
        return input_out_of_memory(keeper.input)
    keeper.text = grown
    return 1


cdef bint keep_length(Keeper* keeper, uint64_t* length, bint* encoded) noexcept nogil:
    """Reads a length and keeps it as it stands."""
    cdef RdbInput* input = keeper.input
    cdef uint64_t before = input_offset(input)
    cdef size_t bytes
    if not input_length(input, length, encoded):
        return 0
    # What made the length is in the buffer yet: nothing is read before the next byte is wanted.
    bytes = <size_t> (input_offset(input) - before)
    return keep(keeper, input.buffer + input.position - bytes, bytes)


cdef bint keep_bytes(Keeper* keeper, uint64_t length) noexcept nogil:
    cdef RdbInput* input = keeper.input
    cdef size_t had, step
    cdef sds grown
    if length > input_left(input):
        return input_fail_number(input, b"a field of %llu bytes, more than the rest of the data", length)
    while length:
        step = <size_t> (length if input.sized or length < PIECE else PIECE)
        grown = sds_reserve(input.heap, keeper.text, step)
        if grown == NULL:
            return input_out_of_memory(input)
        keeper.text = grown
        had = sds_length(grown)
        if not input_bytes(input, grown + had, step):
            return 0
        sds_set_length(grown, had + step)
        length -= step
    return 1


cdef bint check_packed(Keeper* keeper, size_t packed, uint64_t length) noexcept nogil:
    """Whether the bytes kept last decompress to this length."""
    cdef RdbInput* input = keeper.input
    cdef uint8_t* block
    cdef size_t made
    if length == 0 or length // RDB_LZF_RATIO >= packed:
        return input_fail_number(input, b"a compressed string that claims to make %llu bytes", length)
    block = <uint8_t*> heap_alloc(input.heap, <size_t> length)
    if block == NULL:
        return input_out_of_memory(input)
    made = lzf_decompress(<uint8_t*> keeper.text + sds_length(keeper.text) - packed, packed, block, <size_t> length)
    heap_free(input.heap, block, <size_t> length)
    return made == length or input_fail(input, b"a compressed string that does not decompress to the length it claims")


cdef bint keep_string(Keeper* keeper) noexcept nogil:
    cdef uint64_t length, packed
    cdef bint encoded
    if not keep_length(keeper, &length, &encoded):
        return 0
    if not encoded:
        return keep_bytes(keeper, length)
    if length <= RDB_INT32:
        return keep_bytes(keeper, <uint64_t> 1 << length)
    if length != RDB_LZF:
        return input_fail_number(keeper.input, b"unknown encoding of a string (%llu)", length)
    return keep_length(keeper, &packed, NULL) and keep_length(keeper, &length, NULL) and \
        keep_bytes(keeper, packed) and check_packed(keeper, <size_t> packed, length)


cdef void name_type(RdbInput* input, uint64_t id) noexcept nogil:
    """Has the reason of an error tell whose data it is about."""
    cdef char reason[RDB_REASON]
    cdef char name[MODULE_NAME_ROOM]
    module_name(id, name)
    memcpy(reason, input.reason, RDB_REASON)
    snprintf(input.reason, RDB_REASON, b"data of the module type %s: %.*s", name, RDB_REASON - REASON_HEAD, reason)


cdef bint keep_fields(Keeper* keeper) noexcept nogil:
    cdef uint64_t kind, number
    while keep_length(keeper, &kind, NULL):
        if kind == RDB_FIELD_END:
            return 1
        if kind == RDB_FIELD_STRING:
            if not keep_string(keeper):
                return 0
        elif kind == RDB_FIELD_SIGNED or kind == RDB_FIELD_UNSIGNED:
            if not keep_length(keeper, &number, NULL):
                return 0
        elif kind == RDB_FIELD_DOUBLE or kind == RDB_FIELD_FLOAT:
            if not keep_bytes(keeper, 8 if kind == RDB_FIELD_DOUBLE else 4):
                return 0
        else:
            return input_fail_number(keeper.input, b"unknown kind of a field of a module (%llu)", kind)
    return 0


cdef bint rdb_module_begin(RdbInput* input, uint64_t* id) noexcept nogil:
    if not input_length(input, id, NULL):
        return 0
    return id[0] != 0 or input_fail(input, b"data of a module without an identifier")


cdef sds rdb_read_module(RdbInput* input, uint64_t id) noexcept nogil:
    cdef Keeper keeper
    cdef sds whole = NULL
    keeper.input = input
    keeper.text = sds_new(input.heap, <const char*> &id, MODULE_ID, ROOM)
    if keeper.text == NULL:
        input_out_of_memory(input)
        return NULL
    if keep_fields(&keeper):
        whole = sds_resize(input.heap, keeper.text, sds_length(keeper.text))
        if whole != NULL:
            return whole
        input_out_of_memory(input)
    name_type(input, id)
    sds_free(input.heap, keeper.text)
    return NULL


cdef sds rdb_read_module_aux(RdbInput* input) noexcept nogil:
    cdef sds value
    cdef const char* fields
    cdef uint64_t id
    if not rdb_module_begin(input, &id):
        return NULL
    value = rdb_read_module(input, id)
    if value == NULL:
        return NULL
    fields = value + MODULE_ID
    # Numbers as small as these two are a byte each, and what is no end has more behind it.
    if fields[0] == RDB_FIELD_UNSIGNED and RDB_AUX_BEFORE <= module_aux_when(fields) <= RDB_AUX_AFTER:
        return value
    input_fail(input, b"beside the keys, without saying whether before or behind them")
    name_type(input, module_id(value))
    sds_free(input.heap, value)
    return NULL


cdef void rdb_write_module(RdbOutput* output, const char* value, size_t length) noexcept nogil:
    output_length(output, module_id(value))
    output_bytes(output, value + MODULE_ID, length - MODULE_ID)
