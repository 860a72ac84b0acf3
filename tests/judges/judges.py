"""Clients that nobody of this project wrote read the meter and judge it.

Started by `run` next to this file, which installs what requirements.txt names.
The binary plays both sides: `simulate` is openHAB, `run` the meter under test.
Everything happens on 127.0.0.1; every process started here is ended here.
"""

import http.client
import math
import os
import random
import re
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pymodbus.client import ModbusTcpClient
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP

HOST = "127.0.0.1"
READY_WITHIN = 15.0
STOP_WITHIN = 2.0

ITEMS = {
    "inverter2_PV_E_total": "12345.678 kWh",
    "inverter2_Grid_U": "231.4 V",
    "inverter2_Grid_I": "3.46 A",
    "inverter2_Grid_P": "800 W",
    "inverter2_Grid_F": "49.98 Hz",
}

# The example of the old script's README, but for the phase and the host;
# the two last lines are the judges' own.
CONFIG = """\
connected_phase: 1
energy_counter_out: inverter2_PV_E_total
current_voltage: inverter2_Grid_U
current_current: inverter2_Grid_I
current_power: inverter2_Grid_P
openhab_host: {openhab}
modbus_tcp_address: 2
loglevel: debug
time_zone: Europe/Berlin
current_frequency: inverter2_Grid_F
modbus_listen: {meter}
"""

# Wire addresses of model 213 and what must stand there. Idle phases carry the voltage.
FLOATS = {
    40071: ("A", 3.46), 40073: ("AphA", 3.46), 40075: ("AphB", 0.0), 40077: ("AphC", 0.0),
    40079: ("PhV", 231.4), 40081: ("PhVphA", 231.4), 40083: ("PhVphB", 231.4), 40085: ("PhVphC", 231.4),
    40095: ("Hz", 49.98),
    40097: ("W", -800.0), 40099: ("WphA", -800.0), 40101: ("WphB", 0.0), 40103: ("WphC", 0.0),
    40129: ("TotWhExp", 12345678.0), 40131: ("TotWhExpPhA", 12345678.0),
}  # fmt: skip
EXPECTED = dict(FLOATS.values())

# The same of model 203, as the integers that stand there.
INTEGERS = {
    40071: ("A", 346), 40072: ("AphA", 346), 40073: ("AphB", 0), 40074: ("AphC", 0), 40075: ("A_SF", -2),
    40076: ("PhV", 2314), 40077: ("PhVphA", 2314), 40078: ("PhVphB", 2314), 40079: ("PhVphC", 2314), 40084: ("V_SF", -1),
    40085: ("Hz", 4998), 40086: ("Hz_SF", -2),
    40087: ("W", -800), 40088: ("WphA", -800), 40089: ("WphB", 0), 40090: ("WphC", 0), 40091: ("W_SF", 0),
    40123: ("TotWh_SF", 0), 40140: ("TotVAh_SF", -32768), 40173: ("TotVArh_SF", -32768),
}  # fmt: skip
PROBES = (0, 11, 768, 1706, 50000)


class Tally:
    """Counts the checks and prints one line for each."""

    def __init__(self):
        self.passed = self.failed = 0

    def check(self, what, read, expected=True, note=""):
        if read == expected:
            self.passed += 1
            print(f"ok   {what}{note and ': ' + note}", flush=True)
        else:
            self.failed += 1
            print(f"FAIL {what}: expected {expected!r}, read {read!r} {note}", flush=True)

    def near(self, what, read, expected):
        """Equal but for the last bit of a float32."""
        self.check(what, expected if close_to(read, expected) else read, expected)

    def judge(self, name, judgement, *arguments):
        """Runs one judge; what it throws is a failure, and the others still get their turn."""
        print(f"-- {name}", flush=True)
        try:
            judgement(self, *arguments)
        except Exception as error:
            self.check(name, f"{type(error).__name__}: {error}", "no exception")

    def exit_code(self, name):
        """Prints the sum, and says what the script should exit with."""
        print(f"{name}: {self.passed} passed, {self.failed} failed")
        return 1 if self.failed else 0


# --- the two processes -------------------------------------------------------


