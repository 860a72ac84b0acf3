"""A port before Home Assistant that passes everything on, and counts it."""

import socket
import threading
import time
import urllib.parse

from judges import HOST


class Relay:
    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.target = parts.hostname, parts.port or 8123
        self.listener = socket.create_server((HOST, 0))
        self.port = self.listener.getsockname()[1]
        self.connected, self.bytes = [], {"to the meter": 0, "from the meter": 0}
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connected.append(time.monotonic())
            try:
                server = socket.create_connection(self.target)
            except OSError:
                client.close()
                continue
            for source, target, way in ((client, server, "from the meter"), (server, client, "to the meter")):
                threading.Thread(target=self.copy, args=(source, target, way), daemon=True).start()

    def copy(self, source, target, way):
        try:
            while data := source.recv(1 << 16):
                self.bytes[way] += len(data)
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def end(self):
        self.listener.close()
