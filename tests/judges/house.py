"""A house of four meters in one process, judged from outside: what pymodbus, pysunspec2 and evcc's way
of reading find, while devices sleep and are exchanged, and while the process is restarted and killed.

Started by `run` next to this file. `simulate` of the binary is openHAB, `run` the house under test.
Everything happens on loopback; every process started here is ended here.
"""

import json
import math
import os
import re
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ModbusException
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP

import evcc
import sunspec
from judges import HOST, Process, Tally, after, end, rest, until

CONFIG = """\
openhab_host: {openhab}
state_dir: {state}
time_zone: UTC
meters:
  - name: roofs
    energy_counter_out: [E1, E2, E3]
    current_power: [P1, P2, P3]
    modbus_listen: 127.0.0.1:0
  - name: grid
    role: grid
    energy_counter_out: {{l1: Out1, l2: Out2, l3: Out3}}
    energy_counter_in: {{l1: In1, l2: In2, l3: In3}}
    current_power: {{l1: G1, l2: G2, l3: G3}}
    current_voltage: {{l1: U1, l2: U2, l3: U3}}
    current_frequency: F
    modbus_listen: 127.0.0.2:0
  - name: garage
    energy_counter_out: Garage
    current_power: {{item: GarageP, unit: kW}}
    connected_phase: 2
    modbus_tcp_address: 3
    modbus_listen: 127.0.0.3:0
  - name: shed
    energy_counter_out: {{item: Shed, unit: Wh}}
    current_power: ShedP
    connected_phase: 3
    modbus_tcp_address: 4
    sunspec_model: 203
    modbus_listen: 127.0.0.3:0
"""

# As floats these are exact to the Wh. That of the shed is in Wh and would not be.
ENERGIES = {
    "E1": "1000 kWh", "E2": "2000 kWh", "E3": "3000 kWh", "Garage": "4000", "Shed": "20000001",
    "Out1": "100 kWh", "Out2": "200 kWh", "Out3": "300 kWh", "In1": "1100 kWh", "In2": "1200 kWh", "In3": "1300 kWh",
}  # fmt: skip
OTHERS = {
    "P1": "1000 W", "P2": "2000 W", "P3": "1500 W", "GarageP": "0.75", "ShedP": "321 W", "F": "49.98 Hz",
    "G1": "800 W", "G2": "-350.5 W", "G3": "120 W", "U1": "229.5 V", "U2": "231 V", "U3": "232.5 V",
}  # fmt: skip

# How far a counter may be ahead after a crash: docs/counters.md, "What is remembered".
CEILING_WH = 500


@dataclass(frozen=True)
class Meter:
    """Where a meter is, and what is watched of it: its counters, and how many items add up in each."""

    name: str
    host: str
    unit: int
    model: int
    counters: tuple = ("TotWhExp",)
    items: int = 1


METERS = [
    Meter("roofs", "127.0.0.1", 1, 213, items=3),
    Meter("grid", "127.0.0.2", 1, 213, ("TotWhExp", "TotWhImp"), 3),
    Meter("garage", "127.0.0.3", 3, 213),
    Meter("shed", "127.0.0.3", 4, 203),
]
ROOFS, GRID, GARAGE, SHED = METERS


def produced(phase, watts, energy):
    """What a producer shows that knows nothing but its power and its energy."""
    zeros = [0.0, 0.0, 0.0]
    powers, energies = zeros.copy(), zeros.copy()
    powers[phase - 1], energies[phase - 1] = -watts, energy
    return shown(powers, [230.0] * 3, 50.0, [abs(power) / 230.0 for power in powers], energies, zeros)


