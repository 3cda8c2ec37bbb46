"""Keyspace events command by command: what our server is expected to tell, which is what Valkey 9 does.

`test_notifications.py` of the integration tests holds our server to it, that of the differential tests the original.
"""

from __future__ import annotations

from harness import Connection, ServerProcess, request

# Stories, each on an empty data set, an empty line between them: a command, then the events that it causes, in order;
# of databases but the first, the number stands behind the key. Nothing expires but by being looked for.
_TEXT = """
set s 1                                -> new s, set s
set s 2 ex 100                         -> set s, expire s
set s 3 keepttl                        -> set s
setex s 10 v                           -> set s, expire s
psetex s 1000 v                        -> set s, expire s
setnx q 1                              -> new q, set q
getset q 2                             -> set q
getset q9 2                            -> keymiss q9, new q9, set q9
getdel q                               -> del q
append ap x                            -> new ap, append ap
append ap y                            -> append ap
getex ap ex 10                         -> expire ap
getex ap persist                       -> persist ap
getex ap exat 1                        -> del ap

mset a 1 b 2                           -> new a, set a, new b, set b
msetnx c 1 d 2                         -> new c, set c, new d, set d
msetex 2 a 1 b 2 ex 100                -> set a, expire a, set b, expire b
incr i                                 -> new i, incrby i
decr i                                 -> incrby i
incrby i 2                             -> incrby i
incrbyfloat i 1.5                      -> incrbyfloat i
setrange sr 0 abc                      -> new sr, setrange sr
set a 2 get                            -> set a
set zz 1 get                           -> keymiss zz, new zz, set zz
get miss                               -> keymiss miss
mget miss a                            -> keymiss miss
strlen miss                            -> keymiss miss
getrange miss 0 1                      -> keymiss miss
hset hash f v                          -> new hash, hset hash
lcs hash miss                          -> keymiss miss
delifeq a 2                            -> del a
set ttl 1 px 5000                      -> new ttl, set ttl, expire ttl
set ttl 2 nx                           ->

del a b nope                           ->
unlink c                               ->
set e 1                                -> new e, set e
expire e 100                           -> expire e
persist e                              -> persist e
expire e -1                            -> del e
set e 1                                -> new e, set e
pexpireat e 1                          -> del e
expire nope 10                         ->
exists nope                            -> keymiss nope
type nope                              -> keymiss nope
ttl nope                               -> keymiss nope
touch nope                             -> keymiss nope
object encoding nope                   ->
set r1 1                               -> new r1, set r1
rename r1 r2                           -> new r2, rename_from r1, rename_to r2
set r1 2                               -> new r1, set r1
rename r1 r2                           -> new r2, rename_from r1, rename_to r2
set r1 3                               -> new r1, set r1
renamenx r1 r3                         -> new r3, rename_from r1, rename_to r3
copy r3 r4                             -> new r4, copy_to r4
copy r3 r4 replace                     -> new r4, copy_to r4
copy nope r5                           -> keymiss nope
move r4 5                              -> new r4@5, move_from r4, move_to r4@5
copy r3 r6 db 5                        -> new r6@5, copy_to r6@5

rpush l a b c                          -> new l, rpush l
lpush l z                              -> lpush l
lpushx nope x                          ->
linsert l before a q                   -> linsert l
lset l 0 y                             -> lset l
lpop l                                 -> lpop l
rpop l 2                               -> rpop l
lrem l 0 a                             -> lrem l
lrem l 0 nope                          ->
ltrim l 0 0                            -> ltrim l
ltrim l 5 6                            -> ltrim l, del l
rpush l a                              -> new l, rpush l
lmove l l2 left right                  -> new l2, rpush l2, lpop l, del l
rpush l a b                            -> new l, rpush l
lmove l l left right                   -> rpush l, lpop l
rpoplpush l l2                         -> lpush l2, rpop l
lmpop 2 nope l left                    -> lpop l, del l
lpop l2 0                              ->
lpop l2 5                              -> lpop l2, del l2
lpop nope                              ->
rpush l a                              -> new l, rpush l
blpop l 0                              -> lpop l, del l
rpush l a                              -> new l, rpush l
blmove l l2 left left 0                -> new l2, lpush l2, lpop l, del l
brpoplpush l2 l 1                      -> new l, lpush l, rpop l2, del l2
llen nope                              -> keymiss nope
rpush l2 a                             -> new l2, rpush l2
ltrim l2 0 -1                          -> ltrim l2

sadd st a b c                          -> new st, sadd st
sadd st a                              ->
srem st a                              -> srem st
srem st zz                             ->
smove st st2 b                         -> srem st, new st2, sadd st2
smove st st2 c                         -> srem st, del st, sadd st2
sadd st2 d e f                         -> sadd st2
spop st2                               -> spop st2
spop st2 2                             -> spop st2
spop st2 10                            -> spop st2, del st2
sadd x 1 2                             -> new x, sadd x
sadd y 2 3                             -> new y, sadd y
sinterstore z x y                      -> new z, sinterstore z
sunionstore z x y                      -> sunionstore z
sdiffstore z x x                       -> del z
sdiffstore z x x                       ->
sinterstore z x y                      -> new z, sinterstore z
smembers nope                          -> keymiss nope
sadd st 1                              -> new st, sadd st
smove st x 1                           -> srem st, del st
scard nope                             -> keymiss nope
sinterstore x2 nope                    -> keymiss nope
sismember nope a                       -> keymiss nope

hset h a 1 b 2                         -> new h, hset h
hset h a 2                             -> hset h
hmset h c 3                            -> hset h
hsetnx h d 4                           -> hset h
hsetnx h d 4                           ->
hincrby h n 1                          -> hincrby h
hincrbyfloat h f 1.5                   -> hincrbyfloat h
hdel h a b                             -> hdel h
hdel h zz                              ->
hdel h c d n f                         -> hdel h, del h
hget nope a                            -> keymiss nope
hset h a 1                             -> new h, hset h
hgetall h                              ->
hrandfield nope                        -> keymiss nope
hstrlen nope a                         -> keymiss nope

hset h a 1 b 2 c 3                     -> new h, hset h
hexpire h 100 fields 2 a b             -> hexpire h
hpersist h fields 1 a                  -> hpersist h
hpersist h fields 1 a                  ->
hexpire h 0 fields 1 a                 -> hdel h
hpexpire h 5000 fields 1 zz            ->
hexpireat h 1 fields 2 b c             -> hdel h, del h
hset h a 1                             -> new h, hset h
hexpire h 100 nx fields 1 a            -> hexpire h
hexpire h 200 nx fields 1 a            ->

hset h a 1 b 2 c 3 d 4                 -> new h, hset h
hgetex h ex 100 fields 2 a b           -> hexpire h
hgetex h persist fields 1 a            -> hpersist h
hgetex h fields 1 a                    ->
hgetex h exat 1 fields 1 a             -> hdel h
hgetdel h fields 1 b                   -> hdel h
hgetdel h fields 1 zz                  ->
hgetdel h fields 2 c d                 -> hdel h, del h
hsetex h ex 100 fields 1 a 1           -> new h, hset h, hexpire h
hsetex h fields 1 a 1                  -> hset h
hsetex h keepttl fields 1 a 1          -> hset h
hsetex h exat 1 fields 1 a 1           -> hset h, hdel h, del h
hset h2 a 1 b 2                        -> new h2, hset h2
hsetex h2 exat 1 fields 2 a 1 b 3      -> hset h2, hdel h2, del h2
hsetex h3 pxat 1 fields 1 a 1          -> new h3, hset h3, hdel h3, del h3

zadd zs 1 a 2 b 3 c                    -> new zs, zadd zs
zadd zs 1 a                            ->
zadd zs 5 a                            -> zadd zs
zadd zs incr 1 a                       -> zincr zs
zincrby zs 1 b                         -> zincr zs
zrem zs a                              -> zrem zs
zrem zs nope                           ->
zremrangebyrank zs 0 0                 -> zremrangebyrank zs
zadd zs 1 a 2 b                        -> zadd zs
zremrangebyscore zs 1 1                -> zremrangebyscore zs
zadd zs 0 a 0 b 0 c                    -> zadd zs
zremrangebylex zs [a [a                -> zremrangebylex zs
zremrangebylex zs - +                  -> zremrangebylex zs, del zs
zadd zs 1 a 2 b 3 c                    -> new zs, zadd zs
zpopmin zs                             -> zpopmin zs
zpopmax zs 2                           -> zpopmax zs, del zs
zpopmin zs                             ->
zadd zs 1 a                            -> new zs, zadd zs
bzpopmin zs 0                          -> zpopmin zs, del zs
zadd z1 1 a                            -> new z1, zadd z1
zadd z2 2 a 3 b                        -> new z2, zadd z2
zunionstore z3 2 z1 z2                 -> new z3, zunionstore z3
zinterstore z3 2 z1 z2                 -> zinterstore z3
zdiffstore z3 2 z1 z2                  -> del z3
zdiffstore z3 2 z1 z2                  ->
zrangestore z3 z2 0 -1                 -> new z3, zrangestore z3
zrangestore z3 z2 5 6                  -> del z3
zmpop 1 z2 min count 5                 -> zpopmin z2, del z2
zrange nope 0 -1                       -> keymiss nope
zadd zs xx 1 a                         ->
zadd zs 1 a                            -> new zs, zadd zs
zremrangebyrank zs 0 -1                -> zremrangebyrank zs, del zs
bzmpop 0 1 z1 max                      -> zpopmax z1, del z1
zscore nope a                          -> keymiss nope

geoadd g 13 38 a 15 37 b               -> new g, zadd g
geoadd g 13 38 a                       ->
geosearchstore g2 g fromlonlat 15 37 byradius 200 km -> new g2, geosearchstore g2
geosearchstore g2 g fromlonlat 0 0 byradius 1 km -> del g2
georadius g 15 37 200 km store g3      -> new g3, georadiusstore g3
georadius g 0 0 1 m store g3           -> del g3
georadius g 0 0 1 m store g3           ->

xadd x 1-1 a 1                         -> new x, xadd x
xadd x maxlen = 1 2-1 a 1              -> xadd x, xtrim x
xadd x 3-1 a 1                         -> xadd x
xdel x 9-9                             ->
xdel x 3-1                             -> xdel x
xtrim x maxlen 0                       -> xtrim x
xtrim x maxlen 0                       ->
xadd x 5-1 a 1                         -> xadd x
xadd x 5-2 a 1                         -> xadd x
xsetid x 9-9                           -> xsetid x
xgroup create x g 0                    -> xgroup-create x
xgroup create x2 g 0 mkstream          -> new x2, xgroup-create x2
xgroup createconsumer x g c            -> xgroup-createconsumer x
xgroup createconsumer x g c            ->
xreadgroup group g c count 1 streams x > ->
xreadgroup group g d count 1 streams x > -> xgroup-createconsumer x
xreadgroup group g new streams x 0     -> xgroup-createconsumer x
xack x g 5-1                           ->
xclaim x g e 0 5-2                     -> xgroup-createconsumer x
xclaim x g c 0 5-2                     ->
xautoclaim x g f 0 0                   -> xgroup-createconsumer x
xgroup delconsumer x g c               -> xgroup-delconsumer x
xgroup delconsumer x g nope            ->
xgroup setid x g 0                     -> xgroup-setid x
xgroup destroy x g                     -> xgroup-destroy x
xgroup destroy x g                     ->
xread streams nope 0                   -> keymiss nope, keymiss nope
xadd x3 nomkstream * a 1               ->
xlen nope                              -> keymiss nope
xrange nope - +                        -> keymiss nope
xdel x 5-1 5-2                         -> xdel x
xadd x maxlen 0 10-1 a 1               -> xadd x, xtrim x

setbit b 1 1                           -> new b, setbit b
setbit b 1 1                           ->
setbit b 100 0                         -> setbit b
bitop and b2 b b                       -> new b2, set b2
bitop and b2 nope                      -> keymiss nope, del b2
bitop and b2 nope                      -> keymiss nope
bitfield b set u8 0 5                  -> setbit b
bitfield b set u8 0 5                  ->
bitfield b get u8 0                    ->
bitfield b incrby u8 0 1               -> setbit b
bitfield b2 set u8 0 0                 -> new b2, setbit b2
pfadd p a b                            -> new p, pfadd p
pfadd p a                              ->
pfadd p2                               -> new p2, pfadd p2
pfcount p                              ->
pfcount p                              ->
pfmerge p3 p p2                        -> keymiss p3, new p3, pfadd p3
pfmerge p3 p                           -> pfadd p3
getbit nope 1                          -> keymiss nope
bitcount nope                          -> keymiss nope
pfcount nope                           -> keymiss nope

rpush l 3 1 2                          -> new l, rpush l
sort l store l4                        -> new l4, sortstore l4
sort nope store l4                     -> keymiss nope, del l4
sort nope store l4                     -> keymiss nope
sort l                                 ->
sort nope                              -> keymiss nope
set sk 1                               -> new sk, set sk
flushdb                                ->
set a 1                                -> new a, set a
swapdb 0 1                             ->
swapdb 0 1                             ->
set a 1 px 1                           -> set a, expire a
DEBUG SLEEP 0.02                       ->
get a                                  -> expired a, keymiss a
set a 1 px 1                           -> new a, set a, expire a
DEBUG SLEEP 0.02                       ->
del a                                  -> expired a
set a 1 px 1                           -> new a, set a, expire a
DEBUG SLEEP 0.02                       ->
set a 2                                -> expired a, new a, set a
set a 1 px 1                           -> set a, expire a
DEBUG SLEEP 0.02                       ->
rename a b                             -> expired a
hset h a 1 b 2                         -> new h, hset h
hpexpire h 1 fields 1 a                -> hexpire h
DEBUG SLEEP 0.02                       ->
hget h a                               -> hexpired h
hset h a 3                             -> hset h

set a 1                                -> new a, set a
set b 2 px 1                           -> new b, set b, expire b
DEBUG SLEEP 0.02                       ->
rename a b                             -> expired b, new b, rename_from a, rename_to b
set b 2 px 1                           -> set b, expire b
DEBUG SLEEP 0.02                       ->
copy nope b                            -> keymiss nope
lpush lst a                            -> new lst, lpush lst
rename lst lst2                        -> new lst2, rename_from lst, rename_to lst2
sadd s1 a                              -> new s1, sadd s1
smove s1 s1 a                          ->
lmpop 1 s1 left                        ->
set s1 x                               -> set s1
sunionstore s1 nope                    -> keymiss nope, del s1
sadd s2 a                              -> new s2, sadd s2
sunionstore s2 s2                      -> sunionstore s2
set lst2 5                             -> set lst2
rpush q1 a                             -> new q1, rpush q1
rename q1 lst2                         -> new lst2, rename_from q1, rename_to lst2
del lst2                               -> del lst2
move a 9                               ->
hset hh a 1                            -> new hh, hset hh
hdel hh a a                            -> hdel hh, del hh
setrange nope 5 x                      -> new nope, setrange nope
append nope2 x                         -> new nope2, append nope2
"""

