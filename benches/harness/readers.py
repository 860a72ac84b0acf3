"""Clients that read a page as slowly as they can, and come again as soon as they are sent away."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from harness.modbus import HOST

COUNT = 300
PAUSE = 0.05
PIECE = 512
SMALLEST_WINDOW = 4096
TIMEOUT = 1.0
COME_WITHIN = 20.0
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@contextmanager
def slow_readers(port: int) -> Iterator[None]:
    """Meanwhile there are COUNT of them at a port. They are in a thread, as this program only waits."""
    readers = Readers(port)
    thread = threading.Thread(target=readers.run)
    thread.start()
    try:
        if not readers.all_came.wait(COME_WITHIN):
            raise RuntimeError(f"only {readers.came} of {COUNT} slow readers came")
        yield
    finally:
        readers.end.set()
        thread.join()
    if readers.read == 0:
        raise RuntimeError("the slow readers have read nothing")


class Readers:
    """All of them, and how often they came and what they got."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.end, self.all_came = threading.Event(), threading.Event()
        self.came = self.read = 0

    def run(self) -> None:
        connected: list[socket.socket] = []
        while not self.end.wait(PAUSE):
            while len(connected) < COUNT and not self.end.is_set():
                connected += self.come()
            connected = [reader for reader in connected if self.reads(reader)]
        for reader in connected:
            reader.close()

    def come(self) -> list[socket.socket]:
        """One more, or none if there is no way in."""
        reader = socket.socket()
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALLEST_WINDOW)
        reader.settimeout(TIMEOUT)
        try:
            reader.connect((HOST, self.port))
            reader.sendall(REQUEST)
        except OSError:
            reader.close()
            return []
        reader.setblocking(False)
        self.came += 1
        if self.came == COUNT:
            self.all_came.set()
        return [reader]

    def reads(self, reader: socket.socket) -> bool:
        """Reads a little; false if the reader was sent away."""
        try:
            piece = reader.recv(PIECE)
        except BlockingIOError:
            return True
        except OSError:
            piece = b""
        self.read += len(piece)
        if not piece:
            reader.close()
        return bool(piece)
