"""As much of a Modbus TCP client as it takes to see that a server serves."""

import socket
import struct

HOST = "127.0.0.1"
BASE = 40000
LENGTH = 197

# Most of the measured values: a meter without values answers them with an exception.
PROBE = (40071, 58)


def read(port: int, start: int, count: int) -> list[int] | None:
    """The registers, or None if the answer is an exception."""
    with socket.create_connection((HOST, port), timeout=5) as connection:
        connection.sendall(struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, start, count))
        with connection.makefile("rb") as answers:
            _, _, length = struct.unpack(">HHH", answers.read(6))
            _, function, *data = answers.read(length)
    if function != 3:
        return None
    return list(struct.unpack(f">{count}H", bytes(data[1:])))


def serves(port: int) -> bool:
    try:
        return read(port, *PROBE) is not None
    except OSError:
        return False


def read_map(port: int) -> list[int]:
    """All registers, in two reads: one read takes at most 125."""
    words: list[int] = []
    for start, count in ((BASE, 100), (BASE + 100, LENGTH - 100)):
        part = read(port, start, count)
        if part is None:
            raise RuntimeError(f"{start}/{count} is answered with an exception")
        words += part
    return words