def shown(powers, voltages, frequency, currents, exported, imported):
    """What must be in the registers, from values by phase."""
    between = [math.sqrt(a * a + b * b + a * b) for a, b in zip(voltages, voltages[1:] + voltages[:1], strict=True)]
    points = {"Hz": frequency, "PhV": sum(voltages) / 3, "PPV": sum(between) / 3}
    points |= zip(("PPVphAB", "PPVphBC", "PPVphCA"), between, strict=True)
    summed = {"A": currents, "W": powers, "VA": [abs(power) for power in powers], "VAR": [0.0] * 3}
    for name, values in summed.items():
        points[name] = sum(values)
    for name, values in {"PhV": voltages, **summed}.items():
        points |= zip((f"{name}ph{phase}" for phase in "ABC"), values, strict=True)
    for name, values in {"TotWhExp": exported, "TotWhImp": imported}.items():
        points[name] = sum(values)
        points |= zip((f"{name}Ph{phase}" for phase in "ABC"), values, strict=True)
    return points


def expected(roofs_watts, roofs_wh):
    """All meters. Only the roofs change."""
    grid, voltages = [800.0, -350.5, 120.0], [229.5, 231.0, 232.5]
    currents = [power / voltage for power, voltage in zip(grid, voltages, strict=True)]
    return {
        "roofs": produced(1, roofs_watts, roofs_wh),
        "grid": shown(grid, voltages, 49.98, currents, [100e3, 200e3, 300e3], [1100e3, 1200e3, 1300e3]),
        "garage": produced(2, 750.0, 4000e3),
        "shed": produced(3, 321.0, 20000001.0),
    }


def differing(found, wanted, model):
    """The points that are not what they should be, but for the rounding of 213, or half a step of 203."""

    def is_near(name, value):
        step = {"A": 0.01, "P": 0.1, "H": 0.01}.get(name[0], 1.0)
        return abs(found[name] - value) <= (step / 2 + 1e-9 if model == 203 else 1e-4 + 2e-7 * abs(value))

    return {name: (found.get(name), value) for name, value in wanted.items() if found.get(name) is None or not is_near(name, value)}


class House:
    """One process of the house, and a client that watches its counters all the time."""

    def __init__(self, folder, name, binary, witness):
        self.process = Process(folder, name, binary, "run", "--config", "house.yaml")
        self.ports = {}
        self.listening = until(self.process, self.all_listen)
        self.watch = threading.Thread(target=witness.watch, args=(self,), daemon=True)
        self.watch.start()

    def all_listen(self):
        self.ports = {host: int(port) for host, port in re.findall(r"listening on ([0-9.]+):(\d+)", self.process.output())}
        return self.ports.keys() == {meter.host for meter in METERS}

    def client(self, meter):
        client = ModbusTcpClient(meter.host, port=self.ports[meter.host], timeout=5, retries=0)
        if not client.connect():
            raise ConnectionError(f"{meter.name} is not there")
        return client

    def read(self, meter):
        """All its values by pymodbus; None where an exception is all that it answers."""
        with self.client(meter) as client:
            return values(client, meter)

    def shows(self, meter, wanted):
        """The seconds until a meter has these values."""

        def is_so():
            found = self.read(meter)
            return found and not differing(found, wanted, meter.model)

        return until(self.process, is_so)

    def stop(self):
        code, _ = self.process.terminate()
        self.watch.join()
        return code

    def kill(self):
        self.process.end()
        self.watch.join()


def values(client, meter):
    length = sunspec.LENGTHS[meter.model]
    answer = client.read_holding_registers(sunspec.VALUES, count=length, device_id=meter.unit)
    return None if answer.isError() else sunspec.body(answer.registers)


class Witness:
    """Reads the counters as often as it can, and knows what was served, whatever became of the process."""

    def __init__(self):
        self.highest, self.fell, self.steps, self.reads = {}, [], [0.0], 0

    def watch(self, house):
        """Until the process is gone. The first value of each process is no step."""
        last = {}
        try:
            clients = {meter: house.client(meter) for meter in METERS}
            while True:
                for meter, client in clients.items():
                    found = values(client, meter)
                    for counter in meter.counters if found else ():
                        self.saw((meter.name, counter), found[counter], last)
        except (ModbusException, OSError):
            pass

    def saw(self, counter, value, last):
        if value < self.highest.get(counter, 0.0):
            self.fell.append((counter, self.highest[counter], value))
        self.steps.append(value - last.get(counter, value))
        last[counter] = value
        self.highest[counter] = max(value, self.highest.get(counter, 0.0))
        self.reads += 1


