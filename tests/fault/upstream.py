#!/usr/bin/python3
"""A small HTTP server behind the fault proxy, for the proxy's own test.

Keeps what is PUT under a path and gives it back; GET /puts is the number of
PUTs carried out.  Prints its port.
"""
import hashlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

stored = {}
puts = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def reply(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_PUT(self):
        global puts
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) < length:
                self.close_connection = True
                return
        stored[self.path] = body
        puts += 1
        self.reply(200, hashlib.sha256(body).hexdigest().encode())

    def do_GET(self):
        if self.path == "/puts":
            self.reply(200, str(puts).encode())
        elif self.path in stored:
            self.reply(200, stored[self.path])
        else:
            self.reply(404, b"")

    do_HEAD = do_GET

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
