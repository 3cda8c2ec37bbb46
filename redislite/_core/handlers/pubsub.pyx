"""Publish and subscribe; the contract is in pubsub.pxd."""
from libc.stdint cimport int64_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy, strlen
from redislite._core.base.alloc cimport heap_alloc, heap_footprint, heap_free, heap_realloc, heap_zalloc
from redislite._core.clients.ending cimport client_is_doomed, client_takes_output
from redislite._core.clients.output cimport client_queue_write, push_place
from redislite._core.commands.arguments cimport reply_out_of_memory
from redislite._core.keyspace.propagate cimport argument_of, propagate
from redislite._core.protocol.reply cimport (
    Shared, reply_advance, reply_array, reply_bulk, reply_deferred_begin, reply_deferred_end, reply_error,
    reply_integer, reply_null, reply_push, reply_room_lean, reply_shared, shared_data, shared_new, shared_release,
)
from redislite._core.state.core cimport Argument, Chunk, Client, Core, Database, Reply
from redislite._core.state.flags cimport (
    CLIENT_DENY_BLOCKING, CLIENT_IN_EXEC, CLIENT_INTERNAL, CLIENT_PUBSUB, GATE_REPLY_OFF, GATE_SUBSCRIBER,
    NOTIFY_KEYEVENT, NOTIFY_KEYSPACE, PROPAGATE_REPLICAS,
)
from redislite._core.structures.dict cimport (
    Dict, DictIterator, dict_find, dict_hash, dict_init, dict_insert, dict_iterate_begin, dict_iterate_end,
    dict_iterate_next, dict_release, dict_remove, dict_size,
)
from redislite._core.structures.records cimport record_add, record_find, record_remove
from redislite._core.text.glob cimport glob_match
from redislite._core.text.numbers cimport INTEGER_TEXT_MAX, format_int64
from redislite._core.text.wire cimport bulk_header_size, put_bulk, put_header

from redislite._core.commands.row import container, native

cdef extern from *:
    """
    #define pubsub_prefetch(address) __builtin_prefetch(address, 1)
    """
    void pubsub_prefetch(const void* address) noexcept nogil

cdef enum:
    BRIEF_MAX = 1024            # bytes of an encoded message that is copied to each subscriber; a longer one is shared
    PARTS_MAX = 4               # strings in a message
    MEMBERS_LEAST = 2           # of a channel's array
    MEMBERS_AHEAD = 4           # subscribers that the processor is asked for ahead
    IDENTITY = sizeof(void*) * 2    # bytes by which a subscription is found: addresses of channel and client
    EVENT_CHANNEL_MAX = 256     # bytes of the channel of a keyspace event that needs no memory


cdef struct PubSub:
    Dict channels[KINDS]
    Dict subscriptions
    Channel* first_pattern
    Channel* last_pattern
    int64_t clients             # that have subscriptions


# A message on its way to subscribers, in the form that those of a channel, or of a pattern, get.
cdef struct Message:
    Argument parts[PARTS_MAX]
    int count
    size_t length               # encoded
    Shared* shared[2]           # encoded for RESP2 and RESP3, where it is long and was wanted; references of our own
    char brief[BRIEF_MAX]       # encoded, where it is short


# --- subscriptions

cdef int pubsub_init(Core* core) noexcept nogil:
    cdef PubSub* pubsub = <PubSub*> heap_zalloc(core.heap, sizeof(PubSub))
    cdef int kind
    if pubsub == NULL:
        return -1
    for kind in range(KINDS):
        dict_init(&pubsub.channels[kind], core.heap, core.seed, sizeof(Channel))
    dict_init(&pubsub.subscriptions, core.heap, core.seed, <char> (<size_t> &(<Subscription*> NULL).channel - 1))
    core.pubsub = pubsub
    return 0


cdef void pubsub_release(Core* core) noexcept nogil:
    cdef PubSub* pubsub = <PubSub*> core.pubsub
    cdef int kind
    if pubsub == NULL:
        return
    for kind in range(KINDS):
        dict_release(&pubsub.channels[kind])
    dict_release(&pubsub.subscriptions)
    heap_free(core.heap, pubsub, sizeof(PubSub))
    core.pubsub = NULL


