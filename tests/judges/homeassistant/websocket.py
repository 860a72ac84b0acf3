"""A client of Home Assistant's WebSocket, for the commands that REST lacks."""

import base64
import json
import os
import socket
import struct
import urllib.parse

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class Closed(Exception):
    pass


class WebSocket:
    """One connection that has shown a token."""

    def __init__(self, url, token, timeout=30.0):
        parts = urllib.parse.urlsplit(url)
        self.connection = socket.create_connection((parts.hostname, parts.port or 8123), timeout=timeout)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader, self.last = self.connection.makefile("rb"), 0
        key = base64.b64encode(os.urandom(16)).decode()
        self.connection.sendall(
            f"GET /api/websocket HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        while self.reader.readline().strip():
            pass
        self.receive()
        self.send({"type": "auth", "access_token": token})
        self.version = self.receive()["ha_version"]

    def frame(self, kind, payload):
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else struct.pack(">BH", 0xFE, size) if size < 1 << 16 else struct.pack(">BQ", 0xFF, size)
        # A mask of zeros is one.
        self.connection.sendall(bytes([0x80 | kind]) + length + bytes(4) + payload)

    def send(self, message):
        self.frame(TEXT, json.dumps(message).encode())

    def receive(self):
        while True:
            head = self.reader.read(2)
            if len(head) < 2 or head[0] & 0x0F == CLOSE:
                raise Closed
            size = head[1]
            if size >= 126:
                size = int.from_bytes(self.reader.read(2 if size == 126 else 8), "big")
            payload = self.reader.read(size)
            if head[0] & 0x0F == PING:
                self.frame(PONG, payload)
            elif head[0] & 0x0F == TEXT:
                return json.loads(payload)

    def command(self, kind, **fields):
        """Sends a command and returns its result; events meanwhile are dropped."""
        self.last += 1
        number = self.last
        self.send({"id": number, "type": kind, **fields})
        while True:
            message = self.receive()
            if message.get("id") == number and message["type"] == "result":
                if not message["success"]:
                    raise ValueError(f"{kind}: {message['error']}")
                return message["result"]

    def close(self):
        self.reader.close()
        self.connection.close()
