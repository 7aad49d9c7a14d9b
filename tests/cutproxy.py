#!/usr/bin/env python3
"""usage: cutproxy.py PORT N: pass one connection on to 127.0.0.1:PORT and
end it after N bytes of answers.  Prints the port that it listens on."""
import selectors
import socket
import sys

to, left = int(sys.argv[1]), int(sys.argv[2])
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
client, _ = listener.accept()
server = socket.create_connection(("127.0.0.1", to))
sel = selectors.DefaultSelector()
sel.register(client, selectors.EVENT_READ, server)
sel.register(server, selectors.EVENT_READ, client)
while left > 0:
    for key, _ in sel.select():
        data = key.fileobj.recv(min(left, 65536))
        if not data:
            sys.exit(0)
        if key.fileobj is server:
            left -= len(data)
        key.data.sendall(data)
