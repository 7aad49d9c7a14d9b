#!/usr/bin/env python3
"""Make a stream of a text (or '-': standard input), or take its payload out.

Behind the text: members of the header as JSON, those in "end" of the end line.

Written from bk-stream(7) alone, with nothing of bk, so that both sides of the
format are checked by something that does not share their faults.
"""
import hashlib
import json
import sys
import zlib


def line(obj):
    return json.dumps(obj, separators=(",", ":")).encode() + b"\n"


def seal(body, end):
    text = json.dumps(end, separators=(",", ":"))[:-1].encode() + b',"crc32":"'
    crc = zlib.crc32(body + text)
    return body + text + b'%08x"}\n' % crc


def header(**more):
    h = {"bk": "stream/1", "name": "app", "engine": "fake", "ext": "bin",
         "time": "2026-11-21T10:00:00Z", "host": "db1", "source": {},
         "tags": {}, "filters": [], "info": {}}
    h.update(more)
    return h


def make(data, block=1 << 20, end=None, **more):
    body = line(header(**more))
    for i in range(0, len(data), block):
        piece = data[i:i + block]
        body += line({"data": len(piece)}) + piece
    stage = {"stage": "fake", "bytes": len(data),
             "sha256": hashlib.sha256(data).hexdigest()}
    return seal(body, {"end": "ok", "stages": [stage], "info": {"proof": "exit"},
                       **(end or {})})


def payload(stream):
    out = b""
    head, _, rest = stream.partition(b"\n")
    json.loads(head)
    while True:
        text, _, rest = rest.partition(b"\n")
        obj = json.loads(text)
        if "end" in obj:
            if obj["end"] != "ok" or rest:
                sys.exit("not a whole stream")
            before = len(stream) - len(rest) - 1 - 10
            if "%08x" % zlib.crc32(stream[:before]) != obj["crc32"]:
                sys.exit("the CRC differs")
            return out
        out += rest[:obj["data"]]
        rest = rest[obj["data"]:]


def main(args):
    out = sys.stdout.buffer
    if args[0] == "--payload":
        out.write(payload(sys.stdin.buffer.read()))
    elif args[0] == "--failed":
        out.write(seal(line(header()), {"end": "failed", "status": int(args[1]),
                                        "stage": "test", "reason": "as asked"}))
    else:
        data = sys.stdin.buffer.read() if args[0] == "-" else args[0].encode()
        more = json.loads(args[1]) if len(args) > 1 else {}
        out.write(make(data, **more))


if __name__ == "__main__":
    main(sys.argv[1:])
