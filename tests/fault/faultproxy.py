#!/usr/bin/python3
"""An HTTP server's bad days, on order.

    faultproxy.py [--port N] [--seed N] [--rule RULE]... HOST:PORT

Stands in front of one plain HTTP server and passes everything through as it
is, Host included, so that signatures stay good.  Prints its port on the first
line (port 0, the default, takes a free one) and runs until it is killed.

A rule is FAULT[=V][@REGEX][#FROM[-[TO]]][%PROB].  REGEX is searched in
"METHOD TARGET"; FROM and TO count the requests that it matches, from 1; PROB
is in percent.  The first rule that applies to a request is carried out:

    status=503[:CODE]  answer so, with an S3 error, without asking the server
    body[=CODE]        answer 200 with an S3 error in the body, likewise;
                       "body=": with no body at all
    close              close the connection instead of an answer
    reset              reset it (RST), likewise
    cutreq[=N]         cut both connections after N bytes of the request's
                       body (half of it)
    cutresp[=N]        close after N bytes of the answer's body (half of it)
    lost               let the server carry it out, then reset: no answer
    delay=S            wait S seconds before the server is asked
    stall[=N]          N bytes of the answer's body, then nothing more, ever;
                       without N not even its head, and the server not asked
    slow=N             N bytes a second in both directions
    flip[=N]           one bit of byte N of the answer's body (the middle)

Control: GET /__rules shows them, PUT or POST replaces them (one a line) and
starts counting and the log anew, DELETE removes all.  GET /__log has one line
for each request: METHOD TARGET STATUS FAULT, with '-' for what was not.
"""
import argparse
import asyncio
import random
import re
import socket
import struct
import sys

PIECE = 256 * 1024
HEAD_MAX = 256 * 1024
RULE = re.compile(
    r"(?P<fault>[a-z]+)(?:=(?P<value>[^@#%]*))?(?:@(?P<regex>.*?))?"
    r"(?:#(?P<first>\d+)(?P<dash>-(?P<last>\d*))?)?(?:%(?P<prob>[\d.]+))?")
FAULTS = {"status", "body", "close", "reset", "cutreq", "cutresp", "lost",
          "delay", "stall", "slow", "flip"}
WANT_VALUE = {"status", "delay", "slow"}


class Cut(Exception):
    """The connection ends here, on purpose."""


class Stall(Exception):
    """Nothing more comes, until the client gives up."""


class Rule:
    def __init__(self, text):
        m = RULE.fullmatch(text)
        if m is None or m["fault"] not in FAULTS:
            raise ValueError(f"bad rule: {text}")
        if m["value"] is None and m["fault"] in WANT_VALUE:
            raise ValueError(f"{m['fault']} wants a value: {text}")
        self.text = text
        self.fault = m["fault"]
        self.value = m["value"]
        if self.fault not in ("status", "body") and self.value is not None:
            self.value = (float if self.fault == "delay" else int)(self.value)
        self.regex = re.compile(m["regex"] or "")
        self.first = int(m["first"] or 1)
        if m["first"] is None or (m["dash"] and not m["last"]):
            self.last = float("inf")
        else:
            self.last = int(m["last"] or m["first"])
        self.prob = float(m["prob"]) if m["prob"] else 100.0
        self.seen = 0

    def applies(self, request, dice):
        if not self.regex.search(request):
            return False
        self.seen += 1
        return (self.first <= self.seen <= self.last and
                (self.prob >= 100 or dice.random() * 100 < self.prob))


class Message:
    """The head of a request or an answer, and how its body is framed."""

    def __init__(self, head):
        self.head = head
        lines = head.decode("latin-1").split("\r\n")
        self.start = lines[0].split(" ", 2)
        if len(self.start) < 2:
            raise ValueError("no HTTP")
        self.fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            if name:
                self.fields[name.strip().lower()] = value.strip()
        self.chunked = self.has("transfer-encoding", "chunked")
        self.length = int(self.fields.get("content-length", -1))

    def has(self, name, word):
        return word in self.fields.get(name, "").lower()

    async def body(self, reader):
        """Yield (bytes, are they payload)."""
        if self.chunked:
            size = 1
            while size > 0:
                line = await reader.readuntil(b"\n")
                size = int(line.split(b";")[0], 16)
                yield line, False
                left = size
                while left > 0:
                    data = await reader.read(min(left, PIECE))
                    if not data:
                        raise asyncio.IncompleteReadError(b"", left)
                    left -= len(data)
                    yield data, True
                if size > 0:
                    yield await reader.readexactly(2), False
            while line not in (b"\r\n", b"\n"):
                line = await reader.readuntil(b"\n")
                yield line, False
            return
        left = self.length if self.length >= 0 else float("inf")
        while left > 0:
            data = await reader.read(int(min(left, PIECE)))
            if not data:
                if self.length >= 0:
                    raise asyncio.IncompleteReadError(b"", int(left))
                return
            left -= len(data)
            yield data, True


