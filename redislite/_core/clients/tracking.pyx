"""Client-side caching; the contract is in tracking.pxd."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcmp, memmove
from redislite._core.base.alloc cimport heap_footprint, heap_free, heap_realloc, heap_zalloc
from redislite._core.base.prefixed cimport prefixed_size
from redislite._core.clients.ending cimport client_is_doomed, client_takes_output
from redislite._core.clients.output cimport client_queue_write, push_place
from redislite._core.commands.command_keys cimport KeyIterator, keys_begin, keys_next
from redislite._core.keyspace.discard cimport DiscardStep, discard_all, discard_dict, discard_thing
from redislite._core.keyspace.keyspace cimport argument_hash
from redislite._core.protocol.reply cimport reply_array, reply_bulk, reply_integer, reply_null, reply_push, reply_raw
from redislite._core.state.core cimport Argument, Client, Command, Core, Reply
from redislite._core.state.flags cimport (
    CLIENT_PUBSUB, COMMAND_NOSCRIPT, COMMAND_NOSCRIPT, COMMAND_READONLY, GATE_TRACKING, INTEREST_TRACKED,
)
from redislite._core.structures.dict cimport Dict, dict_hash, dict_init, dict_random, dict_release, dict_size
from redislite._core.structures.pointer_set cimport (
    PointerSet, pointer_set_add, pointer_set_at, pointer_set_places, pointer_set_release, pointer_set_remove,
)
from redislite._core.structures.rax cimport (
    RAX_AT_LEAST, RAX_AT_MOST, RaxIterator, rax_find, rax_init, rax_insert, rax_release_step, rax_remove, rax_seek,
    rax_size, rax_start, rax_stop,
)
from redislite._core.structures.records cimport (
    record_add, record_find, record_free, record_name, record_remove, record_take,
)
from redislite._core.structures.release cimport Release
from redislite._core.text.wire cimport BULK_MAX, HEADER_MAX, put_bulk, put_header

cdef enum:
    LIMIT_TURN_KEYS = 100       # told of at once when the table is over its limit; as many more with each turn in a row
    MESSAGE_KEPT = 65536        # bytes of a message's buffer that are not given back


cdef inline Tracking* tracking_of(const Core* core) noexcept nogil:
    return <Tracking*> core.tracking


cdef void note_interest(Core* core) noexcept nogil:
    cdef Tracking* tracking = tracking_of(core)
    if tracking.clients or dict_size(&tracking.keys):
        core.interest |= INTEREST_TRACKED
    else:
        core.interest &= ~<uint64_t> INTEREST_TRACKED


cdef Tracking* tracking_new(Core* core) noexcept nogil:
    cdef Tracking* tracking = <Tracking*> heap_zalloc(core.heap, sizeof(Tracking))
    if tracking == NULL:
        return NULL
    dict_init(&tracking.keys, core.heap, core.seed, sizeof(TrackedKey))
    dict_init(&tracking.prefixes, core.heap, core.seed, sizeof(Prefix))
    core.tracking = tracking
    return tracking


# Trackers


cdef Tracker* tracker_for(Core* core, Client* client) noexcept nogil:
    """The client's Tracker, made where it has none; NULL where memory is out."""
    cdef Tracker* tracker = tracker_of(client)
    if tracker != NULL:
        return tracker
    tracker = <Tracker*> heap_zalloc(core.heap, sizeof(Tracker))
    if tracker == NULL:
        return NULL
    tracker.client = client
    tracker.id = client.id
    tracker.references = 1
    rax_init(&tracker.prefixes, core.heap)
    client.tracking = tracker
    return tracker


cdef void leave_tracker(Core* core, Tracker* tracker) noexcept nogil:
    """Takes a reference back; the last one was not the client's own, unless the client is gone."""
    tracker.references -= 1
    if tracker.references == 0:
        heap_free(core.heap, tracker, sizeof(Tracker))


cdef inline bint is_served(const Tracker* tracker) noexcept nogil:
    """Whether the client is there, and takes output."""
    return tracker.client != NULL and client_takes_output(tracker.client)


