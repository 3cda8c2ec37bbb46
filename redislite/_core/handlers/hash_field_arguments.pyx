"""FIELDS and what stands before it, as Redis judges it; the contract is in hash_field_arguments.pxd."""
from libc.stdint cimport INT32_MAX, INT64_MAX, int64_t
from libc.stdio cimport snprintf
from redislite._core.commands.arguments cimport argument_integer_or_reply, argument_is, reply_wrong_type
from redislite._core.keyspace.entry cimport Entry, entry_deadline, entry_type
from redislite._core.keyspace.keyspace cimport argument_hash, keyspace_find
from redislite._core.protocol.reply cimport reply_error
from redislite._core.state.core cimport Argument, Client, Core
from redislite._core.state.expiry_state cimport is_expired
from redislite._core.state.flags cimport CLIENT_INTERNAL
from redislite._core.text.encodings cimport TYPE_HASH
from redislite._core.text.numbers cimport parse_int64

cdef enum:
    DEADLINE_BITS = 46              # milliseconds since 1970 that Redis keeps of a field's deadline


cdef void reply_wrong_arity(Client* client) noexcept nogil:
    cdef char text[128]
    snprintf(text, sizeof(text), "ERR wrong number of arguments for '%s' command", client.command.own_name)
    reply_error(&client.reply, text)


cdef bint time_or_reply(Core* core, Client* client, int index, bint seconds, bint absolute) noexcept nogil:
    cdef char text[128]
    # What was written by others may have later ones, and is to be loaded.
    cdef int64_t most_ms = INT64_MAX if client.flags & CLIENT_INTERNAL else (<int64_t> 1 << DEADLINE_BITS) - 1
    cdef int64_t value
    if not argument_integer_or_reply(client, index, &value):
        return 0
    if value < 0:
        reply_error(&client.reply, "ERR invalid expire time, must be >= 0")
        return 0
    if not absolute:
        most_ms -= core.now_ms
    if value > (most_ms // 1000 if seconds else most_ms):
        snprintf(text, sizeof(text), "ERR invalid expire time in '%s' command", client.command.own_name)
        reply_error(&client.reply, text)
        return 0
    return 1


cdef bint take_time(const Argument* word, bint* seconds, bint* absolute) noexcept nogil:
    """Whether the word announces a time, and how that is given."""
    seconds[0] = argument_is(word, "EX") or argument_is(word, "EXAT")
    absolute[0] = argument_is(word, "EXAT") or argument_is(word, "PXAT")
    return seconds[0] or absolute[0] or argument_is(word, "PX")


cdef bint count_or_reply(Client* client, int word, const char* refusal) noexcept nogil:
    """Argument word is FIELDS: the number behind it is that of the rest."""
    cdef int64_t count
    if not argument_is(&client.argv[word], "FIELDS"):
        reply_error(&client.reply, "ERR Mandatory argument FIELDS is missing or not at the right position")
        return 0
    if not parse_int64(client.argv[word + 1].data, client.argv[word + 1].length, &count) or count < 1:
        reply_error(&client.reply, refusal)
        return 0
    if count != client.argc - word - 2:
        reply_error(&client.reply, "ERR The `numfields` parameter must match the number of arguments")
        return 0
    return 1


cdef bint options_judged_or_reply(Core* core, Client* client) noexcept nogil:
    cdef char text[192]
    cdef bint seconds, absolute
    cdef bint timed = 0
    cdef bint conditional = 0
    cdef int64_t count
    cdef int i = 2
    cdef Argument* word
    while i < client.argc:
        word = &client.argv[i]
        if argument_is(word, "FIELDS"):
            if i + 1 == client.argc:
                break
            if not parse_int64(word[1].data, word[1].length, &count) or not 0 < count <= INT32_MAX:
                reply_error(&client.reply, "ERR invalid number of fields")
                return 0
            if client.argc - i - 2 != 2 * count:
                break
            return 1
        if argument_is(word, "FNX") or argument_is(word, "FXX"):
            if conditional:
                reply_error(&client.reply, "ERR Only one of FXX or FNX arguments can be specified")
                return 0
            conditional = 1
        elif take_time(word, &seconds, &absolute) or argument_is(word, "KEEPTTL"):
            if timed:
                reply_error(&client.reply,
                            "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified")
                return 0
            timed = 1
            if not argument_is(word, "KEEPTTL"):
                i += 1
                if i == client.argc:
                    break
                if not time_or_reply(core, client, i, seconds, absolute):
                    return 0
        else:
            snprintf(text, sizeof(text), "ERR unknown argument: %.*s",
                     <int> (word.length if word.length < 128 else 128),
                     word.data)
            reply_error(&client.reply, text)
            return 0
        i += 1
    reply_wrong_arity(client)
    return 0


cdef bint fields_judged_or_reply(Core* core, Client* client, int form, bint seconds, bint absolute) noexcept nogil:
    cdef Entry** slot
    cdef Argument* word
    cdef int at = 2
    if not core.settings.hash_fields_redis_texts:
        return 1
    if form == FIELDS_BEHIND_OPTIONS:
        return options_judged_or_reply(core, client)
    slot = keyspace_find(core, client.database, client.argv[1].data, client.argv[1].length, argument_hash(client, 1))
    if slot != NULL and entry_type(slot[0]) != TYPE_HASH and not is_expired(core, entry_deadline(slot[0])):
        reply_wrong_type(client)
        return 0
    word = &client.argv[2]
    if form == FIELDS_BEHIND_TIME:
        if not time_or_reply(core, client, 2, seconds, absolute):
            return 0
        word += 1
        at = 3
        if argument_is(word, "NX") or argument_is(word, "XX") or argument_is(word, "GT") or argument_is(word, "LT"):
            at = 4
    elif form == FIELDS_BEHIND_OPTION:
        if take_time(word, &seconds, &absolute):
            if not time_or_reply(core, client, 3, seconds, absolute):
                return 0
            at = 4
        elif argument_is(word, "PERSIST"):
            at = 3
    if at + 1 >= client.argc:
        reply_wrong_arity(client)
        return 0
    return count_or_reply(client, at, "ERR Parameter `numFields` should be greater than 0"
                          if form == FIELDS_BEHIND_TIME else "ERR Number of fields must be a positive integer")
