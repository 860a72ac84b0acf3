"""Reads the meter as others do; prints JSON:

client.py pymodbus HOST [UNIT]
client.py sunspec HOST
client.py {watch|hold} HOST SECONDS
client.py measure HOST POLLS
"""

import json
import socket
import struct
import sys
import time

# Wire addresses of model 213.
POINTS = {"A": 40071, "PhVphA": 40079, "PhVphB": 40081, "PhVphC": 40083, "Hz": 40095, "W": 40097,
          "WphA": 40099, "WphB": 40101, "WphC": 40103, "TotWhExp": 40129, "TotWhImp": 40137}  # fmt: skip
# The poll of an inverter: FC 03, unit 1, 58 registers from 40071.
POLL = bytes.fromhex("0001 0000 0006 01 03 9c87 003a")
WATCH_EVERY = 0.02


def pymodbus(host: str, unit: float = 1) -> dict[str, float | int]:
    from pymodbus.client import ModbusTcpClient

    values: dict[str, float | int] = {}
    with ModbusTcpClient(host, timeout=30, retries=0) as client:
        for name, address in POINTS.items():
            answer = client.read_holding_registers(address, count=2, device_id=int(unit))
            if answer.isError():
                return {"exception": answer.exception_code}
            values[name] = client.convert_from_registers(answer.registers, client.DATATYPE.FLOAT32)
    return values


def sunspec(host: str) -> dict[str, object]:
    from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP

    device = SunSpecModbusClientDeviceTCP(slave_id=1, ipaddr=host, ipport=502, timeout=30)
    device.connect()
    device.scan(connect=False)
    common, meter = device.models[1][0], device.models[213][0]
    common.read()
    meter.read()
    values = {name: meter.points[name].cvalue for name in POINTS}
    device.close()
    return {"Mn": common.Mn.value, "SN": common.SN.value, "models": [1, 213], **values}


def exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise ConnectionError("closed")
        data += more
    return data


def poll(connection: socket.socket) -> bool:
    """Whether the answer has values; False for an exception."""
    connection.sendall(POLL)
    header = exactly(connection, 7)
    body = exactly(connection, struct.unpack(">HHHB", header)[2] - 1)
    return body[0] == 3


def watch(host: str, seconds: float) -> dict[str, float | int]:
    """Polls all the time, on one connection for as long as that lasts."""
    seen = {"good": 0, "exceptions": 0, "lost": 0, "refused": 0, "timeouts": 0}
    connection: socket.socket | None = None
    end = time.monotonic() + seconds
    last_good = time.monotonic()
    longest = 0.0
    while time.monotonic() < end:
        try:
            if connection is None:
                connection = socket.create_connection((host, 502), timeout=60)
            if poll(connection):
                seen["good"] += 1
                now = time.monotonic()
                last_good, longest = now, max(longest, now - last_good)
            else:
                seen["exceptions"] += 1
            time.sleep(WATCH_EVERY)
        except OSError as error:
            refused = isinstance(error, ConnectionRefusedError)
            kind = "refused" if refused else "timeouts" if isinstance(error, TimeoutError) else "lost"
            seen[kind] += 1
            if connection is not None:
                connection.close()
                connection = None
            elif refused:
                time.sleep(WATCH_EVERY)
    return {**seen, "longest_gap_ms": round(longest * 1000)}


def measure(host: str, polls: float) -> dict[str, float | int]:
    """Polls so often on one connection, 1 ms apart, and finds the answer that took longest."""
    slowest = 0.0
    with socket.create_connection((host, 502), timeout=10) as connection:
        for _ in range(int(polls)):
            asked = time.monotonic()
            if not poll(connection):
                raise SystemExit("an exception instead of values")
            slowest = max(slowest, time.monotonic() - asked)
            time.sleep(0.001)
    return {"polls": int(polls), "slowest_ms": round(slowest * 1000, 1)}


def hold(host: str, seconds: float) -> dict[str, float | int]:
    """Polls once and then says nothing more."""
    with socket.create_connection((host, 502), timeout=10) as connection:
        good = poll(connection)
        time.sleep(seconds)
    return {"good": int(good)}


if __name__ == "__main__":
    command, host = sys.argv[1:3]
    arguments = [float(argument) for argument in sys.argv[3:]]
    print(json.dumps(globals()[command](host, *arguments)), flush=True)