cdef Channel* find_channel(PubSub* pubsub, int kind, const char* name, size_t length) noexcept nogil:
    cdef Dict* channels = &pubsub.channels[kind]
    if dict_size(channels) == 0:
        return NULL
    return <Channel*> record_find(channels, name, length, dict_hash(channels, name, length))


cdef Channel* add_channel(PubSub* pubsub, int kind, const char* name, size_t length) noexcept nogil:
    """A channel without members; NULL where memory is out."""
    cdef Dict* channels = &pubsub.channels[kind]
    cdef Channel* channel = <Channel*> record_add(channels, name, length, dict_hash(channels, name, length))
    if channel == NULL:
        return NULL
    channel.kind = kind
    if kind == KIND_PATTERN:
        channel.previous = pubsub.last_pattern
        if pubsub.last_pattern != NULL:
            pubsub.last_pattern.next = channel
        else:
            pubsub.first_pattern = channel
        pubsub.last_pattern = channel
    return channel


cdef void discard_channel(Core* core, PubSub* pubsub, Channel* channel) noexcept nogil:
    """Releases a channel that has no members."""
    if channel.kind == KIND_PATTERN:
        if channel.previous != NULL:
            channel.previous.next = channel.next
        else:
            pubsub.first_pattern = channel.next
        if channel.next != NULL:
            channel.next.previous = channel.previous
        else:
            pubsub.last_pattern = channel.previous
    heap_free(core.heap, channel.members, channel.capacity * sizeof(Member))
    record_remove(&pubsub.channels[channel.kind], channel)


cdef bint resize_members(Core* core, Channel* channel, size_t capacity) noexcept nogil:
    cdef Member* members = <Member*> heap_realloc(core.heap, channel.members, channel.capacity * sizeof(Member),
                                                  capacity * sizeof(Member))
    if members == NULL:
        return 0
    channel.members = members
    channel.capacity = capacity
    return 1


cdef Subscription* find_subscription(PubSub* pubsub, Channel* channel, Client* client) noexcept nogil:
    cdef void* identity[2]
    cdef void** slot
    identity[0] = channel
    identity[1] = client
    slot = dict_find(&pubsub.subscriptions, <const char*> identity, IDENTITY,
                     dict_hash(&pubsub.subscriptions, <const char*> identity, IDENTITY))
    return <Subscription*> slot[0] if slot != NULL else NULL


cdef inline size_t subscription_bytes(const Channel* channel) noexcept nogil:
    """What one subscription takes: the name counts in full for each client that has subscribed to it."""
    cdef size_t length
    channel_name(channel, &length)
    return heap_footprint(sizeof(Subscription)) + sizeof(Member) + heap_footprint(sizeof(Channel) + length)


cdef Subscription* add_subscription(Core* core, PubSub* pubsub, Channel* channel, Client* client) noexcept nogil:
    """Makes the client a member of the channel, which it is not yet; NULL where memory is out."""
    cdef Subscriptions* own = <Subscriptions*> client.subscriptions
    cdef Subscription* subscription
    if channel.count == channel.capacity and \
            not resize_members(core, channel, channel.capacity * 2 if channel.capacity else <size_t> MEMBERS_LEAST):
        return NULL
    subscription = <Subscription*> heap_zalloc(core.heap, sizeof(Subscription))
    if subscription == NULL:
        return NULL
    subscription.prefix[7] = IDENTITY
    subscription.channel = channel
    subscription.client = client
    if dict_insert(&pubsub.subscriptions, subscription,
                   dict_hash(&pubsub.subscriptions, <const char*> &subscription.channel, IDENTITY)) != 0:
        heap_free(core.heap, subscription, sizeof(Subscription))
        return NULL
    subscription.place = channel.count
    channel.members[channel.count].client = client
    channel.members[channel.count].subscription = subscription
    channel.count += 1
    subscription.previous = own.last[channel.kind]
    if own.last[channel.kind] != NULL:
        own.last[channel.kind].next = subscription
    else:
        own.first[channel.kind] = subscription
    own.last[channel.kind] = subscription
    own.count[channel.kind] += 1
    own.bytes += subscription_bytes(channel)
    return subscription