cdef inline bint is_told(const Tracker* tracker, bint broadcast) noexcept nogil:
    """Whether it wants to know of changes in this mode."""
    return (tracker.client != NULL and tracker.options & TRACKING_ON != 0
            and (tracker.options & TRACKING_BCAST != 0) == broadcast)


cdef inline Tracker* writer_of(const Core* core) noexcept nogil:
    """That of the client whose request is being executed, by itself or through a script; or NULL."""
    return tracker_of(core.outermost) if core.outermost != NULL else NULL


# Messages


cdef char* message_room(Core* core, size_t need) noexcept nogil:
    """Room for need bytes behind the message so far; NULL where memory is out."""
    cdef Tracking* tracking = tracking_of(core)
    cdef size_t capacity
    cdef char* grown
    if tracking.message_capacity - tracking.message_length < need:
        capacity = 2 * tracking.message_capacity + need
        grown = <char*> heap_realloc(core.heap, tracking.message, tracking.message_capacity, capacity)
        if grown == NULL:
            return NULL
        tracking.message = grown
        tracking.message_capacity = capacity
    return tracking.message + tracking.message_length


cdef bint message_begin(Core* core, int64_t keys) noexcept nogil:
    """Begins a list of so many keys; false where memory is out."""
    cdef Tracking* tracking = tracking_of(core)
    cdef char* room
    tracking.message_length = 0
    room = message_room(core, HEADER_MAX)
    if room == NULL:
        return 0
    tracking.message_length = put_header(room, c'*', keys) - room
    return 1


cdef bint message_add(Core* core, const char* key, size_t length) noexcept nogil:
    cdef char* room = message_room(core, BULK_MAX + length)
    if room == NULL:
        return 0
    tracking_of(core).message_length += put_bulk(room, key, length) - room
    return 1


cdef void tell(Core* core, Tracker* tracker, bint everything) noexcept nogil:
    """Tells the client, or whom its messages go to, that the keys of the message have changed, or everything has."""
    cdef Tracking* tracking = tracking_of(core)
    cdef Tracker* target = tracker
    cdef Reply* output
    if tracker.redirect != NULL:
        target = tracker.redirect
        if target.client == NULL or client_is_doomed(target.client):
            tracker.options |= TRACKING_BROKEN
            if tracker.client.reply.protocol > 2 and is_served(tracker):
                output = push_place(core, tracker.client)
                reply_push(output, 2)
                reply_bulk(output, b"tracking-redir-broken", 21)
                reply_integer(output, <int64_t> target.id)
                client_queue_write(core, tracker.client)
            return
    if not is_served(target):
        return
    if target.client.reply.protocol > 2:
        output = push_place(core, target.client)
        reply_push(output, 2)
        reply_bulk(output, b"invalidate", 10)
    elif target != tracker and target.client.flags & CLIENT_PUBSUB:
        output = push_place(core, target.client)
        reply_array(output, 3)
        reply_bulk(output, b"message", 7)
        reply_bulk(output, b"__redis__:invalidate", 20)
    else:
        return                          # there is no way to tell a client of RESP2 by itself
    if everything:
        reply_null(output)
    else:
        reply_raw(output, tracking.message, tracking.message_length)
    client_queue_write(core, target.client)


# The table of keys


cdef void release_key(Core* core, TrackedKey* tracked) noexcept nogil:
    cdef uint32_t i
    cdef Tracker* tracker
    for i in range(pointer_set_places(&tracked.trackers)):
        tracker = <Tracker*> pointer_set_at(&tracked.trackers, i)
        if tracker != NULL:
            leave_tracker(core, tracker)
    pointer_set_release(core.heap, &tracked.trackers)
    record_free(&tracking_of(core).keys, tracked)


cdef void release_key_visitor(void* argument, void* entry) noexcept nogil:
    cdef DiscardStep* step = <DiscardStep*> argument
    cdef size_t places = pointer_set_places(&(<TrackedKey*> entry).trackers)
    step.release.budget -= min(places, step.release.budget)
    release_key(step.core, <TrackedKey*> entry)