async def read_head(reader):
    """The next head, or None where the peer has ended."""
    try:
        return Message(await reader.readuntil(b"\r\n\r\n"))
    except asyncio.IncompleteReadError as e:
        if e.partial:
            raise
        return None


async def relay(message, reader, writer, cut=None, flip=None, stall=None,
                rate=None):
    """Pass a body on, with what is to happen to it."""
    done = 0
    if cut == 0:
        raise Cut
    async for data, payload in message.body(reader):
        if payload:
            if flip is not None and done <= flip < done + len(data):
                data = bytearray(data)
                data[flip - done] ^= 1
            end = stall if stall is not None else cut
            if end is not None and done + len(data) >= end:
                writer.write(data[:end - done])
                await writer.drain()
                raise Stall if stall is not None else Cut
            done += len(data)
        if rate is not None:
            step = max(1, rate // 20)
            for i in range(0, len(data), step):
                writer.write(data[i:i + step])
                await writer.drain()
                await asyncio.sleep(len(data[i:i + step]) / rate)
        else:
            writer.write(data)
            await writer.drain()


def reset(writer):
    sock = writer.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                        struct.pack("ii", 1, 0))
    writer.transport.abort()


def error_xml(code, pad=0):
    return (f'<?xml version="1.0" encoding="UTF-8"?>\n{" " * pad}<Error>'
            f"<Code>{code}</Code><Message>on order</Message>"
            f"<RequestId>faultproxy</RequestId></Error>").encode()


