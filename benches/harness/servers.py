"""The servers that are compared: how each is started and stopped."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness import build, modbus

HOST = modbus.HOST
START_WITHIN = 20.0
STOP_WITHIN = 5.0

# The states in openHAB, which do not change.
ITEMS = {
    "energy": "12345.678 kWh",
    "power": "800 W",
    "voltage": "231.4 V",
    "current": "3.46 A",
    "frequency": "49.98 Hz",
}

CONFIG = """\
openhab_host: {openhab}
energy_counter_out: energy
current_power: power
current_voltage: voltage
current_current: current
current_frequency: frequency
modbus_listen: {host}:{port}
max_connections: 1000
loglevel: warning
time_zone: UTC
update: {update}
"""

# One of several meters, and the ten values of each.
METER = """\
  - name: meter{n}
    energy_counter_out: {{l1: energy{n}a, l2: energy{n}b, l3: energy{n}c}}
    current_power: {{l1: power{n}a, l2: power{n}b, l3: power{n}c}}
    current_voltage: {{l1: voltage{n}a, l2: voltage{n}b, l3: voltage{n}c}}
    current_frequency: frequency{n}
    modbus_listen: 127.0.0.{n}:{port}
"""
MOST_METERS = 7
HOUSE_ITEMS = {f"frequency{n}": ITEMS["frequency"] for n in range(1, MOST_METERS + 1)} | {
    f"{key}{n}{phase}": ITEMS[key]
    for n in range(1, MOST_METERS + 1)
    for key in ("energy", "power", "voltage")
    for phase in "abc"
}

# Nothing of the caller's may reach a server, such as a socket passed by systemd.
ENVIRONMENT = {"PATH": os.environ.get("PATH", os.defpath)}


@dataclass(frozen=True)
class Server:
    """A server to compare. `command` takes the port."""

    name: str
    title: str
    command: Callable[[int], list[str]]
    binary: Path | None = None
    notifies: bool = False


@dataclass(frozen=True)
class Running:
    pid: int
    port: int


@contextmanager
def free_port() -> Iterator[int]:
    """A port that nobody else gets: it is bound here without listening, so that a server with
    SO_REUSEADDR, which all of them set, can have it too."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((HOST, 0))
        yield holder.getsockname()[1]


@contextmanager
def process(command: list[str], log: str, capture: bool = False) -> Iterator[subprocess.Popen[str]]:
    """A process that is stopped at the end. Its standard error goes into a file."""
    path = build.WORK / "logs" / f"{log}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    stdout = subprocess.PIPE if capture else subprocess.DEVNULL
    with path.open("w") as stderr:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, env=ENVIRONMENT, text=True
        )
        try:
            yield child
        finally:
            child.terminate()
            try:
                child.wait(STOP_WITHIN)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            if child.stdout:
                child.stdout.close()


@contextmanager
def running(server: Server) -> Iterator[Running]:
    """A running server, once it serves values."""
    with free_port() as port, process(server.command(port), server.name) as child:
        deadline = time.monotonic() + START_WITHIN
        while not modbus.serves(port):
            if child.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{server.title} does not serve; see {build.WORK / 'logs'}")
            time.sleep(0.01)
        yield Running(child.pid, port)


@contextmanager
def openhab(program: Path, items: dict[str, str] = ITEMS) -> Iterator[str]:
    """The address of a simulated openHAB with fixed states. It runs a copy of the program: sharing
    the file in memory would make the meter seem smaller than it is."""
    copy = build.WORK / "simulator"
    shutil.copy2(program, copy)
    command = [str(copy), "simulate", "--listen", f"{HOST}:0"]
    command += [f"--item={name}={state}" for name, state in items.items()]
    with process(command, "simulator", capture=True) as child:
        assert child.stdout
        line = child.stdout.readline()
        address = line.strip().rpartition("http://")[2]
        if not address:
            raise RuntimeError(f"the simulator does not start; see {build.WORK / 'logs'}")
        yield address


def meter(program: Path, address: str, update: str = "events", more: str = "") -> Server:
    """Our own server, with the items of an openHAB, and more lines of configuration."""

    def command(port: int) -> list[str]:
        path = build.WORK / f"{update}.yaml"
        path.write_text(CONFIG.format(openhab=address, host=HOST, port=port, update=update) + more)
        return [str(program), "--config", str(path)]

    return Server("ours", "fronius-smartmeter", command, program, notifies=True)


def house(program: Path, address: str, meters: int) -> Server:
    """Our own server as so many meters, each with its counters on the disk."""

    def command(port: int) -> list[str]:
        entries = [METER.format(n=n, port=port) for n in range(1, meters + 1)]
        state = build.WORK / f"state-{meters}"
        state.mkdir(exist_ok=True)
        shared = f"openhab_host: {address}\nstate_dir: {state}\nloglevel: warning\ntime_zone: UTC\nmeters:\n"
        path = build.WORK / f"house-{meters}.yaml"
        path.write_text(shared + "".join(entries))
        return [str(program), "--config", str(path)]

    return Server(f"house-{meters}", f"{meters} meters", command, program)


def peers(registers: Path) -> list[Server]:
    """All other servers, with the registers in a file."""

    def rust(name: str, *more: str) -> tuple[Callable[[int], list[str]], Path]:
        binary = build.BUILT / name
        return lambda port: [str(binary), f"{HOST}:{port}", str(registers), *more], binary

    def plain(*program: str) -> Callable[[int], list[str]]:
        return lambda port: [*program, HOST, str(port), str(registers)]

    libmodbus = build.peer("libmodbus", "-lmodbus")
    script = str(build.BENCHES / "peers" / "pymodbus_server.py")
    servers = [
        Server("bare", "tokio-modbus 0.17 alone", *rust("bare")),
        Server("nagle", "tokio-modbus alone, Nagle", *rust("bare", "nagle")),
        Server("libmodbus", "libmodbus, select loop", plain(str(libmodbus)), libmodbus),
    ]
    for name, (version, more) in build.PYMODBUS.items():
        python = build.pymodbus(version, more)
        servers.append(Server(name, f"pymodbus {version}", plain(str(python), script)))
    return [*servers, Server("epoll", "raw epoll, fixed bytes", *rust("epoll"))]
