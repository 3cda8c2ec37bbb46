"""The words of the RDB format: types of values, opcodes, encodings. Constants only.

    file:   "REDIS", version: 4 digits, or "VALKEY", 3 digits | opcode or key ... | EOF | checksum: 8 LE, 0: none
    key:    [EXPIRETIME_MS, time: 8 LE | EXPIRETIME, time: 4 LE] [IDLE, length | FREQ, 1 byte] type | name | value
    length: 00nnnnnn | 01nnnnnn nnnnnnnn | 0x80, 4 BE | 0x81, 8 BE
    string: length, bytes | 0xc0, 1 | 0xc1, 2 LE | 0xc2, 4 LE (integers) | 0xc3, packed: length, length, LZF
"""

cdef enum:
    RDB_VERSION = 11                # what files say that hold nothing that it cannot say
    RDB_VERSION_REDIS = 12          # of Redis 7.4 and 8: hash fields with a time to live
    RDB_VERSION_VALKEY = 80         # of Valkey 9: the same, told another way
    RDB_VERSION_FUNCTIONS = 10      # of Redis 7.0, the first that had them: what payloads of functions say
    RDB_HEADER = 9                  # bytes
    RDB_DUMP_TAIL = 10              # bytes behind the value of a DUMP: version, checksum

cdef enum:
    RDB_STRING = 0
    RDB_LIST = 1
    RDB_SET = 2
    RDB_SORTED_SET = 3              # scores as text
    RDB_HASH = 4
    RDB_SORTED_SET_2 = 5            # scores as doubles
    RDB_MODULE = 6
    RDB_MODULE_2 = 7
    RDB_TYPE_UNUSED = 8
    RDB_HASH_ZIPMAP = 9
    RDB_LIST_ZIPLIST = 10
    RDB_SET_INTSET = 11
    RDB_SORTED_SET_ZIPLIST = 12
    RDB_HASH_ZIPLIST = 13
    RDB_LIST_QUICKLIST = 14         # of ziplists
    RDB_STREAM = 15
    RDB_HASH_LISTPACK = 16
    RDB_SORTED_SET_LISTPACK = 17
    RDB_LIST_QUICKLIST_2 = 18       # of listpacks
    RDB_STREAM_2 = 19               # with first entry, deletions, entries read
    RDB_SET_LISTPACK = 20
    RDB_STREAM_3 = 21               # with consumers' last activity
    RDB_HASH_TIMED_VALKEY = 22      # field, value, deadline; up to version 11 and from 80 on
    RDB_HASH_TIMED_EARLY = 22       # deadline, field, value: of Redis 7.4's candidates
    RDB_HASH_LISTPACK_TIMED_EARLY = 23
    RDB_HASH_TIMED = 24             # deadlines counted from the earliest
    RDB_HASH_LISTPACK_TIMED = 25

cdef enum:
    RDB_SLOT_IMPORT = 243           # Valkey's: in files of its own versions only
    RDB_SLOT_INFO = 244
    RDB_FUNCTION = 245
    RDB_FUNCTION_EARLY = 246
    RDB_MODULE_AUX = 247
    RDB_IDLE = 248
    RDB_FREQ = 249
    RDB_AUX = 250
    RDB_RESIZE = 251
    RDB_EXPIRE_MS = 252
    RDB_EXPIRE = 253
    RDB_SELECT = 254
    RDB_END = 255

cdef enum:
    RDB_FIELD_END = 0               # what a module has written: kinds of fields, and what ends them
    RDB_FIELD_SIGNED = 1
    RDB_FIELD_UNSIGNED = 2
    RDB_FIELD_FLOAT = 3
    RDB_FIELD_DOUBLE = 4
    RDB_FIELD_STRING = 5

cdef enum:
    RDB_NODE_PLAIN = 1              # how a node of a list stands
    RDB_NODE_PACKED = 2

cdef enum:
    RDB_LENGTH_14 = 0x40
    RDB_LENGTH_32 = 0x80
    RDB_LENGTH_64 = 0x81
    RDB_ENCODED = 0xc0              # with one of:
    RDB_INT8 = 0
    RDB_INT16 = 1
    RDB_INT32 = 2
    RDB_LZF = 3
