"""SUBSCRIBE, PUBLISH and their kin."""
from libc.stdint cimport int64_t
from libc.stdio cimport snprintf
from libc.string cimport strlen
from redislite._core.clients.output cimport push_place
from redislite._core.commands.arguments cimport reply_out_of_memory
from redislite._core.keyspace.propagate cimport propagate
from redislite._core.protocol.reply cimport (
    reply_array, reply_bulk, reply_deferred_begin, reply_deferred_end, reply_error, reply_integer, reply_null,
    reply_push,
)
from redislite._core.state.core cimport Argument, Chunk, Client, Core, Reply
from redislite._core.state.flags cimport (
    CLIENT_DENY_BLOCKING, CLIENT_IN_EXEC, CLIENT_INTERNAL, GATE_REPLY_OFF, PROPAGATE_REPLICAS,
)
from redislite._core.structures.dict cimport DictIterator, dict_iterate_begin, dict_iterate_end, dict_iterate_next
from redislite._core.text.glob cimport glob_match
from redislite._core.commands.row import container, native
from redislite._core.clients.channels cimport (
    KIND_CHANNEL, KIND_PATTERN, KIND_SHARD, Channel, PubSub, Subscription, channel_name, find_channel,
    find_subscription, members_count, publish, remove_subscription, settle_subscriptions, subscribe, subscribed_name,
    subscription_count, subscriptions_of, channels_count,
)


cdef void tell(Core* core, Client* client, int kind, const char* word, const char* name, size_t length,
               int64_t gone) noexcept nogil:
    """Confirms one subscription, or its end. It is a message: it goes out even where replies are off. gone: how many of
    the subscriptions are about to go."""
    cdef Reply* reply = &client.reply
    cdef int64_t count
    if kind == KIND_SHARD:
        count = subscription_count(client, KIND_SHARD)
    else:
        count = subscription_count(client, KIND_CHANNEL) + subscription_count(client, KIND_PATTERN)
    if client.gate & GATE_REPLY_OFF:
        reply = push_place(core, client)
    reply_push(reply, 3)
    reply_bulk(reply, word, strlen(word))
    if name != NULL:
        reply_bulk(reply, name, length)
    else:
        reply_null(reply)
    reply_integer(reply, count - gone)


cdef void subscribe_to_names(Core* core, Client* client, int kind, const char* word,
                             const char* refusal) noexcept nogil:
    cdef int i
    if client.flags & CLIENT_INTERNAL or (client.flags & CLIENT_DENY_BLOCKING and not client.flags & CLIENT_IN_EXEC):
        reply_error(&client.reply, refusal)
        return
    for i in range(1, client.argc):
        if subscribe(core, client, kind, client.argv[i].data, client.argv[i].length) != 0:
            reply_out_of_memory(client)
            break
        tell(core, client, kind, word, client.argv[i].data, client.argv[i].length, 0)
    settle_subscriptions(core, client)


cdef void unsubscribe_from_names(Core* core, Client* client, int kind, const char* word) noexcept nogil:
    cdef PubSub* pubsub = <PubSub*> core.pubsub
    cdef Subscription* subscription
    cdef Channel* channel
    cdef size_t length
    cdef char* name
    cdef int i
    if client.argc == 1 and subscriptions_of(client, kind) == NULL:
        tell(core, client, kind, word, NULL, 0, 0)
        return
    if client.argc == 1:
        while subscriptions_of(client, kind) != NULL:
            subscription = subscriptions_of(client, kind)
            name = subscribed_name(subscription, &length)
            tell(core, client, kind, word, name, length, 1)
            remove_subscription(core, pubsub, subscription)
    for i in range(1, client.argc):
        channel = find_channel(pubsub, kind, client.argv[i].data, client.argv[i].length)
        subscription = find_subscription(pubsub, channel, client) if channel != NULL else NULL
        if subscription != NULL:
            remove_subscription(core, pubsub, subscription)
        tell(core, client, kind, word, client.argv[i].data, client.argv[i].length, 0)
    settle_subscriptions(core, client)


cdef void subscribe_command(Core* core, Client* client) noexcept nogil:
    subscribe_to_names(core, client, KIND_CHANNEL, "subscribe",
                       "ERR SUBSCRIBE isn't allowed for a DENY BLOCKING client")