# Where versions have other events, or none, the command being the same.
DIFFERENT: dict[str, str] = {}

# What Valkey calls expired that Redis calls deleted: what is given a deadline in the past.
VALKEY_FORMS = """
set k v                                -> new k, set k
set k w pxat 1                         -> expired k
set k v pxat 1                         ->
set k v                                -> new k, set k
getex k exat 1                         -> expired k
set k v                                -> new k, set k
expire k -1                            -> expired k
hset h a 1 b 2 c 3                     -> new h, hset h
hexpire h 0 fields 1 a                 -> hexpired h
hgetex h exat 1 fields 1 b             -> hexpired h
hsetex h exat 1 fields 1 c 1           -> hset h, hexpire h, hexpired h, del h
"""


def _stories(text: str) -> list[list[tuple[str, list[str]]]]:
    stories = []
    for block in text.strip().split("\n\n"):
        pairs = (line.split("->") for line in block.splitlines())
        stories.append([(command.strip(), [event.strip() for event in events.split(",") if event.strip()])
                        for command, events in pairs])
    return stories


FORMS = _stories(_TEXT)
VALKEY_STORY = _stories(VALKEY_FORMS)[0]


def words_of(command: str) -> list[bytes]:
    return [word.encode() for word in command.split(" ")]


class Listener:
    """A subscriber to all events of a server, which it switches on; mark, a request, ends the events of a command."""

    _END = b"__keys_end"
    mark = request("PUBLISH", _END, "")

    def __init__(self, server: ServerProcess) -> None:
        server.config("notify-keyspace-events", "KEAmn")
        self._connection: Connection = server.connect(protocol=3)
        self._connection("PSUBSCRIBE", "__key*")

    def events(self) -> list[str]:
        """The events up to the next mark. Each must come both by key and by event, in this order."""
        found = []
        while True:
            _, _, channel, name = self._connection.read()
            if channel == self._END:
                return found
            space, _, key = channel.partition(b"__:")
            number = space.removeprefix(b"__keyspace@")
            _, _, twin, same_key = self._connection.read()
            assert (twin, same_key) == (b"__keyevent@%s__:%s" % (number, name), key)
            shown = key.decode("utf-8", "backslashreplace") + ("" if number == b"0" else f"@{number.decode()}")
            found.append(f"{name.decode()} {shown}")
