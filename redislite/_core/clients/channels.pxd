"""Publish and subscribe: channels, patterns, sharded channels, and what is told of keys through them.

    Core.pubsub ─▶ PubSub ─┬─ channels by kind: records of Channel by name ─▶ Channel ─▶ members: Client, Subscription
                           ├─ patterns, in order of their coming: Channel ⇄ Channel ⇄ ...
                           └─ subscriptions: Dict of Subscription by channel and client
    Client.subscriptions ─▶ by kind: Subscription ⇄ Subscription ⇄ ...

A message is encoded once. A short one is copied to the output of each subscriber, a long one is referred to (Shared in
reply.pxd). Publishing walks an array of members; subscribing and unsubscribing take constant time.
"""
from libc.stdint cimport int64_t, uint8_t
from redislite._core.base.prefixed cimport prefixed_read
from redislite._core.state.core cimport Client, Core, Database
from redislite._core.structures.dict cimport Dict

cdef enum:
    KIND_CHANNEL = 0
    KIND_PATTERN = 1
    KIND_SHARD = 2              # a channel of SSUBSCRIBE
    KINDS = 3


cdef struct Member:
    Client* client
    Subscription* subscription


# A name that somebody has subscribed to: a record (records.pxd).
cdef struct Channel:
    Member* members
    size_t count
    size_t capacity
    Channel* previous           # list of all patterns
    Channel* next
    int64_t kind


# One client's subscription to one name. prefix to client read as a prefixed string, by which the dict finds it.
cdef struct Subscription:
    Subscription* previous      # list of the client's, of one kind
    Subscription* next
    size_t place                # in the channel's members
    uint8_t prefix[8]           # the last byte: the length of what follows
    Channel* channel
    Client* client


cdef struct Subscriptions:
    Subscription* first[KINDS]
    Subscription* last[KINDS]
    int64_t count[KINDS]
    size_t bytes                # what they take, names included


cdef struct PubSub:
    Dict channels[KINDS]
    Dict subscriptions
    Channel* first_pattern
    Channel* last_pattern
    int64_t clients             # that have subscriptions


# What an engine knows of subscriptions. 0, or -1 where memory is out.
cdef int pubsub_init(Core* core) noexcept nogil
# To be called when no client is left.
cdef void pubsub_release(Core* core) noexcept nogil
# The channel of that name, or NULL.
cdef Channel* find_channel(PubSub* pubsub, int kind, const char* name, size_t length) noexcept nogil
# How many clients have subscribed, without those that are leaving.
cdef int64_t members_count(const Core* core, const Channel* channel) noexcept nogil
# The client's subscription to the channel, or NULL.
cdef Subscription* find_subscription(PubSub* pubsub, Channel* channel, Client* client) noexcept nogil
# Subscribes the client; who has subscribed already stays so. 0, or -1 where memory is out.
cdef int subscribe(Core* core, Client* client, int kind, const char* name, size_t length) noexcept nogil
cdef void remove_subscription(Core* core, PubSub* pubsub, Subscription* subscription) noexcept nogil
# Brings the client's state in line with what subscriptions it now has: to be called after the two above.
cdef void settle_subscriptions(Core* core, Client* client) noexcept nogil
# Ends at most so many subscriptions of a client that is being closed; true where none is left. From the first call on
# it does not count as a subscriber any more.
cdef bint unsubscribe_some(Core* core, Client* client, int64_t most) noexcept nogil
# Ends all subscriptions of the client, without a word to it.
cdef void unsubscribe_all(Core* core, Client* client) noexcept nogil
# Sends a message to the subscribers of a channel, of the kind given, and to those of patterns that match a channel
# which is not sharded. Answers how many got it.
cdef int64_t publish(Core* core, int kind, const char* channel, size_t channel_length, const char* message,
                     size_t length) noexcept nogil
# Publishes a keyspace event (Upcalls.key_event).
cdef void publish_key_event(Core* core, Database* database, int event_class, const char* name, const char* key,
                            size_t length) noexcept nogil
# How many names somebody has subscribed to; how many clients have subscriptions.
cdef int64_t channels_count(const Core* core, int kind) noexcept nogil
cdef int64_t subscribers_count(const Core* core) noexcept nogil
# Sets or clears the client's GATE_SUBSCRIBER, as its subscriptions and protocol say.
cdef void pubsub_gate(Client* client) noexcept nogil
# Bytes that the client's subscriptions take, names included.
cdef size_t subscriptions_memory(const Client* client) noexcept nogil


cdef inline int64_t subscription_count(const Client* client, int kind) noexcept nogil:
    if client.subscriptions == NULL:
        return 0
    return (<const Subscriptions*> client.subscriptions).count[kind]


# The client's oldest subscription of a kind, or NULL.
cdef inline Subscription* subscriptions_of(const Client* client, int kind) noexcept nogil:
    if client.subscriptions == NULL:
        return NULL
    return (<Subscriptions*> client.subscriptions).first[kind]


cdef inline char* channel_name(const Channel* channel, size_t* length) noexcept nogil:
    return prefixed_read(<const char*> channel + sizeof(Channel), length)


cdef inline char* subscribed_name(const Subscription* subscription, size_t* length) noexcept nogil:
    return channel_name(subscription.channel, length)