cdef void psubscribe_command(Core* core, Client* client) noexcept nogil:
    subscribe_to_names(core, client, KIND_PATTERN, "psubscribe",
                       "ERR PSUBSCRIBE isn't allowed for a DENY BLOCKING client")


cdef void ssubscribe_command(Core* core, Client* client) noexcept nogil:
    subscribe_to_names(core, client, KIND_SHARD, "ssubscribe",
                       "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client")


cdef void unsubscribe_command(Core* core, Client* client) noexcept nogil:
    unsubscribe_from_names(core, client, KIND_CHANNEL, "unsubscribe")


cdef void punsubscribe_command(Core* core, Client* client) noexcept nogil:
    unsubscribe_from_names(core, client, KIND_PATTERN, "punsubscribe")


cdef void sunsubscribe_command(Core* core, Client* client) noexcept nogil:
    unsubscribe_from_names(core, client, KIND_SHARD, "sunsubscribe")


cdef void publish_to(Core* core, Client* client, int kind) noexcept nogil:
    cdef Argument* channel = &client.argv[1]
    cdef Argument* message = &client.argv[2]
    # Subscribers of replicas get the message from there.
    if core.propagation & PROPAGATE_REPLICAS:
        propagate(core, client.database, client.argv, client.argc)
    reply_integer(&client.reply, publish(core, kind, channel.data, channel.length, message.data, message.length))


cdef void publish_command(Core* core, Client* client) noexcept nogil:
    publish_to(core, client, KIND_CHANNEL)


cdef void spublish_command(Core* core, Client* client) noexcept nogil:
    publish_to(core, client, KIND_SHARD)


cdef void reply_unknown_form(Client* client) noexcept nogil:
    cdef char text[128]
    snprintf(text, sizeof(text), "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try PUBSUB HELP.",
             <int> client.argv[1].length, client.argv[1].data)
    reply_error(&client.reply, text)


cdef void list_channels(Core* core, Client* client, int kind) noexcept nogil:
    cdef Chunk* place
    cdef DictIterator position
    cdef Channel* channel
    cdef size_t length
    cdef char* name
    cdef int64_t count = 0
    if client.argc > 3:
        reply_unknown_form(client)
        return
    place = reply_deferred_begin(&client.reply)
    dict_iterate_begin(&position, &(<PubSub*> core.pubsub).channels[kind])
    channel = <Channel*> dict_iterate_next(&position)
    while channel != NULL:
        name = channel_name(channel, &length)
        if members_count(core, channel) and (
                client.argc == 2 or glob_match(client.argv[2].data, client.argv[2].length, name, length, 0)):
            reply_bulk(&client.reply, name, length)
            count += 1
        channel = <Channel*> dict_iterate_next(&position)
    dict_iterate_end(&position)
    reply_deferred_end(&client.reply, place, c"*", count)


cdef void reply_subscribers(Core* core, Client* client, int kind) noexcept nogil:
    cdef Channel* channel
    cdef int i
    reply_array(&client.reply, 2 * (client.argc - 2))
    for i in range(2, client.argc):
        channel = find_channel(<PubSub*> core.pubsub, kind, client.argv[i].data, client.argv[i].length)
        reply_bulk(&client.reply, client.argv[i].data, client.argv[i].length)
        reply_integer(&client.reply, members_count(core, channel) if channel != NULL else 0)


cdef void pubsub_channels_command(Core* core, Client* client) noexcept nogil:
    list_channels(core, client, KIND_CHANNEL)


cdef void pubsub_shardchannels_command(Core* core, Client* client) noexcept nogil:
    list_channels(core, client, KIND_SHARD)


cdef void pubsub_numsub_command(Core* core, Client* client) noexcept nogil:
    reply_subscribers(core, client, KIND_CHANNEL)


cdef void pubsub_shardnumsub_command(Core* core, Client* client) noexcept nogil:
    reply_subscribers(core, client, KIND_SHARD)


cdef void pubsub_numpat_command(Core* core, Client* client) noexcept nogil:
    reply_integer(&client.reply, channels_count(core, KIND_PATTERN))


