"""Reading a command's arguments; the contract is in arguments.pxd."""
from libc.math cimport ceill
from libc.stdint cimport INT64_MAX, int64_t
from libc.stdio cimport snprintf
from libc.string cimport strlen
from redislite._core.protocol.reply cimport reply_error
from redislite._core.state.core cimport Argument, Client, Core
from redislite._core.text.numbers cimport parse_bound, parse_double, parse_int64, parse_long_double
from redislite._core.values.sorted_set_value cimport TEXT_BOUND, TEXT_FIRST, TEXT_LAST, TextEnd


cdef bint argument_is(const Argument* argument, const char* word) noexcept nogil:
    cdef size_t i
    cdef char c
    for i in range(argument.length):
        c = argument.data[i]
        if c'a' <= c <= c'z':
            c = <char> (c - 32)
        if c != word[i]:            # the word's end differs from every byte but NUL
            return 0
        if word[i] == 0:
            return 0
    return word[argument.length] == 0


cdef void reply_syntax_error(Client* client) noexcept nogil:
    reply_error(&client.reply, "ERR syntax error")


cdef void reply_wrong_type(Client* client) noexcept nogil:
    reply_error(&client.reply, "WRONGTYPE Operation against a key holding the wrong kind of value")


cdef void reply_not_an_integer(Client* client) noexcept nogil:
    reply_error(&client.reply, "ERR value is not an integer or out of range")


cdef void reply_out_of_memory(Client* client) noexcept nogil:
    reply_error(&client.reply, "OOM command not allowed: out of memory")


cdef bint argument_integer_or_reply(Client* client, int index, int64_t* value) noexcept nogil:
    if not parse_int64(client.argv[index].data, client.argv[index].length, value):
        reply_not_an_integer(client)
        return 0
    return 1


cdef bint argument_range_or_reply(Client* client, int index, int64_t least, int64_t most, int64_t* value,
                                  const char* error) noexcept nogil:
    if not argument_integer_or_reply(client, index, value):
        return 0
    if not least <= value[0] <= most:
        reply_error(&client.reply, error)
        return 0
    return 1


cdef bint argument_at_least_or_reply(Client* client, int index, int64_t least, int64_t* value,
                                     const char* error) noexcept nogil:
    if not parse_int64(client.argv[index].data, client.argv[index].length, value) or value[0] < least:
        reply_error(&client.reply, error)
        return 0
    return 1


cdef bint argument_timeout_or_reply(Core* core, Client* client, int index, bint seconds,
                                    int64_t* timeout_ms) noexcept nogil:
    cdef const Argument* text = &client.argv[index]
    cdef long double given
    if seconds:
        if not parse_long_double(text.data, text.length, &given):
            reply_error(&client.reply, "ERR timeout is not a float or out of range")
            return 0
        given = ceill(given * 1000)
        if given > <long double> INT64_MAX:
            reply_error(&client.reply, "ERR timeout is out of range")
            return 0
        timeout_ms[0] = <int64_t> given if given > 0 else 0
        if given < 0:
            timeout_ms[0] = -1
    elif not parse_int64(text.data, text.length, timeout_ms):
        reply_error(&client.reply, "ERR timeout is not an integer or out of range")
        return 0
    if timeout_ms[0] < 0:
        reply_error(&client.reply, "ERR timeout is negative")
        return 0
    if timeout_ms[0] > INT64_MAX - core.now_ms:
        reply_error(&client.reply, "ERR timeout is out of range")
        return 0
    return 1


cdef bint clamp_range(int64_t length, int64_t* start, int64_t* end) noexcept nogil:
    if start[0] < 0:
        start[0] += length
        if start[0] < 0:
            start[0] = 0
    if end[0] < 0:
        end[0] += length
    if start[0] > end[0] or start[0] >= length:
        return 0
    end[0] = end[0] + 1 if end[0] < length else length
    return 1