# --- what the clients read ---------------------------------------------------


def everything(tally, when, house, wanted):
    """All values of all meters, as each client reads them."""
    for meter in METERS:
        points = wanted[meter.name]
        for client, read in (("pymodbus", by_pymodbus), ("pysunspec2", by_pysunspec2)):
            wrong = differing(read(house, meter), points, meter.model)
            tally.check(f"{when}: {client} reads all {len(points)} values of {meter.name}", wrong, {})
        read = by_evcc(house, meter)
        wrong = differing(read, {point: points[point] for point in read}, meter.model)
        tally.check(f"{when}: evcc's way reads {len(read)} values of {meter.name}", wrong, {})


def by_pymodbus(house, meter):
    return house.read(meter) or {}


def by_pysunspec2(house, meter):
    """With its own models."""
    device = SunSpecModbusClientDeviceTCP(slave_id=meter.unit, ipaddr=meter.host, ipport=house.ports[meter.host], timeout=5)
    try:
        device.connect()
        device.scan(connect=False)
        points = device.models[meter.model][0].points
        # What an acc32 of 0 says to it is that nothing was counted.
        return {sunspec.in_model_213(name): point.cvalue or 0.0 for name, point in points.items()}
    finally:
        device.close()


def by_evcc(house, meter):
    reader = evcc.Evcc(meter.host, house.ports[meter.host], meter.unit)
    try:
        return {point: reader.value(point) for point in evcc.POINTS}
    finally:
        reader.close()


# --- the judges --------------------------------------------------------------