class Proxy:
    def __init__(self, host, port, rules, seed):
        self.upstream = host, port
        self.rules = rules
        self.dice = random.Random(seed)
        self.log = []

    def pick(self, request):
        """Every rule counts; the first that applies is taken."""
        hits = [r for r in self.rules if r.applies(request, self.dice)]
        return hits[0] if hits else None

    def control(self, request, body):
        path, method = request.start[1], request.start[0]
        if path == "/__log" and method == "GET":
            return 200, "".join(" ".join(e) + "\n" for e in self.log)
        if path != "/__rules":
            return 404, "no such control\n"
        if method in ("PUT", "POST"):
            try:
                self.rules = [Rule(t) for t in body.decode().split("\n") if t]
            except (ValueError, re.error) as e:
                return 400, f"{e}\n"
            self.log = []
        elif method == "DELETE":
            self.rules = []
        return 200, "".join(r.text + "\n" for r in self.rules)

    async def answer(self, writer, status, body, kind="application/xml",
                     close=False):
        writer.write((f"HTTP/1.1 {status} On-Order\r\nContent-Type: {kind}\r\n"
                      f"Content-Length: {len(body)}\r\n" +
                      ("Connection: close\r\n" if close else "") +
                      "\r\n").encode() + body)
        await writer.drain()

    async def instead(self, request, reader, writer, status, body, entry):
        """Answer in the server's place; False if the client must reconnect."""
        waits = request.has("expect", "100-continue")
        if not waits and (request.chunked or request.length > 0):
            async for _ in request.body(reader):
                pass
        entry[2] = str(status)
        if request.start[0] == "HEAD":
            body = b""
        await self.answer(writer, status, body, close=waits)
        return not waits

    async def forward(self, request, reader, writer, up, rule, entry):
        """One exchange with the server; False if a connection is used up."""
        fault = rule.fault if rule else None
        value = rule.value if rule else None
        rate = value if fault == "slow" else None
        cut = None
        if fault == "cutreq":
            cut = value if value is not None else max(request.length, 0) // 2
        up_reader, up_writer = up
        up_writer.write(request.head)
        await up_writer.drain()
        sending = None
        if request.chunked or request.length > 0 or cut is not None:
            if not request.chunked and request.length < 0:
                request.length = 0
            sending = asyncio.ensure_future(
                relay(request, reader, up_writer, cut=cut, rate=rate))
        try:
            if cut is not None:
                await sending
            while True:
                reply = await read_head(up_reader)
                if reply is None:
                    raise Cut
                if reply.start[1] != "100":
                    break
                writer.write(reply.head)
                await writer.drain()
            entry[2] = reply.start[1]
            if request.start[0] == "HEAD" or reply.start[1] in ("204", "304"):
                reply.chunked, reply.length = False, 0
            await self.deliver(reply, up_reader, writer, fault, value, rate)
            whole = sending is None or sending.done()
            if whole and sending is not None:
                await sending
        finally:
            if sending is not None:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
        return (whole and (reply.chunked or reply.length >= 0) and
                not reply.has("connection", "close") and
                not request.has("connection", "close"))

    async def deliver(self, reply, up_reader, writer, fault, value, rate):
        """Hand the server's answer to the client, or what is to be left."""
        if fault == "lost":
            async for _ in reply.body(up_reader):
                pass
            reset(writer)
            raise Cut
        half = max(reply.length, 0) // 2
        at = value if value is not None else half
        if fault == "cutresp" and reply.length == 0:
            writer.write(reply.head[:len(reply.head) // 2])
            await writer.drain()
            raise Cut
        writer.write(reply.head)
        await writer.drain()
        await relay(reply, up_reader, writer, rate=rate,
                    cut=at if fault == "cutresp" else None,
                    flip=at if fault == "flip" else None,
                    stall=at if fault == "stall" else None)

    async def exchange(self, request, reader, writer, up):
        """One request of a client.  False ends its connection."""
        method, target = request.start[0], request.start[1]
        if target.startswith("/__"):
            body = b""
            if request.chunked or request.length > 0:
                body = b"".join([d async for d, p in request.body(reader) if p])
            status, text = self.control(request, body)
            await self.answer(writer, status, text.encode(), "text/plain")
            return True
        rule = self.pick(f"{method} {target}")
        fault = rule.fault if rule else None
        entry = [method, target, "-", rule.text if rule else "-"]
        self.log.append(entry)
        if fault == "close":
            return False
        if fault == "reset":
            reset(writer)
            return False
        if fault == "stall" and rule.value is None:
            raise Stall
        if fault == "status":
            status, _, code = rule.value.partition(":")
            return await self.instead(request, reader, writer, int(status),
                                      error_xml(code or "ServiceUnavailable"),
                                      entry)
        if fault == "body":
            body = b"" if rule.value == "" else error_xml(
                rule.value or "InternalError", pad=64)
            return await self.instead(request, reader, writer, 200, body,
                                      entry)
        if fault == "delay":
            await asyncio.sleep(rule.value)
        if up and up[0].at_eof():
            up.pop().close()
            up.clear()
        if not up:
            try:
                up += await asyncio.open_connection(*self.upstream,
                                                    limit=HEAD_MAX)
            except OSError as e:
                entry[2] = "502"
                await self.answer(writer, 502, str(e).encode(), close=True)
                return False
        if request.length < 0 and not request.chunked:
            request.length = 0
        kept = await self.forward(request, reader, writer, up, rule, entry)
        # Swift sends the end of a chunked body after a HEAD's answer too.
        if method == "HEAD":
            up.pop().close()
            up.clear()
        return kept

    async def talk(self, reader, writer, up):
        while True:
            request = await read_head(reader)
            if request is None:
                return
            if not await self.exchange(request, reader, writer, up):
                return

    async def client(self, reader, writer):
        up = []
        try:
            try:
                await self.talk(reader, writer, up)
            except Stall:
                while await reader.read(PIECE):
                    pass
        except (Cut, OSError, ValueError, asyncio.IncompleteReadError,
                asyncio.LimitOverrunError):
            pass
        finally:
            for w in [writer] + up[1:]:
                w.close()


async def main():
    ap = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--port", type=int, default=0)
    ap.add_argument("--seed", type=int)
    ap.add_argument("--rule", action="append", default=[])
    ap.add_argument("upstream")
    args = ap.parse_args()
    host, _, port = args.upstream.rpartition(":")
    try:
        proxy = Proxy(host, int(port), [Rule(t) for t in args.rule], args.seed)
    except (ValueError, re.error) as e:
        sys.exit(f"faultproxy: {e}")
    server = await asyncio.start_server(proxy.client, "127.0.0.1", args.port,
                                        limit=HEAD_MAX)
    # In one write, also under PYTHONUNBUFFERED: the reader may close then.
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()

if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