cdef void drop_keys(Core* core) noexcept nogil:
    """Forgets all keys, which are released bit by bit."""
    cdef Tracking* tracking = tracking_of(core)
    discard_dict(core, &tracking.keys, release_key_visitor, 0)
    tracking.items = 0


cdef TrackedKey* tracked_key(Core* core, const char* key, size_t length, uint64_t hash) noexcept nogil:
    """The key's place in the table, made where there is none; NULL where memory is out."""
    cdef Dict* keys = &tracking_of(core).keys
    cdef void* tracked = record_find(keys, key, length, hash)
    return <TrackedKey*> (tracked if tracked != NULL else record_add(keys, key, length, hash))


cdef void remember(Core* core, Client* client, int index) noexcept nogil:
    cdef Tracking* tracking = tracking_of(core)
    cdef Tracker* tracker = tracker_of(core.outermost if core.outermost != NULL else client)
    cdef Argument* key = &client.argv[index]
    cdef TrackedKey* tracked = tracked_key(core, key.data, key.length, argument_hash(client, index))
    cdef int added = pointer_set_add(core.heap, &tracked.trackers, tracker) if tracked != NULL else -1
    if added == 1:
        tracker.references += 1
        tracking.items += 1
    elif added < 0 and message_begin(core, 1) and message_add(core, key.data, key.length):
        # What cannot be remembered must not be cached.
        tell(core, tracker, 0)


cdef void invalidate_key(Core* core, TrackedKey* tracked, Tracker* writer) noexcept nogil:
    """Tells all who read the key, and forgets that they did. writer: who changed it, or NULL."""
    cdef Tracking* tracking = tracking_of(core)
    cdef size_t length
    cdef char* key = record_name(&tracking.keys, tracked, &length)
    cdef bint complete = message_begin(core, 1) and message_add(core, key, length)
    cdef Tracker* tracker
    cdef uint32_t i
    record_take(&tracking.keys, tracked)
    for i in range(pointer_set_places(&tracked.trackers)):
        tracker = <Tracker*> pointer_set_at(&tracked.trackers, i)
        if tracker != NULL and is_told(tracker, 0) and not (tracker == writer and tracker.options & TRACKING_NOLOOP):
            tell(core, tracker, not complete)
    tracking.items -= tracked.trackers.count
    release_key(core, tracked)


cdef void tracking_limit(Core* core) noexcept nogil:
    cdef Tracking* tracking = tracking_of(core)
    cdef size_t most = <size_t> core.settings.tracking_max_keys
    cdef int64_t budget
    if tracking == NULL:
        return
    if most == 0 or dict_size(&tracking.keys) <= most:
        tracking.limit_turns = 0
        return
    tracking.limit_turns += 1
    budget = LIMIT_TURN_KEYS * tracking.limit_turns
    while budget and dict_size(&tracking.keys) > most:
        invalidate_key(core, <TrackedKey*> dict_random(&tracking.keys, &core.random), NULL)
        budget -= 1
    note_interest(core)


# The broadcasting mode


cdef bint count_length(Core* core, size_t length) noexcept nogil:
    """Notes one more prefix of this length; false where memory is out."""
    cdef Tracking* tracking = tracking_of(core)
    cdef PrefixLength* lengths = tracking.lengths
    cdef int capacity
    cdef int i = 0
    while i < tracking.lengths_count and lengths[i].length < length:
        i += 1
    if i < tracking.lengths_count and lengths[i].length == length:
        lengths[i].prefixes += 1
        return 1
    if tracking.lengths_count == tracking.lengths_capacity:
        capacity = 2 * tracking.lengths_capacity + 4
        lengths = <PrefixLength*> heap_realloc(core.heap, lengths, tracking.lengths_capacity * sizeof(PrefixLength),
                                               capacity * sizeof(PrefixLength))
        if lengths == NULL:
            return 0
        tracking.lengths = lengths
        tracking.lengths_capacity = capacity
    memmove(lengths + i + 1, lengths + i, (tracking.lengths_count - i) * sizeof(PrefixLength))
    lengths[i].length = length
    lengths[i].prefixes = 1
    tracking.lengths_count += 1
    return 1