class Life:
    """The house through all that happens to it."""

    def __init__(self, tally, folder, binary, processes):
        self.tally, self.folder, self.binary, self.processes = tally, folder, binary, processes
        self.witness, self.house = Witness(), None
        items = [word for item in (ENERGIES | OTHERS).items() for word in ("--item", "=".join(item))]
        self.openhab = Process(folder, "simulate", binary, "simulate", "--listen", f"{HOST}:0", *items)
        processes.append(self.openhab)
        until(self.openhab, lambda: "http://" in self.openhab.output())
        self.port = int(self.openhab.output().rpartition(":")[2])
        config = CONFIG.format(openhab=f"{HOST}:{self.port}", state=Path(folder, "state"))
        Path(folder, "house.yaml").write_text(config)

    def set(self, **states):
        for item, state in states.items():
            status, text = rest(self.port, "PUT", item, state)
            if status not in (200, 202):
                raise ValueError(f"{item}: PUT answered {status}: {text}")

    def start(self, name):
        self.house = House(self.folder, name, self.binary, self.witness)
        self.processes.append(self.house.process)
        self.tally.check(f"{name}: it listens at three addresses", self.house.listening is not None, note=after(self.house.listening))

    def shows(self, what, meter, **wanted):
        seconds = self.house.shows(meter, wanted)
        wrong = {} if seconds is not None else differing(self.house.read(meter) or {}, wanted, meter.model)
        self.tally.check(f"{meter.name} {what}: {wanted['TotWhExp']:.0f} Wh", wrong, {}, note=after(seconds))

    def roofs_show(self, what, watts, wh):
        """Their power comes after their energies: once it is there, these have been judged."""
        self.shows(what, ROOFS, W=-watts, TotWhExp=wh)

    def judge(self):
        for part in (self.begins, self.sleeps, self.is_exchanged, self.restarts, self.is_killed, self.goes_on):
            self.tally.judge(part.__doc__, lambda _, part=part: part())
        self.house.stop()
        self.tally.check("no counter fell, in any life of the house", self.witness.fell, [], note=f"{self.witness.reads} reads")

    def begins(self):
        """The house begins"""
        self.start("house-1")
        for meter in METERS:
            self.shows("is complete", meter, **expected(4500.0, 6000e3)[meter.name])
        everything(self.tally, "at the start", self.house, expected(4500.0, 6000e3))
        with self.house.client(GARAGE) as client:
            for unit in (0, 1, 2, 5, 255):
                answer = client.read_holding_registers(sunspec.BASE, count=2, device_id=unit)
                self.tally.check(f"unit {unit} on the shared port", answer.isError() and answer.exception_code, 0x0B)

    def sleeps(self):
        """One of three roofs falls asleep, and wakes"""
        self.set(E1="1000.1 kWh", P1="1001 W")
        self.roofs_show("what one counts is added", 4501.0, 6000100.0)
        self.set(P2="0 W", E2="0 kWh", E1="1000.15 kWh", P1="1002 W")
        self.roofs_show("one shows 0, another goes on", 2502.0, 6000150.0)
        self.set(P2="UNDEF", E2="NULL", E3="3000.05 kWh", P1="1003 W")
        self.roofs_show("one shows nothing, another goes on", 2503.0, 6000200.0)
        everything(self.tally, "while one sleeps", self.house, expected(2503.0, 6000200.0))
        self.set(E2="2000.2 kWh", P2="500 W", P1="1000 W")
        self.roofs_show("it is back, with what it has counted", 3000.0, 6000400.0)

    def is_exchanged(self):
        """One of three roofs gets a new inverter, and another goes on"""
        self.set(E2="0 kWh", P2="2000 W", P1="1001 W")
        self.roofs_show("its counter at 0 is no step", 4501.0, 6000400.0)
        for step in range(1, 11):
            self.set(E2=f"{step / 100} kWh", E1=f"{1000.15 + step / 100:.2f} kWh", P1=f"{1001 + step} W")
            self.roofs_show("the other's growth alone", 4501.0 + step, 6000400.0 + 10 * step)
        everything(self.tally, "after the exchange", self.house, expected(4511.0, 6000500.0))

    def restarts(self):
        """A clean restart, without any energy to read after it"""
        self.tally.check("SIGTERM: exit code", self.house.stop(), 0)
        self.set(**dict.fromkeys(ENERGIES, "NULL"))
        self.start("house-2")
        for meter in METERS:
            self.shows("is complete, from memory", meter, **expected(4511.0, 6000500.0)[meter.name])
        everything(self.tally, "after a restart", self.house, expected(4511.0, 6000500.0))

    def is_killed(self):
        """It is killed while it counts, and there is no energy to read after it"""
        roofs = {"E1": "1000.35 kWh", "E2": "0.12 kWh", "E3": "3000.15 kWh", "P1": "1000 W"}
        self.set(**ENERGIES | roofs | {"Out1": "100.05 kWh", "In2": "1200.05 kWh", "Garage": "4000.05", "Shed": "20000051"})
        self.roofs_show("goes on", 4500.0, 6000700.0)
        self.shows("goes on", GRID, TotWhExp=600050.0, TotWhImp=3600050.0)
        self.shows("goes on", GARAGE, TotWhExp=4000050.0)
        self.shows("goes on", SHED, TotWhExp=20000051.0)
        rise = max(self.witness.steps)
        self.tally.check("no counter rose by more than its items at once", rise <= 200.0, note=f"{rise:g} Wh at most")
        for step in range(36, 56):
            self.set(E1=f"1000.{step} kWh", In1=f"1100.{step} kWh", Shed=f"200000{step + 20}")
        self.house.kill()
        served = self.witness.highest.copy()
        self.set(**dict.fromkeys(ENERGIES, "NULL"))
        self.start("house-3")
        for meter in METERS:
            until(self.house.process, lambda meter=meter: self.house.read(meter))
            found = self.house.read(meter)
            for counter in meter.counters:
                ahead = found[counter] - served[meter.name, counter]
                what = f"{meter.name}: {counter} is not lower after kill -9, and ahead by no more than the ceiling"
                self.tally.check(what, 0.0 <= ahead <= CEILING_WH * meter.items, note=f"{ahead:+g} Wh")

    def goes_on(self):
        """All items pass what was remembered, and the old inverter is back"""
        more = {name: f"{float(ENERGIES[name].split()[0]) + 0.8} kWh" for name in ("Out1", "Out2", "Out3", "In1", "In2", "In3")}
        self.set(**more, E1="1000.9 kWh", E2="2000.75 kWh", E3="3000.7 kWh", P1="1001 W", Garage="4000.6", Shed="20000601")
        self.roofs_show("the sum of its items again", 4501.0, 6002350.0)
        self.shows("the sum of its items again", GRID, TotWhExp=602400.0, TotWhImp=3602400.0)
        self.shows("its item again", GARAGE, TotWhExp=4000600.0)
        self.shows("its item again", SHED, TotWhExp=20000601.0)


