"""Channels and their subscribers; the contract is in channels.pxd."""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, strlen
from redislite._core.base.alloc cimport heap_alloc, heap_footprint, heap_free, heap_realloc, heap_zalloc
from redislite._core.clients.ending cimport client_is_doomed, client_takes_output
from redislite._core.clients.output cimport client_queue_write, push_place
from redislite._core.keyspace.propagate cimport argument_of
from redislite._core.protocol.reply cimport (
    Shared, reply_advance, reply_room_lean, reply_shared, shared_data, shared_new, shared_release,
)
from redislite._core.state.core cimport Argument, Client, Core, Database, Reply
from redislite._core.state.flags cimport CLIENT_PUBSUB, GATE_SUBSCRIBER, NOTIFY_KEYEVENT, NOTIFY_KEYSPACE
from redislite._core.structures.dict cimport (
    Dict, dict_find, dict_hash, dict_init, dict_insert, dict_release, dict_remove, dict_size,
)
from redislite._core.structures.records cimport record_add, record_find, record_remove
from redislite._core.text.glob cimport glob_match
from redislite._core.text.numbers cimport INTEGER_TEXT_MAX, format_int64
from redislite._core.text.wire cimport bulk_header_size, put_bulk, put_header

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


cdef void settle_subscriptions(Core* core, Client* client) noexcept nogil:
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
    settle_subscriptions(core, client)


cdef size_t subscriptions_memory(const Client* client) noexcept nogil:
    cdef const Subscriptions* own = <const Subscriptions*> client.subscriptions
    return heap_footprint(sizeof(Subscriptions)) + own.bytes if own != NULL else 0


cdef int64_t members_count(const Core* core, const Channel* channel) noexcept nogil:
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
    """Appends the message to the output of all members, and counts them. Nobody leaves meanwhile: a client over its
    limits is closed later."""
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
    if core.hooked_classes & event_class:
        core.upcalls.key_hooked(core, database, name, key, length)
    if not core.published_classes & event_class or \
            (dict_size(&pubsub.channels[KIND_CHANNEL]) == 0 and pubsub.first_pattern == NULL):
        return
    if core.published_classes & NOTIFY_KEYSPACE:
        publish_event(core, "__keyspace@", database.id, key, length, name, strlen(name))
    if core.published_classes & NOTIFY_KEYEVENT:
        publish_event(core, "__keyevent@", database.id, name, strlen(name), key, length)