cdef void uncount_length(Tracking* tracking, size_t length) noexcept nogil:
    cdef PrefixLength* lengths = tracking.lengths
    cdef int i = 0
    while lengths[i].length != length:
        i += 1
    lengths[i].prefixes -= 1
    if lengths[i].prefixes == 0:
        tracking.lengths_count -= 1
        memmove(lengths + i, lengths + i + 1, (tracking.lengths_count - i) * sizeof(PrefixLength))


cdef Prefix* prefix_for(Core* core, const char* text, size_t length) noexcept nogil:
    """The prefix, made where there is none; NULL where memory is out."""
    cdef Tracking* tracking = tracking_of(core)
    cdef uint64_t hash = dict_hash(&tracking.prefixes, text, length)
    cdef Prefix* prefix = <Prefix*> record_find(&tracking.prefixes, text, length, hash)
    if prefix != NULL:
        return prefix
    prefix = <Prefix*> record_add(&tracking.prefixes, text, length, hash)
    if prefix == NULL:
        return NULL
    if not count_length(core, length):
        record_remove(&tracking.prefixes, prefix)
        return NULL
    dict_init(&prefix.changed, core.heap, core.seed, sizeof(ChangedKey))
    return prefix


cdef void forget_changes(Core* core, Prefix* prefix) noexcept nogil:
    cdef ChangedKey* changed
    dict_release(&prefix.changed)
    dict_init(&prefix.changed, core.heap, core.seed, sizeof(ChangedKey))
    while prefix.first != NULL:
        changed = prefix.first
        prefix.first = changed.next
        if changed.writer != NULL:
            leave_tracker(core, changed.writer)
        record_free(&prefix.changed, changed)
    prefix.last = NULL


cdef void discard_prefix(Core* core, Prefix* prefix) noexcept nogil:
    """Releases a prefix that nobody is a member of any more."""
    cdef Tracking* tracking = tracking_of(core)
    cdef Prefix** place = &tracking.changed
    cdef size_t length
    prefix_text(prefix, &length)
    if prefix.is_listed:
        while place[0] != prefix:
            place = &place[0].next_changed
        place[0] = prefix.next_changed
    forget_changes(core, prefix)
    dict_release(&prefix.changed)
    pointer_set_release(core.heap, &prefix.members)
    uncount_length(tracking, length)
    record_remove(&tracking.prefixes, prefix)


cdef void note_change(Core* core, Prefix* prefix, const char* key, size_t length, Tracker* writer) noexcept nogil:
    cdef Tracking* tracking = tracking_of(core)
    cdef uint64_t hash = dict_hash(&prefix.changed, key, length)
    cdef ChangedKey* changed = <ChangedKey*> record_find(&prefix.changed, key, length, hash)
    if changed != NULL:
        if changed.writer != NULL and changed.writer != writer:
            leave_tracker(core, changed.writer)
            changed.writer = NULL
        return
    changed = <ChangedKey*> record_add(&prefix.changed, key, length, hash)
    if changed == NULL:
        tell_members(core, prefix, 1)   # there is no room to say which key: all of them
        return
    changed.writer = writer
    if writer != NULL:
        writer.references += 1
    if prefix.last != NULL:
        prefix.last.next = changed
    else:
        prefix.first = changed
    prefix.last = changed
    if not prefix.is_listed:
        prefix.is_listed = 1
        prefix.next_changed = tracking.changed
        tracking.changed = prefix


