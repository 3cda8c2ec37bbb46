"""FIELDS and what stands before it in commands on the fields of a hash, judged in Redis's order and words.

The handlers read their arguments as Valkey does; what both accept means the same. Under `hash_fields_redis_texts` a
handler first has them judged here, and reads on only where there is nothing to object to.

    key FIELDS n field ...                              ALONE
    key time [NX | XX | GT | LT] FIELDS n field ...     BEHIND_TIME
    key [EX t | PX t | EXAT t | PXAT t | PERSIST] FIELDS n field ...                        BEHIND_OPTION
    key [FNX | FXX] [EX t | PX t | EXAT t | PXAT t | KEEPTTL] FIELDS n field value ...      BEHIND_OPTIONS
"""
from redislite._core.state.core cimport Client, Core

cdef enum:
    FIELDS_ALONE = 0
    FIELDS_BEHIND_TIME = 1
    FIELDS_BEHIND_OPTION = 2
    FIELDS_BEHIND_OPTIONS = 3


# Whether the command's arguments are as this form wants them. seconds, absolute: how the time of FIELDS_BEHIND_TIME is
# given. False where the error has been answered.
cdef bint fields_judged_or_reply(Core* core, Client* client, int form, bint seconds, bint absolute) noexcept nogil
