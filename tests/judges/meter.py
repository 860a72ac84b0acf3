"""A meter of the binary under test, and the pymodbus client that polls it."""

import time
from pathlib import Path

from pymodbus.client import ModbusTcpClient

from judges import FLOATS, HOST, Process, free_ports

# The registers by name. Those of phases B and C follow, two registers each.
ADDRESSES = {name: address for address, (name, _) in FLOATS.items()}
ADDRESSES |= {"TotWhExpPhB": 40133, "TotWhExpPhC": 40135}

# The failure code of a meter whose data is stale.
STALE = 0x0B

CONFIG = """\
role: grid
on_stale: exception
min_energy_threshold: 0
modbus_listen: {host}:{port}
state_dir: {state}
time_zone: UTC
"""


class Meter:
    """One process with one configuration; the `source` and its `values` are lines of it."""

    def __init__(self, folder, name, binary, source, values):
        (port,) = free_ports(1)
        state = Path(folder, f"{name}.state")
        state.mkdir()
        config = Path(folder, f"{name}.yaml")
        config.write_text(CONFIG.format(host=HOST, port=port, state=state) + source + values)
        self.name, self.process = name, Process(folder, name, binary, "run", "--config", config)
        until(lambda: "listening on" in self.log(), 15.0)
        self.port, self.client = port, connect(port)

    def read(self, name, client=None):
        """A register's value; None where the meter says that its data is stale."""
        answer = (client or self.client).read_holding_registers(ADDRESSES[name], count=2)
        if answer.isError():
            if answer.exception_code != STALE:
                raise ValueError(f"{self.name}: exception {answer.exception_code} for {name}")
            return None
        return self.client.convert_from_registers(answer.registers, self.client.DATATYPE.FLOAT32)

    def another(self):
        """The same, on a connection of its own, for another thread."""
        client = connect(self.port)
        return lambda name: self.read(name, client)

    def shows(self, name, value, limit):
        """The seconds until a register has a value; None where that is not within `limit`."""
        return until(lambda: self.read(name) == value, limit, pause=0)

    def log(self):
        return self.process.output()

    def lines(self):
        """What it has logged, without the times."""
        return [line.split(None, 3)[3] for line in self.log().splitlines()]

    def end(self):
        self.client.close()
        self.process.end()


def connect(port):
    client = ModbusTcpClient(HOST, port=port, timeout=5, retries=0)
    client.connect()
    return client


def until(holds, limit, pause=0.005):
    """Polls until `holds()` is true; returns the seconds it took, None where it was not within `limit`."""
    begin = time.monotonic()
    while True:
        if holds():
            return time.monotonic() - begin
        if time.monotonic() - begin > limit:
            return None
        time.sleep(pause)