cdef void note_changes(Core* core, const char* key, size_t length, Tracker* writer) noexcept nogil:
    """Notes the change with every prefix that the key begins with."""
    cdef Tracking* tracking = tracking_of(core)
    cdef Prefix* prefix
    cdef size_t part
    cdef int i
    if writer != NULL and not (is_told(writer, 1) and writer.options & TRACKING_NOLOOP):
        writer = NULL                   # he is like everybody else
    for i in range(tracking.lengths_count):
        part = tracking.lengths[i].length
        if part > length:
            break
        prefix = <Prefix*> record_find(&tracking.prefixes, key, part, dict_hash(&tracking.prefixes, key, part))
        if prefix != NULL:
            note_change(core, prefix, key, length, writer)


cdef bint list_changes(Core* core, Prefix* prefix, const Tracker* reader) noexcept nogil:
    """Makes a message of the changed keys, without those that are the reader's own; false where memory is out."""
    cdef ChangedKey* changed = prefix.first
    cdef size_t count = dict_size(&prefix.changed) - (reader.own_changes if reader != NULL else 0)
    cdef size_t length
    cdef char* key
    if not message_begin(core, <int64_t> count):
        return 0
    while changed != NULL:
        if reader == NULL or changed.writer != reader:
            key = record_name(&prefix.changed, changed, &length)
            if not message_add(core, key, length):
                return 0
        changed = changed.next
    return 1


cdef void tell_members(Core* core, Prefix* prefix, bint everything) noexcept nogil:
    """Tells the members of the changed keys, or that everything has changed."""
    cdef ChangedKey* changed = prefix.first
    cdef Tracker* tracker
    cdef uint32_t i
    while changed != NULL:
        if changed.writer != NULL:
            changed.writer.own_changes += 1
        changed = changed.next
    # Those who changed nothing that they do not want to know share one message; it is made first.
    if not everything:
        everything = not list_changes(core, prefix, NULL)
    for i in range(pointer_set_places(&prefix.members)):
        tracker = <Tracker*> pointer_set_at(&prefix.members, i)
        if tracker != NULL and is_told(tracker, 1) and (everything or tracker.own_changes == 0):
            tell(core, tracker, everything)
    for i in range(pointer_set_places(&prefix.members)):
        tracker = <Tracker*> pointer_set_at(&prefix.members, i)
        if tracker != NULL and tracker.own_changes:
            if not everything and is_told(tracker, 1) and tracker.own_changes < dict_size(&prefix.changed):
                tell(core, tracker, not list_changes(core, prefix, tracker))
    changed = prefix.first
    while changed != NULL:
        if changed.writer != NULL:
            changed.writer.own_changes = 0
        changed = changed.next


cdef void broadcast(Core* core) noexcept nogil:
    cdef Tracking* tracking = tracking_of(core)
    cdef Prefix* prefix
    while tracking.changed != NULL:
        prefix = tracking.changed
        tracking.changed = prefix.next_changed
        prefix.is_listed = 0
        tell_members(core, prefix, 0)
        forget_changes(core, prefix)


# What the command and the data plane call


cdef int tracking_enable(Core* core, Client* client, int options, Client* redirect) noexcept nogil:
    cdef Tracking* tracking = tracking_of(core)
    cdef Tracker* tracker
    cdef Tracker* target = NULL
    if tracking == NULL:
        tracking = tracking_new(core)
        if tracking == NULL:
            return -1
    tracker = tracker_for(core, client)
    if redirect != NULL:
        target = tracker_for(core, redirect)
    if tracker == NULL or (redirect != NULL and target == NULL):
        return -1
    if target != NULL:
        target.references += 1
    if tracker.redirect != NULL:
        leave_tracker(core, tracker.redirect)
    tracker.redirect = target
    if not tracker.options & TRACKING_ON:
        tracking.clients += 1
    tracker.options = options | TRACKING_ON
    if not options & TRACKING_BCAST:
        client.gate |= GATE_TRACKING
    note_interest(core)
    return 0