cdef int take_expire_option(Client* client, int* index, bint keep, bint persist, ExpireOption* option) noexcept nogil:
    cdef Argument* word = &client.argv[index[0]]
    cdef int kind = EXPIRE_AT
    cdef bint seconds = 0
    cdef bint absolute = 0
    if keep and argument_is(word, "KEEPTTL"):
        kind = EXPIRE_KEEP
    elif persist and argument_is(word, "PERSIST"):
        kind = EXPIRE_PERSIST
    elif argument_is(word, "EX"):
        seconds = 1
    elif argument_is(word, "PX"):
        pass
    elif argument_is(word, "EXAT"):
        seconds = 1
        absolute = 1
    elif argument_is(word, "PXAT"):
        absolute = 1
    else:
        return 0
    # The same word may stand twice, the last one counts; another one may not.
    if option.kind != EXPIRE_NONE and (kind != option.kind or (
            kind == EXPIRE_AT and (seconds != option.seconds or absolute != option.absolute))):
        return -1
    option.kind = kind
    if kind == EXPIRE_AT:
        if index[0] + 1 >= client.argc:
            return -1
        index[0] += 1
        option.argument = index[0]
        option.seconds = seconds
        option.absolute = absolute
    return 1


cdef bint deadline_or_reply(Core* core, Client* client, int index, bint seconds, bint absolute, int64_t least,
                            int64_t* deadline_ms) noexcept nogil:
    cdef int64_t value
    cdef char text[128]
    cdef bint valid
    if not argument_integer_or_reply(client, index, &value):
        return 0
    valid = value >= least and not (seconds and value > INT64_MAX // 1000)
    if valid:
        if seconds:
            value *= 1000
        if not absolute:
            valid = value <= INT64_MAX - core.now_ms
            if valid:
                value += core.now_ms
    if not valid:
        snprintf(text, sizeof(text), "ERR invalid expire time in '%s' command", client.command.own_name)
        reply_error(&client.reply, text)
        return 0
    deadline_ms[0] = value
    return 1


cdef bint expire_deadline_or_reply(Core* core, Client* client, ExpireOption* option) noexcept nogil:
    return deadline_or_reply(core, client, option.argument, option.seconds, option.absolute, 1, &option.deadline_ms)


cdef bint argument_double_or_reply(Client* client, int index, double* value, const char* error) noexcept nogil:
    if not parse_double(client.argv[index].data, client.argv[index].length, value):
        reply_error(&client.reply, error)
        return 0
    return 1


cdef inline bint parse_score_end(const Argument* argument, double* score, bint* excluded) noexcept nogil:
    excluded[0] = argument.length > 0 and argument.data[0] == c'('
    return parse_bound(argument.data + excluded[0], argument.length - excluded[0], score)


cdef bint score_range_or_reply(Client* client, int least, int most, ScoreRange* range) noexcept nogil:
    if not parse_score_end(&client.argv[least], &range.least, &range.least_excluded) or \
            not parse_score_end(&client.argv[most], &range.most, &range.most_excluded):
        reply_error(&client.reply, "ERR min or max is not a float")
        return 0
    return 1


cdef inline bint parse_text_end(const Argument* argument, TextEnd* end) noexcept nogil:
    cdef char first = argument.data[0] if argument.length else 0
    end.excluded = first == c'('
    end.kind = TEXT_BOUND
    end.data = argument.data + 1
    end.length = argument.length - 1
    if first == c'(' or first == c'[':
        return 1
    end.kind = TEXT_FIRST if first == c'-' else TEXT_LAST
    return argument.length == 1 and (first == c'-' or first == c'+')


cdef bint text_range_or_reply(Client* client, int least, int most, TextRange* range) noexcept nogil:
    if not parse_text_end(&client.argv[least], &range.least) or not parse_text_end(&client.argv[most], &range.most):
        reply_error(&client.reply, "ERR min or max not valid string range item")
        return 0
    return 1