class Process:
    """One process of the binary, its output kept for the case of a failure."""

    def __init__(self, folder, name, *command):
        self.name, self.log = name, Path(folder, f"{name}.log")
        with self.log.open("wb") as log:
            self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder)

    def alive(self):
        return self.child.poll() is None

    def terminate(self):
        """SIGTERM: the exit code, or None where it does not end, and the seconds it took."""
        begin = time.monotonic()
        self.child.send_signal(signal.SIGTERM)
        try:
            code = self.child.wait(5 * STOP_WITHIN)
        except subprocess.TimeoutExpired:
            code = None
        return code, time.monotonic() - begin

    def end(self):
        if self.alive():
            self.child.kill()
        self.child.wait()

    def output(self):
        return self.log.read_text(errors="replace")


def free_ports(count):
    """Ports that were free a moment ago; all are held until all are known, so they differ."""
    held = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def end(tally, processes):
    """Ends them all, and shows their logs if a check has failed or none was made."""
    for process in processes:
        process.end()
    if tally.failed or not tally.passed:
        for process in processes:
            print(f"---- log of {process.name}, exit code {process.child.returncode} ----\n{process.output()}")


def until(process, holds):
    """Polls until `holds()` is true; returns the seconds it took, None where it never was."""
    begin = time.monotonic()
    while process.alive() and time.monotonic() - begin < READY_WITHIN:
        try:
            if holds():
                return time.monotonic() - begin
        except (OSError, struct.error, http.client.HTTPException):
            pass  # not listening yet, or the exception answer before the first values
        time.sleep(0.01)
    return None


def after(seconds):
    return f"not within {READY_WITHIN:g} s" if seconds is None else f"after {seconds * 1000:.0f} ms"


