#!/usr/bin/env python3
"""Everything a Redis server holds, key by key, in a form that can be compared.

usage: rediskeys.py SOCKET          (the password is in $REDISPW)
       rediskeys.py --fill SOCKET   all types of values, in every encoding
"""
import os
import socket
import sys


class Redis:
    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(path)
        self.f = self.s.makefile("rb")
        self.do("AUTH", os.environ["REDISPW"])

    def do(self, *words):
        words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        self.s.sendall(b"*%d\r\n" % len(words) + b"".join(
            b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
        return self.reply()

    def reply(self):
        line = self.f.readline()[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            raise SystemExit("redis: " + rest.decode())
        if kind in b"+:":
            return rest
        n = int(rest)
        if n < 0:
            return None
        if kind == b"*":
            return [self.reply() for _ in range(n)]
        return self.f.read(n + 2)[:-2]


def pairs(flat):
    return sorted(zip(flat[::2], flat[1::2]))


def value(r, kind, key):
    if kind == b"string":
        return r.do("GET", key)
    if kind == b"list":
        return r.do("LRANGE", key, 0, -1)
    if kind == b"set":
        return sorted(r.do("SMEMBERS", key))
    if kind == b"hash":
        return pairs(r.do("HGETALL", key))
    if kind == b"zset":
        return r.do("ZRANGE", key, 0, -1, "WITHSCORES")
    groups = [g[:4] + g[6:8] for g in r.do("XINFO", "GROUPS", key)]
    return r.do("XRANGE", key, "-", "+"), groups, r.do("XINFO", "STREAM", key)[7]


def show(r):
    print("functions", r.do("FUNCTION", "LIST", "WITHCODE"))
    for db in range(16):
        r.do("SELECT", db)
        for key in sorted(r.do("KEYS", "*")):
            kind = r.do("TYPE", key)
            print(db, key, kind, r.do("PEXPIRETIME", key), value(r, kind, key))


def fill(r):
    for i in range(300):
        r.do("SET", "small:%d" % i, i)
    r.do("SET", "text", "ü" * 20)
    r.do("SET", b"bin\x00\xff\r\n", bytes(range(256)) * 40)
    r.do("SET", "dies", "later", "PX", 86400000)
    r.do("SETBIT", "bits", 100000, 1)
    r.do("PFADD", "hll", *range(500))
    r.do("RPUSH", "list", 1, "two", "")
    r.do("RPUSH", "list:long", *["x" * 100 + str(i) for i in range(800)])
    r.do("SADD", "set:int", *range(50))
    r.do("SADD", "set:text", "a", "b")
    r.do("SADD", "set:long", *["m%d" % i for i in range(900)])
    r.do("HSET", "hash", "a", 1, "b", "")
    r.do("HSET", "hash:long", *[x for i in range(700) for x in ("f%d" % i, "v" * 70)])
    r.do("ZADD", "zset", 1.5, "a", "-inf", "b")
    r.do("ZADD", "zset:long", *[x for i in range(700) for x in (i / 7, "z%d" % i)])
    r.do("GEOADD", "geo", 13.36, 38.11, "Palermo")
    for i in range(250):
        r.do("XADD", "stream", "%d-1" % (i + 1), "n", i)
    r.do("XGROUP", "CREATE", "stream", "g", "0")
    r.do("XREADGROUP", "GROUP", "g", "c", "COUNT", 7, "STREAMS", "stream", ">")
    r.do("FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 1 end)")
    for db in (1, 15):
        r.do("SELECT", db)
        r.do("SET", "in", db)


if sys.argv[1] == "--fill":
    fill(Redis(sys.argv[2]))
else:
    show(Redis(sys.argv[1]))