cdef void remove_subscription(Core* core, PubSub* pubsub, Subscription* subscription) noexcept nogil:
    cdef Channel* channel = subscription.channel
    cdef Subscriptions* own = <Subscriptions*> subscription.client.subscriptions
    cdef Member* last = &channel.members[channel.count - 1]
    dict_remove(&pubsub.subscriptions, <const char*> &subscription.channel, IDENTITY,
                dict_hash(&pubsub.subscriptions, <const char*> &subscription.channel, IDENTITY))
    last.subscription.place = subscription.place
    channel.members[subscription.place] = last[0]
    channel.count -= 1
    if subscription.previous != NULL:
        subscription.previous.next = subscription.next
    else:
        own.first[channel.kind] = subscription.next
    if subscription.next != NULL:
        subscription.next.previous = subscription.previous
    else:
        own.last[channel.kind] = subscription.previous
    own.count[channel.kind] -= 1
    own.bytes -= subscription_bytes(channel)
    heap_free(core.heap, subscription, sizeof(Subscription))
    if channel.count == 0:
        discard_channel(core, pubsub, channel)
    elif channel.capacity > MEMBERS_LEAST and channel.count <= channel.capacity // 4:
        resize_members(core, channel, channel.capacity // 2)


cdef int subscribe(Core* core, Client* client, int kind, const char* name, size_t length) noexcept nogil:
    """0, or -1 where memory is out. Subscribing again changes nothing."""
    cdef PubSub* pubsub = <PubSub*> core.pubsub
    cdef Channel* channel
    if client.subscriptions == NULL:
        client.subscriptions = heap_zalloc(core.heap, sizeof(Subscriptions))
        if client.subscriptions == NULL:
            return -1
    channel = find_channel(pubsub, kind, name, length)
    if channel == NULL:
        channel = add_channel(pubsub, kind, name, length)
        if channel == NULL:
            return -1
    elif find_subscription(pubsub, channel, client) != NULL:
        return 0
    if add_subscription(core, pubsub, channel, client) == NULL:
        if channel.count == 0:
            discard_channel(core, pubsub, channel)
        return -1
    return 0


cdef void settle(Core* core, Client* client) noexcept nogil:
    """Brings the client's state in line with what subscriptions it now has."""
    cdef PubSub* pubsub = <PubSub*> core.pubsub
    cdef Subscriptions* own = <Subscriptions*> client.subscriptions
    cdef bint is_subscriber = 0
    cdef int kind
    if own != NULL:
        for kind in range(KINDS):
            is_subscriber |= own.count[kind] != 0
        if not is_subscriber:
            heap_free(core.heap, own, sizeof(Subscriptions))
            client.subscriptions = NULL
    if is_subscriber and not client.flags & CLIENT_PUBSUB:
        client.flags |= CLIENT_PUBSUB
        pubsub.clients += 1
    elif not is_subscriber and client.flags & CLIENT_PUBSUB:
        client.flags &= ~<uint64_t> CLIENT_PUBSUB
        pubsub.clients -= 1
    pubsub_gate(client)


cdef void pubsub_gate(Client* client) noexcept nogil:
    if client.flags & CLIENT_PUBSUB and client.reply.protocol < 3:
        client.gate |= GATE_SUBSCRIBER
    else:
        client.gate &= ~<uint64_t> GATE_SUBSCRIBER


cdef bint unsubscribe_some(Core* core, Client* client, int64_t most) noexcept nogil:
    cdef Subscriptions* own = <Subscriptions*> client.subscriptions
    cdef int kind
    if own == NULL:
        return 1
    if client.flags & CLIENT_PUBSUB:
        client.flags &= ~<uint64_t> CLIENT_PUBSUB
        (<PubSub*> core.pubsub).clients -= 1
    for kind in range(KINDS):
        while most > 0 and own.first[kind] != NULL:
            remove_subscription(core, <PubSub*> core.pubsub, own.first[kind])
            most -= 1
        if own.first[kind] != NULL:
            return 0
    heap_free(core.heap, own, sizeof(Subscriptions))
    client.subscriptions = NULL
    return 1


cdef void unsubscribe_all(Core* core, Client* client) noexcept nogil:
    cdef Subscriptions* own = <Subscriptions*> client.subscriptions
    cdef int kind
    if own == NULL:
        return
    for kind in range(KINDS):
        while own.first[kind] != NULL:
            remove_subscription(core, <PubSub*> core.pubsub, own.first[kind])
    settle(core, client)


cdef size_t subscriptions_memory(const Client* client) noexcept nogil:
    cdef const Subscriptions* own = <const Subscriptions*> client.subscriptions
    return heap_footprint(sizeof(Subscriptions)) + own.bytes if own != NULL else 0


cdef int64_t members_count(const Core* core, const Channel* channel) noexcept nogil:
    """How many clients have subscribed, without those that are leaving."""
    cdef int64_t count = 0
    cdef size_t i
    if core.leaving == NULL:
        return <int64_t> channel.count
    for i in range(channel.count):
        count += not client_is_doomed(channel.members[i].client)
    return count


cdef int64_t channels_count(const Core* core, int kind) noexcept nogil:
    return <int64_t> dict_size(&(<const PubSub*> core.pubsub).channels[kind])


cdef int64_t subscribers_count(const Core* core) noexcept nogil:
    return (<const PubSub*> core.pubsub).clients


# --- messages

cdef inline void add_part(Message* message, const char* data, size_t length) noexcept nogil:
    message.parts[message.count] = argument_of(data, length)
    message.count += 1


cdef void encode(const Message* message, char* place, char kind) noexcept nogil:
    """Writes the message, of message.length bytes, as an aggregate of this kind."""
    cdef int i
    place = put_header(place, kind, message.count)
    for i in range(message.count):
        place = put_bulk(place, message.parts[i].data, message.parts[i].length)


cdef void prepare(Message* message) noexcept nogil:
    """Counts the bytes of the parts as encoded, and encodes them where they are few."""
    cdef int i
    message.shared[0] = NULL
    message.shared[1] = NULL
    message.length = 4                  # the head: one digit
    for i in range(message.count):
        message.length += bulk_header_size(message.parts[i].length) + message.parts[i].length + 2
    if message.length <= BRIEF_MAX:
        encode(message, message.brief, c"*")


cdef void discard(Core* core, Message* message) noexcept nogil:
    shared_release(core, message.shared[0])
    shared_release(core, message.shared[1])


cdef void deliver_long(Core* core, Reply* reply, Message* message) noexcept nogil:
    cdef bint resp3 = reply.protocol >= 3
    if message.shared[resp3] == NULL:
        message.shared[resp3] = shared_new(core, message.length)
        if message.shared[resp3] == NULL:
            reply.starved = 1
            return
        encode(message, shared_data(message.shared[resp3]), c">" if resp3 else c"*")
    reply_shared(reply, message.shared[resp3])


cdef inline bint deliver(Core* core, Client* client, Message* message) noexcept nogil:
    """False for a client that takes no messages any more."""
    cdef Reply* reply
    cdef char* room
    if not client_takes_output(client):
        return 0
    reply = push_place(core, client)
    if message.length <= BRIEF_MAX:
        room = reply_room_lean(reply, message.length, client.reply_peak)
        if room != NULL:
            memcpy(room, message.brief, message.length)
            if reply.protocol >= 3:
                room[0] = c">"
            reply_advance(reply, message.length)
    else:
        deliver_long(core, reply, message)
    client_queue_write(core, client)
    return 1


cdef int64_t fan_out(Core* core, Channel* channel, Message* message) noexcept nogil:
    """Appends the message to the output of all members, and counts them. Nobody leaves meanwhile: a client over its limits is
    closed later."""
    cdef int64_t receivers = 0
    cdef size_t i
    for i in range(channel.count):
        if i + MEMBERS_AHEAD < channel.count:
            pubsub_prefetch(&channel.members[i + MEMBERS_AHEAD].client.flags)
        receivers += deliver(core, channel.members[i].client, message)
    return receivers


cdef int64_t publish(Core* core, int kind, const char* channel, size_t channel_length, const char* text,
                     size_t length) noexcept nogil:
    cdef PubSub* pubsub = <PubSub*> core.pubsub
    cdef Channel* subscribed = find_channel(pubsub, kind, channel, channel_length)
    cdef Channel* pattern
    cdef Message message
    cdef int64_t receivers = 0
    cdef size_t pattern_length
    cdef char* glob
    if subscribed != NULL:
        message.count = 0
        if kind == KIND_SHARD:
            add_part(&message, "smessage", 8)
        else:
            add_part(&message, "message", 7)
        add_part(&message, channel, channel_length)
        add_part(&message, text, length)
        prepare(&message)
        receivers += fan_out(core, subscribed, &message)
        discard(core, &message)
    if kind == KIND_SHARD:
        return receivers
    pattern = pubsub.first_pattern
    while pattern != NULL:
        glob = channel_name(pattern, &pattern_length)
        if glob_match(glob, pattern_length, channel, channel_length, 0):
            message.count = 0
            add_part(&message, "pmessage", 8)
            add_part(&message, glob, pattern_length)
            add_part(&message, channel, channel_length)
            add_part(&message, text, length)
            prepare(&message)
            receivers += fan_out(core, pattern, &message)
            discard(core, &message)
        pattern = pattern.next
    return receivers


cdef void publish_event(Core* core, const char* space, int database, const char* subject, size_t subject_length,
                        const char* text, size_t length) noexcept nogil:
    cdef char brief[EVENT_CHANNEL_MAX]
    cdef char* channel = brief
    cdef char* place
    cdef size_t capacity = strlen(space) + INTEGER_TEXT_MAX + 3 + subject_length
    if capacity > EVENT_CHANNEL_MAX:
        channel = <char*> heap_alloc(core.heap, capacity)
        if channel == NULL:
            return
    memcpy(channel, space, strlen(space))
    place = channel + strlen(space)
    place += format_int64(place, database)
    memcpy(place, b"__:", 3)
    place += 3
    memcpy(place, subject, subject_length)
    publish(core, KIND_CHANNEL, channel, place - channel + subject_length, text, length)
    if channel != brief:
        heap_free(core.heap, channel, capacity)


cdef void publish_key_event(Core* core, Database* database, int event_class, const char* name, const char* key,
                            size_t length) noexcept nogil:
    cdef PubSub* pubsub = <PubSub*> core.pubsub
    if dict_size(&pubsub.channels[KIND_CHANNEL]) == 0 and pubsub.first_pattern == NULL:
        return
    if core.notify_classes & NOTIFY_KEYSPACE:
        publish_event(core, "__keyspace@", database.id, key, length, name, strlen(name))
    if core.notify_classes & NOTIFY_KEYEVENT:
        publish_event(core, "__keyevent@", database.id, name, strlen(name), key, length)


# --- handlers

cdef void tell(Core* core, Client* client, int kind, const char* word, const char* name, size_t length,
               int64_t gone) noexcept nogil:
    """Confirms one subscription, or its end. It is a message: it goes out even where replies are off. gone: how many of the
    subscriptions are about to go."""
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


cdef void subscribe_to_names(Core* core, Client* client, int kind, const char* word, const char* refusal) noexcept nogil:
    cdef int i
    if client.flags & CLIENT_INTERNAL or (client.flags & CLIENT_DENY_BLOCKING and not client.flags & CLIENT_IN_EXEC):
        reply_error(&client.reply, refusal)
        return
    for i in range(1, client.argc):
        if subscribe(core, client, kind, client.argv[i].data, client.argv[i].length) != 0:
            reply_out_of_memory(client)
            break
        tell(core, client, kind, word, client.argv[i].data, client.argv[i].length, 0)
    settle(core, client)


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
    settle(core, client)


cdef void subscribe_command(Core* core, Client* client) noexcept nogil:
    subscribe_to_names(core, client, KIND_CHANNEL, "subscribe", "ERR SUBSCRIBE isn't allowed for a DENY BLOCKING client")


cdef void psubscribe_command(Core* core, Client* client) noexcept nogil:
    subscribe_to_names(core, client, KIND_PATTERN, "psubscribe", "ERR PSUBSCRIBE isn't allowed for a DENY BLOCKING client")


cdef void ssubscribe_command(Core* core, Client* client) noexcept nogil:
    subscribe_to_names(core, client, KIND_SHARD, "ssubscribe", "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client")


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
        "subscribe", <size_t> &subscribe_command, -2, "pubsub noscript loading stale sentinel subscriber", group="pubsub",
        since="2.0.0",
        syntax="channel...",
        summary="Listens to the messages of channels.",
        complexity="O(N) for N channels",
    ),
    native(
        "psubscribe", <size_t> &psubscribe_command, -2, "pubsub noscript loading stale sentinel subscriber", group="pubsub",
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