cdef int tracking_add_prefix(Core* core, Client* client, const char* prefix, size_t length) noexcept nogil:
    cdef Tracker* tracker = tracker_of(client)
    cdef Prefix* place = prefix_for(core, prefix, length)
    cdef void* old
    cdef int added
    if place == NULL:
        return -1
    added = rax_insert(&tracker.prefixes, prefix, length, place, &old)
    if added == 0:
        return 0
    if added > 0:
        if pointer_set_add(core.heap, &place.members, tracker) >= 0:
            tracker.prefixes_bytes += heap_footprint(sizeof(Prefix) + prefixed_size(length)) + sizeof(void*)
            return 0
        rax_remove(&tracker.prefixes, prefix, length)
    if place.members.count == 0:
        discard_prefix(core, place)
    return -1


cdef inline bint begins_with(const char* text, size_t length, const RaxIterator* other) noexcept nogil:
    return length >= other.key_length and memcmp(text, other.key, other.key_length) == 0


cdef int tracking_find_overlap(const Client* client, const char* text, size_t length, Prefix** found) noexcept nogil:
    cdef Tracker* tracker = tracker_of(client)
    cdef RaxIterator it
    cdef void** slot
    found[0] = NULL
    if tracker == NULL or rax_size(&tracker.prefixes) == 0:
        return 0
    # The empty one comes beside others. Of those none begins with another: to be asked are the neighbours in order.
    slot = rax_find(&tracker.prefixes, b"", 0)
    if slot != NULL:
        found[0] = <Prefix*> slot[0]
        return 0
    rax_start(&it, &tracker.prefixes)
    if rax_seek(&it, RAX_AT_MOST, text, length) and begins_with(text, length, &it):
        found[0] = <Prefix*> it.value
    elif not it.failed and rax_seek(&it, RAX_AT_LEAST, text, length):
        if it.key_length >= length and memcmp(it.key, text, length) == 0:
            found[0] = <Prefix*> it.value
    rax_stop(&it)
    return -1 if it.failed else 0


cdef size_t tracking_memory(const Client* client) noexcept nogil:
    cdef const Tracker* tracker = <const Tracker*> client.tracking
    if tracker == NULL:
        return 0
    return heap_footprint(sizeof(Tracker)) + tracker.prefixes.bytes + tracker.prefixes_bytes


cdef void tracking_set_caching(Client* client) noexcept nogil:
    tracker_of(client).options |= TRACKING_CACHING


# What ends a tracker's membership of prefixes.
cdef struct Leaving:
    Core* core
    Tracker* tracker


cdef void leave_prefix(void* argument, void* value) noexcept nogil:
    cdef Leaving* leaving = <Leaving*> argument
    cdef Prefix* prefix = <Prefix*> value
    pointer_set_remove(&prefix.members, leaving.tracker)
    if prefix.members.count == 0:
        discard_prefix(leaving.core, prefix)


cdef bint leave_prefixes(Core* core, Tracker* tracker, size_t* budget) noexcept nogil:
    """1 while more is to do."""
    cdef Leaving leaving
    leaving.core = core
    leaving.tracker = tracker
    tracker.prefixes_bytes = 0
    return rax_release_step(&tracker.prefixes, leave_prefix, &leaving, budget)


cdef bint release_tracker(Release* step, void* thing) noexcept nogil:
    """Releases what a client that is gone had: its prefixes, then its reference to its tracker."""
    cdef Core* core = (<DiscardStep*> step).core
    cdef Tracker* tracker = <Tracker*> thing
    if leave_prefixes(core, tracker, &step.budget):
        return 1
    leave_tracker(core, tracker)
    return 0


cdef void turn_off(Core* core, Client* client, Tracker* tracker) noexcept nogil:
    cdef Tracking* tracking = tracking_of(core)
    if not tracker.options & TRACKING_ON:
        return
    tracker.options = 0
    client.gate &= ~<uint64_t> GATE_TRACKING
    if tracker.redirect != NULL:
        leave_tracker(core, tracker.redirect)
        tracker.redirect = NULL
    tracking.clients -= 1
    note_interest(core)


cdef void tracking_disable(Core* core, Client* client) noexcept nogil:
    cdef Tracker* tracker = tracker_of(client)
    cdef size_t budget = ~<size_t> 0
    if tracker != NULL:
        turn_off(core, client, tracker)
        leave_prefixes(core, tracker, &budget)