def rest(port, method, item, body=None):
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request(method, f"/rest/items/{item}/state", body, {"Content-Type": "text/plain"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def start_meter(folder, name, binary, config, settled):
    process = Process(folder, name, binary, "run", "--config", config)
    return process, until(process, settled)


def settled(port):
    with Raw(port) as raw:
        return raw.good() and close_to(raw.floats(40129, 2)[0], EXPECTED["TotWhExp"])


def settled_203(port):
    with Raw(port) as raw:
        integers = raw.integers(40071, 103)
        return all(integers[at - 40071] == value for at, (_, value) in INTEGERS.items())


# --- a raw client, for what a proper client refuses to send ------------------


class Raw:
    def __init__(self, port, timeout=5.0):
        self.socket = socket.create_connection((HOST, port), timeout)
        self.transaction = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise ConnectionError(f"closed after {len(data)} of {count} bytes")
            data += more
        return data

    def ask(self, pdu, unit=1):
        """Sends a PDU in a sound frame; returns the answer's PDU after a look at its header."""
        self.transaction = self.transaction % 0xFFFF + 1
        self.socket.sendall(struct.pack(">HHHB", self.transaction, 0, len(pdu) + 1, unit) + pdu)
        transaction, protocol, length, echoed = struct.unpack(">HHHB", self.exactly(7))
        if (transaction, protocol, echoed) != (self.transaction, 0, unit):
            raise ValueError(f"answer to another question: {transaction=} {protocol=} {echoed=}")
        return self.exactly(length - 1)

    def floats(self, address, registers):
        """The registers as floats; struct.error where the answer is an exception."""
        answer = self.ask(struct.pack(">BHH", 3, address, registers))
        return struct.unpack(f">{registers // 2}f", answer[2:])

    def integers(self, address, registers):
        """The registers as int16; struct.error where the answer is an exception."""
        answer = self.ask(struct.pack(">BHH", 3, address, registers))
        return struct.unpack(f">{registers}h", answer[2:])

    def good(self):
        """Whether the inverter's cyclic read gives the states that openHAB has."""
        values = self.floats(40071, 58)
        return all(close_to(values[(at - 40071) // 2], value) for at, (_, value) in FLOATS.items() if at < 40129)

    def outcome(self):
        """What became of a bad frame: 'closed', 'exception N' or a surprise."""
        self.socket.settimeout(2.0)
        try:
            answer = self.socket.recv(300)
        except ConnectionError:
            return "closed"
        except TimeoutError:
            return "no answer, left open"
        if not answer:
            return "closed"
        return f"exception {answer[8]}" if len(answer) == 9 and answer[7] & 0x80 else f"answered {answer.hex(' ')}"


def close_to(read, expected):
    """Equal but for the last bit of a float32; half a float (low word 0) is far off."""
    return read == expected or math.isclose(read, expected, rel_tol=2e-7)


def serves(port):
    with Raw(port) as raw:
        return raw.good()


# --- the judges --------------------------------------------------------------


def pymodbus_reads(tally, port):
    with ModbusTcpClient(HOST, port=port, timeout=5, retries=0) as client:
        ends = client.socket.getsockname()  # a reconnect would show as another local port
        for code, read in ((3, client.read_holding_registers), (4, client.read_input_registers)):

            def words(address, count, read=read):
                answer = read(address, count=count)
                return f"exception {answer.exception_code}" if answer.isError() else answer.registers

            def text(address, count):
                return struct.pack(f">{count}H", *words(address, count))

            fc = f"pymodbus FC {code:02}"
            tally.check(f"{fc} 40000 'SunS'", text(40000, 2), b"SunS")
            tally.check(f"{fc} 40002 common model, L = 65", words(40002, 2), [1, 65])
            tally.check(f"{fc} 40004 'Fronius'", text(40004, 4).hex(" "), "46 72 6f 6e 69 75 73 00")
            tally.check(f"{fc} 40068 device address", words(40068, 1), [2])
            tally.check(f"{fc} 40069 model 213, L = 124", words(40069, 2), [213, 124])
            for address, (name, expected) in FLOATS.items():
                value = client.convert_from_registers(words(address, 2), client.DATATYPE.FLOAT32)
                tally.near(f"{fc} {address} {name} = {expected:.10g}", value, expected)
            tally.check(f"{fc} 40129 words of 12345678", words(40129, 4), [0x4B3C, 0x614E] * 2)
            tally.check(f"{fc} 40195 end marker", words(40195, 2), [0xFFFF, 0])
            tally.check(f"{fc} 40195/3 past the end", words(40195, 3), "exception 2")
            image = words(40071, 125)
            pairs = [tuple(image[at : at + 2]) for at in range(0, 90, 2)]
            tally.check(f"{fc} no -0.0 before the VArh block", (0x8000, 0) in pairs, False)
            tally.check(f"{fc} no NaN before the VArh block", (0x7FC0, 0) in pairs, False)
            for probe in PROBES:
                tally.check(f"{fc} probe at {probe}", words(probe, 1), "exception 2")
            tally.check(f"{fc} the connection stays open", client.socket and client.socket.getsockname(), ends)

        for name, answer in (
            ("FC 05", client.write_coil(40071, True)),
            ("FC 06", client.write_register(40071, 1)),
            ("FC 15", client.write_coils(40071, [True] * 3)),
            ("FC 16", client.write_registers(40071, [1, 2])),
        ):
            tally.check(f"pymodbus {name} write refused", answer.isError() and answer.exception_code, 1)
        for unit in (1, 2, 240):
            answer = client.read_holding_registers(40069, count=2, device_id=unit)
            tally.check(f"pymodbus unit {unit} answered and echoed", (answer.dev_id, answer.registers), (unit, [213, 124]))
        tally.check("pymodbus same connection to the end", client.socket and client.socket.getsockname(), ends)

    # pymodbus itself refuses these counts, so they go as bytes.
    with Raw(port) as raw:
        for code in (3, 4):
            for count in (0, 126, 0xFFFF):
                answer = raw.ask(struct.pack(">BHH", code, 40000, count))
                tally.check(f"FC {code:02} count {count}", answer.hex(" "), f"{code | 0x80:02x} 03")
        tally.check("the connection stays open after bad counts", raw.good())


def pymodbus_reads_203(tally, port):
    with ModbusTcpClient(HOST, port=port, timeout=5, retries=0) as client:

        def words(address, count):
            answer = client.read_holding_registers(address, count=count)
            return f"exception {answer.exception_code}" if answer.isError() else answer.registers

        def number(address, kind):
            return client.convert_from_registers(words(address, kind.value[1]), kind)

        tally.check("203: 40002 common model, L = 65", words(40002, 2), [1, 65])
        tally.check("203: 40069 model 203, L = 105", words(40069, 2), [203, 105])
        for address, (name, expected) in INTEGERS.items():
            tally.check(f"203: {address} {name} = {expected}", number(address, client.DATATYPE.INT16), expected)
        for address in (40107, 40109):
            tally.check(f"203: {address} energy", number(address, client.DATATYPE.UINT32), 12345678)
        tally.check("203: 40176 end marker", words(40176, 2), [0xFFFF, 0])
        tally.check("203: 40176/3 past the end", words(40176, 3), "exception 2")


def inverter_polls(tally, port):
    """What a GEN24 asks when the meter is added, and then its rhythm, on one connection."""
    with ModbusTcpClient(HOST, port=port, timeout=5, retries=0) as client:
        ends = client.socket.getsockname()
        slowest = 0.0

        def poll(address, count):
            nonlocal slowest
            begin = time.monotonic()
            answer = client.read_holding_registers(address, count=count)
            slowest = max(slowest, time.monotonic() - begin)
            return answer

        probes = [poll(address, count).exception_code for address, count in ((0, 2), (11, 2), (768, 1), (1706, 1), (50000, 2))]
        tally.check("inverter: probes refused", probes, [2] * 5)
        for address, count in ((40000, 2), (40002, 2), (40004, 66), (40069, 2), (40193, 2), (40195, 2)):
            tally.check(f"inverter: {address}/{count}", len(poll(address, count).registers), count)
        for second in range(1, 4):
            values = poll(40071, 58)
            tally.check(f"inverter: 40071/58, second {second}", len(values.registers), 58)
            time.sleep(1.0)  # the inverter's own pace
        energy = client.convert_from_registers(poll(40129, 32).registers, client.DATATYPE.FLOAT32)
        tally.check("inverter: 40129/32 begins with TotWhExp", energy[0], EXPECTED["TotWhExp"])
        tally.check("inverter: one connection all the time", client.socket and client.socket.getsockname(), ends)
        tally.check("inverter: every answer within 50 ms", slowest < 0.05, note=f"slowest {slowest * 1000:.1f} ms")


def pysunspec2_discovers(tally, port, model, length):
    # Model 203 has apparent power in whole watts, and power factors in percent.
    step, whole = (1.0, 100.0) if model == 203 else (0.1, 1.0)
    device = SunSpecModbusClientDeviceTCP(slave_id=2, ipaddr=HOST, ipport=port, timeout=5)
    try:
        device.connect()
        device.scan(connect=False)
        models = [key for key in device.models if isinstance(key, int)]
        tally.check("pysunspec2 discovers the models", models, [1, model])
        common, meter = device.models[1][0], device.models[model][0]
        common.read()
        meter.read()
        tally.check("pysunspec2 base address and lengths", (device.base_addr, common.L.value, meter.L.value), (40000, 65, length))
        for name in ("Mn", "Md", "SN"):
            value = getattr(common, name).value
            tally.check(f"pysunspec2 {name}", bool(re.fullmatch(r"[ -~]+", value or "")), note=repr(value))
        tally.check("pysunspec2 Mn", common.Mn.value, "Fronius")
        tally.check("pysunspec2 DA", common.DA.value, 2)

        points = {name: point.cvalue for name, point in meter.points.items()}
        # An energy of 0 is "not accumulated" in model 203.
        idle = {name for name in points if "VArh" in name or model == 203 and name.startswith("Tot") and name not in EXPECTED}
        unset = [name for name, value in points.items() if name not in idle and (value is None or value != value)]
        tally.check(f"pysunspec2 reads all {len(points)} points of {model}, none unset that has a value", unset, [])
        varh = {value for name, value in points.items() if "VArh" in name if value is not None and value == value}
        tally.check("pysunspec2 VArh not supported", varh, set())
        wrong = {name: points[name] for name, value in EXPECTED.items() if not close_to(points[name], value)}
        tally.check(f"pysunspec2 {len(EXPECTED)} values as in openHAB", wrong, {})
        tally.check("pysunspec2 Evt", points["Evt"], 0)

        # Filled in by the meter, so only their consistency is known.
        tally.check("pysunspec2 L-L voltage", abs(points["PPV"] - 231.4 * math.sqrt(3)) < step / 2, note=f"{points['PPV']}")
        triangle = math.hypot(points["W"], points["VAR"])
        tally.check("pysunspec2 S² = P² + Q²", abs(points["VA"] - triangle) < step, note=f"{points['VA']} and {triangle}")
        tally.check("pysunspec2 |PF| = |P| / S", abs(abs(points["PF"]) / whole - 800 / points["VA"]) < 1e-3, note=f"{points['PF']}")
    finally:
        device.close()


def mbpoll_reads(tally, port):
    # mbpoll counts registers from 1, and prints six significant digits.
    for address, (name, expected) in FLOATS.items():
        command = ["mbpoll", "-m", "tcp", "-a", "1", "-r", str(address + 1), "-c", "1", "-t", "4:float", "-B", "-1"]
        done = subprocess.run([*command, "-p", str(port), HOST], capture_output=True, text=True, timeout=20)
        found = re.search(rf"\[{address + 1}\]:\s*(\S+)", done.stdout)
        value = found and float(found[1])
        right = value is not None and math.isclose(value, expected, rel_tol=1e-5)
        tally.check(f"mbpoll -r {address + 1} {name} = {expected:g}", right, note=found[1] if found else done.stdout + done.stderr)


def hostile(tally, port, meter):
    """Frames that crash or stall a careless server. Only a header that is no header costs the connection."""
    refused = {
        "FC 15, byte count too small": ("exception 1", "00 01 00 00 00 07 01 0f 00 00 00 64 00"),
        "FC 16, quantity 0x8000": ("exception 1", "00 02 00 00 00 09 01 10 9c 40 80 00 02 00 01"),
        "FC 16, quantity 0xffff": ("exception 1", "00 03 00 00 00 09 01 10 9c 40 ff ff 02 00 01"),
        "FC 23, quantity 0x8000": ("exception 1", "00 04 00 00 00 0d 01 17 9c 40 00 01 9c 40 80 00 02 00 01"),
        "FC 23, quantity 0xffff": ("exception 1", "00 05 00 00 00 0d 01 17 9c 40 00 01 9c 40 ff ff 02 00 01"),
        "MBAP length 65535": ("closed", "00 06 00 00 ff ff 01 03 9c 40 00 02"),
        "MBAP length 0": ("closed", "00 07 00 00 00 00 01 03 9c 40 00 02"),
        "protocol id 1": ("closed", "00 08 00 01 00 06 01 03 9c 40 00 02"),
        "FC 05, neither on nor off": ("exception 1", "00 09 00 00 00 06 01 05 00 00 12 34"),
        "FC 43, another MEI type": ("exception 1", "00 0a 00 00 00 05 01 2b 0d 00 00"),
        "FC 43/14, read code 5": ("exception 3", "00 0b 00 00 00 05 01 2b 0e 05 00"),
        "FC 03, too short": ("exception 3", "00 0c 00 00 00 04 01 03 9c 40"),
        "FC 131": ("exception 1", "00 0d 00 00 00 06 01 83 9c 40 00 02"),
    }
    with Raw(port) as bystander:
        for name, (expected, frame) in refused.items():
            with Raw(port) as raw:
                raw.socket.sendall(bytes.fromhex(frame))
                outcome = raw.outcome()
            tally.check(f"hostile {name}", outcome, expected)
            tally.check(f"hostile {name}: still serves", serves(port))

        with Raw(port) as raw:
            raw.socket.sendall(bytes.fromhex("00 09 00 00 00 06 01 03"))
        tally.check("hostile half a frame, then close: still serves", serves(port))
        with Raw(port) as raw:
            raw.socket.sendall(bytes.fromhex("00 0a 00 00 00 06 01 03"))
            tally.check("hostile half a frame, held open: still serves", serves(port))

        chance = random.Random(213)  # fixed, so that a failure can be had again
        served = 0
        for _ in range(100):
            blob = chance.randbytes(chance.randint(1, 300))
            with Raw(port) as raw:
                try:
                    raw.socket.sendall(blob)
                    raw.socket.shutdown(socket.SHUT_WR)
                except OSError:
                    pass  # already shown the door
                served += serves(port)
        tally.check("hostile garbage: serves after each of 100 blobs", served, 100)
        tally.check("hostile: a bystander's connection is untouched", bystander.good())
    tally.check("hostile: the process lives", meter.alive())
    tally.check("hostile: nothing panicked", "panicked" in meter.output(), False)


def pushed(tally, port, openhab):
    """A state set in openHAB is in the registers at once, not at the next poll."""
    times = []
    with Raw(port) as raw:
        for step in range(20):
            power = 1234.5 + step
            begin = time.monotonic()
            status, _ = rest(openhab, "PUT", "inverter2_Grid_P", f"{power} W")
            if status not in (200, 202):
                raise ValueError(f"PUT answered {status}")
            while raw.floats(40097, 2)[0] != -power:
                if time.monotonic() - begin > 10:
                    raise TimeoutError(f"{-power} W is not in the registers after 10 s")
            times.append(time.monotonic() - begin)
    middle, worst = statistics.median(times), max(times)
    note = f"median {middle * 1000:.1f} ms, max {worst * 1000:.1f} ms of {len(times)} changes"
    # Polling every 2 s would give about 2 s each.
    tally.check("a PUT is pushed into the registers", worst < 2.0 and middle < 0.5, note=note)
    rest(openhab, "PUT", "inverter2_Grid_P", ITEMS["inverter2_Grid_P"])


def stops(tally, how, meter):
    code, seconds = meter.terminate()
    tally.check(f"SIGTERM {how}: exit code", code, 0)
    tally.check(f"SIGTERM {how}: within {STOP_WITHIN:g} s", seconds < STOP_WITHIN, note=f"{seconds * 1000:.0f} ms")


def stops_with_client(tally, port, meter):
    with Raw(port) as raw:
        raw.good()
        stops(tally, "with a client connected", meter)
        tally.check("SIGTERM closes the client", raw.outcome(), "closed")


def main(binary):
    binary = os.path.abspath(binary)
    tally, processes = Tally(), []
    openhab_port, port, port_203 = free_ports(3)
    with tempfile.TemporaryDirectory() as folder:
        try:
            items = [word for item in ITEMS.items() for word in ("--item", "=".join(item))]
            openhab = Process(folder, "simulate", binary, "simulate", "--listen", f"{HOST}:{openhab_port}", *items)
            processes.append(openhab)
            known = until(openhab, lambda: rest(openhab_port, "GET", "inverter2_Grid_F") == (200, ITEMS["inverter2_Grid_F"]))
            tally.check("simulate answers as openHAB", known is not None, note=after(known))

            config = Path(folder, "config.yaml")
            config.write_text(CONFIG.format(openhab=f"{HOST}:{openhab_port}", meter=f"{HOST}:{port}"))
            meter, ready = start_meter(folder, "meter", binary, config, lambda: settled(port))
            processes.append(meter)
            tally.check("the meter serves what openHAB has", ready is not None, note=after(ready))

            config_203 = Path(folder, "config-203.yaml")
            text = CONFIG.format(openhab=f"{HOST}:{openhab_port}", meter=f"{HOST}:{port_203}")
            config_203.write_text(f"{text}sunspec_model: 203\n")
            meter_203, ready = start_meter(folder, "meter-203", binary, config_203, lambda: settled_203(port_203))
            processes.append(meter_203)
            tally.check("a meter with model 203 serves the same", ready is not None, note=after(ready))
            if meter_203.alive():
                tally.judge("pymodbus, model 203", pymodbus_reads_203, port_203)
                tally.judge("pysunspec2, model 203", pysunspec2_discovers, port_203, 203, 105)
                tally.judge("stop a meter with model 203", stops, "of model 203", meter_203)

            if meter.alive():
                tally.judge("pymodbus", pymodbus_reads, port)
                tally.judge("the inverter's poll list", inverter_polls, port)
                tally.judge("pysunspec2", pysunspec2_discovers, port, 213, 124)
                tally.judge("mbpoll", mbpoll_reads, port)
                tally.judge("hostile packets", hostile, port, meter)
                tally.judge("push", pushed, port, openhab_port)
                tally.judge("stop with a client", stops_with_client, port, meter)

                meter, ready = start_meter(folder, "meter-again", binary, config, lambda: settled(port))
                processes.append(meter)
                tally.check("the meter starts again on the same port", ready is not None, note=after(ready))
                tally.judge("stop without a client", stops, "without a client", meter)
        finally:
            end(tally, processes)
    return tally.exit_code("judges")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: judges.py BINARY")
    sys.exit(main(sys.argv[1]))