COMMANDS = [
    native(
        "subscribe", <size_t> &subscribe_command, -2, "pubsub noscript loading stale sentinel subscriber",
        group="pubsub",
        since="2.0.0",
        syntax="channel...",
        summary="Listens to the messages of channels.",
        complexity="O(N) for N channels",
    ),
    native(
        "psubscribe", <size_t> &psubscribe_command, -2, "pubsub noscript loading stale sentinel subscriber",
        group="pubsub",
        since="2.0.0",
        syntax="pattern:pattern...",
        summary="Listens to the messages of all channels whose names match patterns.",
        complexity="O(N) for N patterns",
    ),
    native(
        "ssubscribe", <size_t> &ssubscribe_command, -2, "pubsub noscript loading stale subscriber",
        keys="NOT_KEY @ 1 last=-1", group="pubsub", since="7.0.0",
        syntax="shardchannel...",
        summary="Listens to the messages of sharded channels.",
        complexity="O(N) for N channels",
    ),
    native(
        "unsubscribe", <size_t> &unsubscribe_command, -1, "pubsub noscript loading stale sentinel subscriber",
        group="pubsub", since="2.0.0",
        syntax="[channel...]",
        summary="Stops listening to channels, to all of them where none is named.",
        complexity="O(N) for N channels",
    ),
    native(
        "punsubscribe", <size_t> &punsubscribe_command, -1, "pubsub noscript loading stale sentinel subscriber",
        group="pubsub", since="2.0.0",
        syntax="[pattern:pattern...]",
        summary="Stops listening to patterns, to all of them where none is named.",
        complexity="O(N) for N patterns",
    ),
    native(
        "sunsubscribe", <size_t> &sunsubscribe_command, -1, "pubsub noscript loading stale subscriber",
        keys="NOT_KEY @ 1 last=-1", group="pubsub", since="7.0.0",
        syntax="[shardchannel...]",
        summary="Stops listening to sharded channels, to all of them where none is named.",
        complexity="O(N) for N channels",
    ),
    native(
        "publish", <size_t> &publish_command, 3, "pubsub loading stale fast may_replicate sentinel", group="pubsub",
        since="2.0.0",
        syntax="channel message",
        summary="Sends a message to who listens to a channel.",
        complexity="O(N+M) for N listeners of the channel and M patterns of all clients",
    ),
    native(
        "spublish", <size_t> &spublish_command, 3, "pubsub loading stale fast may_replicate", keys="NOT_KEY @ 1",
        group="pubsub", since="7.0.0",
        syntax="shardchannel message",
        summary="Sends a message to who listens to a sharded channel.",
        complexity="O(N) for N listeners",
    ),
    container(
        "pubsub", group="pubsub", since="2.8.0",
        summary="A container for commands about channels and who listens to them.",
    ),
    native(
        "pubsub|channels", <size_t> &pubsub_channels_command, -2, "pubsub loading stale", group="pubsub", since="2.8.0",
        syntax="[pattern:pattern]",
        summary="Returns the names of channels that somebody listens to.",
        complexity="O(N) for N channels, where the time for matching their names is taken as constant",
    ),
    native(
        "pubsub|numsub", <size_t> &pubsub_numsub_command, -2, "pubsub loading stale", group="pubsub", since="2.8.0",
        syntax="[channel...]",
        summary="Returns how many clients listen to each of the channels.",
        complexity="O(N) for N channels",
    ),
    native(
        "pubsub|numpat", <size_t> &pubsub_numpat_command, 2, "pubsub loading stale", group="pubsub", since="2.8.0",
        summary="Returns how many patterns somebody listens to.",
        complexity="O(1)",
    ),
    native(
        "pubsub|shardchannels", <size_t> &pubsub_shardchannels_command, -2, "pubsub loading stale", group="pubsub",
        since="7.0.0",
        syntax="[pattern:pattern]",
        summary="Returns the names of sharded channels that somebody listens to.",
        complexity="O(N) for N channels",
    ),
    native(
        "pubsub|shardnumsub", <size_t> &pubsub_shardnumsub_command, -2, "pubsub loading stale", group="pubsub",
        since="7.0.0",
        syntax="[shardchannel...]",
        summary="Returns how many clients listen to each of the sharded channels.",
        complexity="O(N) for N channels",
    ),
]