def replays(tally, folder, binary, first_kwh):
    """The exchange of an inverter to its end, which takes ten minutes: by the clock of a history."""
    watts, exchanged, minutes = (1000, 2000, 1500), 20, range(61)
    rows = ["time,item,state"]
    for minute in minutes:
        kwh = [1000 * number + power * minute / 60e3 for number, power in enumerate(watts, 1)]
        if minute >= exchanged:
            kwh[1] = first_kwh + watts[1] * (minute - exchanged) / 60e3
        if minute == exchanged + 5:
            rows.append(f"{60 * minute - 30},,restart")
        for number, power in enumerate(watts, 1):
            rows += [f"{60 * minute},E{number},{kwh[number - 1]:.9f} kWh", f"{60 * minute},P{number},{power} W"]
    Path(folder, "history.csv").write_text("\n".join(rows) + "\n")
    command = [binary, "replay", "history.csv", "--config", "house.yaml", "--meter", "roofs", "--every", "1m", "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=30)
    served = [(int(row["time"]), row["TotWhExp"]) for row in map(json.loads, done.stdout.splitlines()) if row["condition"] == "live"]

    what = f"a new inverter that begins at {first_kwh:g} kWh"
    tally.check(f"{what}: the sum never falls", served == sorted(served), note=f"{len(served)} rows {done.stderr}")
    last = dict(served)
    short = [6000e3 + sum(watts) * minute / 60 - last[60 * minute] for minute in minutes]
    # What it counts in a minute: nobody saw that of the old one's last.
    step = watts[1] / 60
    until_known = next(minute for minute in minutes if minute > exchanged and short[minute] < step + 0.01)
    wanted = [0.0] * exchanged + [step * (minute - exchanged + 1) for minute in range(exchanged, until_known)]
    wanted += [step] * (len(minutes) - until_known)
    wrong = {minute: (found, right) for minute, found, right in zip(minutes, short, wanted, strict=True) if abs(found - right) > 0.01}
    tally.check(f"{what}: the others count to the Wh all the time, and all of it later", wrong, {})
    tally.check(f"{what}: believed after ten minutes", 10 <= until_known - exchanged <= 12, note=f"{until_known - exchanged} min")


def main(binary):
    binary = os.path.abspath(binary)
    tally, processes = Tally(), []
    with tempfile.TemporaryDirectory() as folder:
        try:
            Life(tally, folder, binary, processes).judge()
            for first_kwh in (0.0, 150.0):
                tally.judge("an exchange to its end", replays, folder, binary, first_kwh)
            logs = "".join(process.output() for process in processes)
            tally.check("nothing panicked", "panicked" in logs, False)
        finally:
            end(tally, processes)
    return tally.exit_code("house")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: house.py BINARY")
    sys.exit(main(sys.argv[1]))
