# cython: binding=True
"""The most used methods of redis-py's client, with its signatures, without its way to the connection.

Each does what redis-py's method of its name does in its most common form, and leaves the rest to it: other options, and
all while commands are not executed by sessions, or the client's class or the client itself has an execute_command of
its own.
They are bound functions (the directive above), so that their signatures can be seen.
"""
from cpython.dict cimport PyDict_GetItem
from redislite._core.embedded.executor cimport Executor, Name, plain_name

cdef Name APPEND = plain_name("APPEND")
cdef Name DEL = plain_name("DEL")
cdef Name EXISTS = plain_name("EXISTS")
cdef Name EXPIRE = plain_name("EXPIRE")
cdef Name GET = plain_name("GET")
cdef Name HDEL = plain_name("HDEL")
cdef Name HEXISTS = plain_name("HEXISTS")
cdef Name HGET = plain_name("HGET")
cdef Name HGETALL = plain_name("HGETALL")
cdef Name HINCRBY = plain_name("HINCRBY")
cdef Name HLEN = plain_name("HLEN")
cdef Name HSET = plain_name("HSET")
cdef Name INCRBY = plain_name("INCRBY")
cdef Name DECRBY = plain_name("DECRBY")
cdef Name LLEN = plain_name("LLEN")
cdef Name LPOP = plain_name("LPOP")
cdef Name LPUSH = plain_name("LPUSH")
cdef Name LRANGE = plain_name("LRANGE")
cdef Name MGET = plain_name("MGET")
cdef Name RPOP = plain_name("RPOP")
cdef Name RPUSH = plain_name("RPUSH")
cdef Name SADD = plain_name("SADD")
cdef Name SCARD = plain_name("SCARD")
cdef Name SET = plain_name("SET")
cdef Name SISMEMBER = plain_name("SISMEMBER")
cdef Name SMEMBERS = plain_name("SMEMBERS")
cdef Name SREM = plain_name("SREM")
cdef Name STRLEN = plain_name("STRLEN")
cdef Name TTL = plain_name("TTL")
cdef Name ZADD = plain_name("ZADD")
cdef Name ZCARD = plain_name("ZCARD")
cdef Name ZREM = plain_name("ZREM")
cdef Name ZSCORE = plain_name("ZSCORE")