cdef void tracking_forget_client(Core* core, Client* client) noexcept nogil:
    cdef Tracker* tracker = tracker_of(client)
    if tracker == NULL:
        return
    turn_off(core, client, tracker)
    tracker.client = NULL
    client.tracking = NULL
    discard_thing(core, release_tracker, tracker)


cdef inline bint is_client_command(const Command* command) noexcept nogil:
    return command.name_length >= 6 and memcmp(command.name, b"client", 6) == 0 and command.name[6] in (0, c'|')


cdef void remember_keys(Core* core, Client* client, Command* command) noexcept nogil:
    cdef KeyIterator iterator
    cdef int index, flags
    # Of what a script reads, its commands are looked at.
    if command.flags & COMMAND_NOSCRIPT or keys_begin(&iterator, command, client.argv, client.argc, 0) <= 0:
        return
    index = keys_next(&iterator, &flags)
    while index:
        remember(core, client, index)
        index = keys_next(&iterator, &flags)


cdef void tracking_command_done(Core* core, Client* client, Command* command, bint executed) noexcept nogil:
    cdef Client* owner = core.outermost if core.outermost != NULL else client
    cdef int options = tracking_options(owner)
    # CLIENT CACHING turns round what the mode says. What a script reads is told by the commands that it calls.
    if executed and command.flags & (COMMAND_READONLY | COMMAND_NOSCRIPT) == COMMAND_READONLY and options and \
            not options & TRACKING_BCAST and (
            not options & (TRACKING_OPTIN | TRACKING_OPTOUT)
            or (options & TRACKING_OPTIN != 0) == (options & TRACKING_CACHING != 0)):
        remember_keys(core, client, command)
    if options & TRACKING_CACHING and core.executing == NULL and owner.transaction == NULL and (
            command == NULL or not is_client_command(command)):
        tracker_of(owner).options &= ~TRACKING_CACHING


cdef void invalidate_all(Core* core) noexcept nogil:
    cdef Client* client = core.clients
    while client != NULL:
        if tracking_options(client):
            tell(core, tracker_of(client), 1)
        client = client.next
    drop_keys(core)


cdef void tracking_invalidate(Core* core, const char* key, size_t length, bint by_client) noexcept nogil:
    cdef Tracking* tracking = tracking_of(core)
    cdef Tracker* writer = writer_of(core) if by_client else NULL
    cdef TrackedKey* tracked
    if key == NULL:
        invalidate_all(core)
        return
    if tracking.lengths_count:
        note_changes(core, key, length, writer)
    if dict_size(&tracking.keys) == 0:
        return
    tracked = <TrackedKey*> record_find(&tracking.keys, key, length, dict_hash(&tracking.keys, key, length))
    if tracked != NULL:
        invalidate_key(core, tracked, writer)


cdef void tracking_before_sleep(Core* core) noexcept nogil:
    cdef Tracking* tracking = tracking_of(core)
    if tracking.changed != NULL:
        broadcast(core)


cdef void tracking_cron(Core* core) noexcept nogil:
    cdef Tracking* tracking = tracking_of(core)
    if tracking.clients == 0:
        drop_keys(core)
        note_interest(core)
    else:
        tracking_limit(core)
    if tracking.message_capacity > MESSAGE_KEPT:
        heap_free(core.heap, tracking.message, tracking.message_capacity)
        tracking.message = NULL
        tracking.message_capacity = 0


cdef void tracking_release(Core* core) noexcept nogil:
    """For the end of the engine, its clients being released already."""
    cdef Tracking* tracking = tracking_of(core)
    if tracking == NULL:
        return
    drop_keys(core)
    discard_all(core)
    dict_release(&tracking.prefixes)
    heap_free(core.heap, tracking.lengths, tracking.lengths_capacity * sizeof(PrefixLength))
    heap_free(core.heap, tracking.message, tracking.message_capacity)
    heap_free(core.heap, tracking, sizeof(Tracking))
    core.tracking = NULL