cdef class NativeClient(Executor):
    """A base class of synchronous clients."""
    cdef object own_function    # execute_command of the class that is made for this

    def use_methods(self, own) -> None:
        """Has these methods execute commands, where nobody has overridden execute_command of this class."""
        self.own_function = own.execute_command

    cdef bint is_native(self) except -1:
        return self.own_function is not None and self.is_direct() and \
            type(self).execute_command is self.own_function and PyDict_GetItem(self.__dict__, "execute_command") == NULL

    def get(self, name):
        if self.is_native():
            return self.run(GET, ("GET", name), None)
        return self.behind.get(self, name)

    def set(self, name, value, *args, **options):
        if not (args or options) and self.is_native():
            return self.run(SET, ("SET", name, value), None)
        return self.behind.set(self, name, value, *args, **options)

    def mget(self, keys, *args):
        if type(keys) in (list, tuple) and keys and self.is_native():
            return self.run(MGET, ("MGET", *keys, *args), None)
        return self.behind.mget(self, keys, *args)

    def incr(self, name, amount=1):
        if self.is_native():
            return self.run(INCRBY, ("INCRBY", name, amount), None)
        return self.behind.incr(self, name, amount)

    def decr(self, name, amount=1):
        if self.is_native():
            return self.run(DECRBY, ("DECRBY", name, amount), None)
        return self.behind.decr(self, name, amount)

    def append(self, key, value):
        if self.is_native():
            return self.run(APPEND, ("APPEND", key, value), None)
        return self.behind.append(self, key, value)

    def strlen(self, name):
        if self.is_native():
            return self.run(STRLEN, ("STRLEN", name), None)
        return self.behind.strlen(self, name)

    def delete(self, *names):
        if self.is_native():
            return self.run(DEL, ("DEL", *names), None)
        return self.behind.delete(self, *names)

    def exists(self, *names):
        if self.is_native():
            return self.run(EXISTS, ("EXISTS", *names), None)
        return self.behind.exists(self, *names)

    def expire(self, name, time, *args, **options):
        if type(time) is int and not (args or options) and self.is_native():
            return self.run(EXPIRE, ("EXPIRE", name, time), None)
        return self.behind.expire(self, name, time, *args, **options)

    def ttl(self, name):
        if self.is_native():
            return self.run(TTL, ("TTL", name), None)
        return self.behind.ttl(self, name)

    def hget(self, name, key):
        if self.is_native():
            return self.run(HGET, ("HGET", name, key), None)
        return self.behind.hget(self, name, key)

    def hset(self, name, key=None, value=None, mapping=None, items=None):
        if key is not None and not mapping and not items and self.is_native():
            return self.run(HSET, ("HSET", name, key, value), None)
        return self.behind.hset(self, name, key, value, mapping, items)

    def hdel(self, name, *keys):
        if self.is_native():
            return self.run(HDEL, ("HDEL", name, *keys), None)
        return self.behind.hdel(self, name, *keys)

    def hexists(self, name, key):
        if self.is_native():
            return self.run(HEXISTS, ("HEXISTS", name, key), None)
        return self.behind.hexists(self, name, key)

    def hgetall(self, name):
        if self.is_native():
            return self.run(HGETALL, ("HGETALL", name), None)
        return self.behind.hgetall(self, name)

    def hincrby(self, name, key, amount=1):
        if self.is_native():
            return self.run(HINCRBY, ("HINCRBY", name, key, amount), None)
        return self.behind.hincrby(self, name, key, amount)

    def hlen(self, name):
        if self.is_native():
            return self.run(HLEN, ("HLEN", name), None)
        return self.behind.hlen(self, name)

    def lpush(self, name, *values):
        if self.is_native():
            return self.run(LPUSH, ("LPUSH", name, *values), None)
        return self.behind.lpush(self, name, *values)

    def rpush(self, name, *values):
        if self.is_native():
            return self.run(RPUSH, ("RPUSH", name, *values), None)
        return self.behind.rpush(self, name, *values)

    def lpop(self, name, count=None):
        if count is None and self.is_native():
            return self.run(LPOP, ("LPOP", name), None)
        return self.behind.lpop(self, name, count)

    def rpop(self, name, count=None):
        if count is None and self.is_native():
            return self.run(RPOP, ("RPOP", name), None)
        return self.behind.rpop(self, name, count)

    def llen(self, name):
        if self.is_native():
            return self.run(LLEN, ("LLEN", name), None)
        return self.behind.llen(self, name)

    def lrange(self, name, start, end):
        if self.is_native():
            return self.run(LRANGE, ("LRANGE", name, start, end), None)
        return self.behind.lrange(self, name, start, end)

    def sadd(self, name, *values):
        if self.is_native():
            return self.run(SADD, ("SADD", name, *values), None)
        return self.behind.sadd(self, name, *values)

    def srem(self, name, *values):
        if self.is_native():
            return self.run(SREM, ("SREM", name, *values), None)
        return self.behind.srem(self, name, *values)

    def scard(self, name):
        if self.is_native():
            return self.run(SCARD, ("SCARD", name), None)
        return self.behind.scard(self, name)

    def sismember(self, name, value):
        if self.is_native():
            return self.run(SISMEMBER, ("SISMEMBER", name, value), None)
        return self.behind.sismember(self, name, value)

    def smembers(self, name):
        if self.is_native():
            return self.run(SMEMBERS, ("SMEMBERS", name), None)
        return self.behind.smembers(self, name)

    def zadd(self, name, mapping, *args, **options):
        cdef list words
        if type(mapping) is dict and mapping and not (args or options) and self.is_native():
            words = ["ZADD", name]
            for member, score in mapping.items():
                words.append(score)
                words.append(member)
            return self.run(ZADD, tuple(words), {})
        return self.behind.zadd(self, name, mapping, *args, **options)

    def zrem(self, name, *values):
        if self.is_native():
            return self.run(ZREM, ("ZREM", name, *values), None)
        return self.behind.zrem(self, name, *values)

    def zcard(self, name):
        if self.is_native():
            return self.run(ZCARD, ("ZCARD", name), None)
        return self.behind.zcard(self, name)

    def zscore(self, name, value):
        if self.is_native():
            return self.run(ZSCORE, ("ZSCORE", name, value), None)
        return self.behind.zscore(self, name, value)
