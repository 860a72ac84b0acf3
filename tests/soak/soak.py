"""Ten minutes of everything at once, against the real binary:

    cargo build --release --locked && python3 tests/soak/soak.py target/release/fronius-smartmeter

The binary plays both sides: `simulate` is an openHAB that is killed, comes back and lies, `run` is
the meter. 50 sound clients poll it as an inverter does and check every answer, while hostile ones
keep it above its limit of connections. Not part of CI. Needs Linux and Python 3.11, nothing else.
Everything happens on 127.0.0.1; every process started here is ended here.
"""

import argparse
import asyncio
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HOST = "127.0.0.1"
CLIENTS = 50
LIMIT = 64  # max_connections, the default
STALE_AFTER = 3.0
STOP_WITHIN = 1.0
ANSWER_WITHIN = 5.0
SAMPLE_EVERY = 60.0

# How long the meter may show that something was wrong: after a lie, and after openHAB was away
# (docs/migration.md: "within 10 s"); two seconds more for a busy machine.
AFTER_LIE = 2.0
AFTER_OUTAGE = 12.0
# A power that openHAB does not have any more may be shown for so long.
OUTDATED = STALE_AFTER + 2.0

CONFIG = """\
openhab_host: {openhab}
connected_phase: 1
energy_counter_out: E
current_power: P
current_voltage: U
current_current: I
poll_interval: 500ms
stale_after: 3s
on_stale: zero
idle_timeout: 20s
modbus_listen: 127.0.0.1:0
state_dir: {state}
serial_number: soak
time_zone: UTC
"""

# What openHAB says instead of the truth. A jump is one update, told only when all is calm, and
# corrected before a second poll can have seen it; so it must never be believed.
LIES = {
    "P": ("NULL", "UNDEF", "garbage", "5 kWh", "231,4 W", "inf W"),
    "E": ("NULL", "UNDEF", "garbage", "5 W", "0 kWh", "1000 kWh", "-1 kWh", "jump"),
    "U": ("NULL", "50 Hz"),
    "I": ("UNDEF", "3 V"),
}
JUMP_KWH = 5000.0
JUMP_FOR = 0.4


def float32(value):
    return struct.unpack(">f", struct.pack(">f", value))[0]


class Findings:
    """What does not hold. All are counted, the first of them kept."""

    def __init__(self):
        self.count, self.first = 0, []

    def add(self, text):
        self.count += 1
        if len(self.first) < 20:
            self.first.append(f"{clock():6.1f} s  {text}")
            print(f"FAIL {self.first[-1]}", flush=True)


START = time.monotonic()


def clock():
    return time.monotonic() - START


# --- the processes -----------------------------------------------------------


class Process:
    """A process of the binary, its output in a file."""

    def __init__(self, folder, name, *command):
        self.log = Path(folder, f"{name}.log")
        environment = {k: v for k, v in os.environ.items() if k not in ("LISTEN_FDS", "NOTIFY_SOCKET", "JOURNAL_STREAM")}
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, env=environment
            )

    def output(self):
        return self.log.read_text(errors="replace")

    def end(self):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()

    async def told(self, pattern, seconds=15.0):
        """The first group of a line in the log, once it is there."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := re.search(pattern, self.output()):
                return found[1]
            if self.child.poll() is not None:
                break
            await asyncio.sleep(0.02)
        raise RuntimeError(f"{pattern!r} did not come:\n{self.output()[-2000:]}")


def sample(pid):
    """Memory in KiB, descriptors, threads and seconds of processor time."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    rss, pss = (int(re.search(rf"^{name}:\s+(\d+) kB", rollup, re.M)[1]) for name in ("Rss", "Pss"))
    threads = int(re.search(r"^Threads:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M)[1])
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    cpu = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    return {"at": clock(), "rss": rss, "pss": pss, "fds": len(os.listdir(f"/proc/{pid}/fd")), "threads": threads, "cpu": cpu}


# --- openHAB, and what is true -----------------------------------------------


class Plant:
    """A generator, and the openHAB that knows it now and then."""

    def __init__(self, binary, folder, without):
        self.binary, self.folder = binary, folder
        self.possible = {item: [lie for lie in lies if lie not in without] for item, lies in LIES.items()}
        self.chance = random.Random(213)
        self.port = 0
        self.process = None
        self.power, self.energy = 800.0, 5_000_000.0
        self.changed = time.monotonic()
        self.lies = {}  # item: (text, until)
        self.disturbed = time.monotonic() + AFTER_OUTAGE
        self.powers = {}  # float32 as served: when it was last true
        self.energies = [(0.0, 0.0)]  # when openHAB had it, and float32 as served
        self.outages = 0
        self.told = {}  # lie: how often

    def state(self, item):
        if item in self.lies:
            text, _ = self.lies[item]
            return f"{self.energy / 1000 + JUMP_KWH:.4f} kWh" if text == "jump" else text
        return {
            "P": f"{self.power:.1f} W",
            "E": f"{self.energy / 1000:.4f} kWh",
            "U": "231.4 V",
            "I": f"{self.power / 231.4 * 1.05:.3f} A",
        }[item]

    def note(self):
        """Remembers what openHAB is about to be told."""
        now = time.monotonic()
        if "P" not in self.lies:
            self.powers[float32(-round(self.power, 1))] = now
        if "E" not in self.lies:
            self.energies.append((now, float32(float(f"{self.energy / 1000:.4f}") * 1000)))

    async def start(self, **instead):
        self.note()
        items = {item: instead.get(item, self.state(item)) for item in LIES}
        words = [word for item in items.items() for word in ("--item", "=".join(item))]
        self.outages += 1
        name = f"simulate-{self.outages}"
        self.process = Process(self.folder, name, self.binary, "simulate", "--listen", f"{HOST}:{self.port}", *words)
        self.port = int(await self.process.told(r"http://[\d.]+:(\d+)"))

    async def put(self, item):
        body = self.state(item)
        head = f"PUT /rest/items/{item}/state HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nConnection: close\r\n"
        reader, writer = await asyncio.open_connection(HOST, self.port)
        try:
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
            status = (await asyncio.wait_for(reader.read(), ANSWER_WITHIN)).split(b" ")[1]
            if status != b"202":
                raise RuntimeError(f"the simulator answers {status} to {item} = {body}")
        finally:
            writer.close()

    async def update(self):
        now = time.monotonic()
        self.energy += self.power * (now - self.changed) / 3600.0
        self.changed = now
        self.power = min(9000.0, max(100.0, self.power + self.chance.uniform(-300, 300)))
        for item in [item for item, (_, until) in self.lies.items() if until <= now]:
            del self.lies[item]
        if self.lies:
            self.disturb(AFTER_LIE)
        self.note()
        for item in LIES:
            await self.put(item)

    def lie(self):
        item = self.chance.choice("PPEEEEEUI")
        text = self.chance.choice([lie for lie in self.possible[item] if lie != "jump"])
        if time.monotonic() > self.disturbed and "jump" in self.possible["E"] and self.chance.random() < 0.3:
            item, text = "E", "jump"
        seconds = JUMP_FOR if text == "jump" else self.chance.uniform(0.5, 6.0)
        self.lies[item] = (text, time.monotonic() + seconds)
        self.told[f"{item} {text}"] = self.told.get(f"{item} {text}", 0) + 1
        self.disturb(AFTER_LIE)
        return seconds

    def disturb(self, seconds):
        self.disturbed = max(self.disturbed, time.monotonic() + seconds)

    async def live(self, deadline):
        """Runs the plant until the deadline; the last moments are calm."""
        calm = deadline - AFTER_OUTAGE - 2.0
        next_lie = time.monotonic() + 15.0
        next_outage = time.monotonic() + self.chance.uniform(20, 40)
        while (now := time.monotonic()) < deadline:
            pause = 0.5
            if now >= next_outage and now < calm - 10.0:
                self.process.end()
                self.lies.clear()
                away = self.chance.uniform(0.3, 9.0)
                self.disturb(away + AFTER_OUTAGE)
                await asyncio.sleep(away)
                # An openHAB that has just started may not have all of its items yet.
                await self.start(**self.chance.choice(({}, {}, {"E": "NULL"}, {"P": "UNDEF", "E": "0 kWh"})))
                self.disturb(AFTER_OUTAGE)
                await asyncio.sleep(self.chance.uniform(0.0, 2.0))
                next_outage = time.monotonic() + self.chance.uniform(20, 40)
                continue
            if now >= next_lie and now < calm - 10.0:
                pause = min(pause, self.lie())
                next_lie = now + self.chance.uniform(5, 10)
            await self.update()
            await asyncio.sleep(pause)

    def power_is_true(self, value, asked):
        return self.powers.get(value, 0.0) > asked - OUTDATED

    def energy_at(self, moment):
        return next((value for at, value in reversed(self.energies) if at <= moment), 0.0)


# --- the sound clients -------------------------------------------------------


class Crowd:
    """What the sound clients have in common."""

    def __init__(self, port, plant, findings):
        self.port, self.plant, self.findings = port, plant, findings
        self.answers = self.exceptions = self.lost = self.connections = self.zero = self.live = 0
        self.latencies = []
        self.first_counter = None
        self.highest = 0.0  # of all clients
        self.stopping = False

    async def client(self, number, deadline):
        last = 0.0
        transaction = number * 1000
        turn = number % 10
        await asyncio.sleep(number / CLIENTS)
        while time.monotonic() < deadline and not self.stopping:
            writer = None
            try:
                reader, writer = await asyncio.open_connection(HOST, self.port)
                self.connections += 1
                while (begin := time.monotonic()) < deadline:
                    transaction = (transaction + 1) & 0xFFFF
                    values = await self.ask(reader, writer, transaction, number % 248, 40071, 58, number)
                    if values:
                        self.judge(values, begin, number)
                    turn += 1
                    if turn % 10 == 0:
                        highest, asked = self.highest, time.monotonic()
                        transaction = (transaction + 1) & 0xFFFF
                        values = await self.ask(reader, writer, transaction, 1, 40129, 32, number)
                        if values:
                            last = self.count(values, asked, last, highest, number)
                    await asyncio.sleep(max(0.0, 1.0 - (time.monotonic() - begin)))
                # Kept until the meter ends.
                while not self.stopping:
                    await asyncio.sleep(0.05)
            except (OSError, EOFError, TimeoutError) as error:
                if not self.stopping:
                    self.lost += 1
                    self.findings.add(f"client {number} lost its connection: {type(error).__name__}: {error}")
                    await asyncio.sleep(1.0)
            finally:
                if writer:
                    writer.close()

    async def ask(self, reader, writer, transaction, unit, start, count, number):
        first = self.first_counter
        begin = time.monotonic()
        writer.write(struct.pack(">HHHBBHH", transaction, 0, 6, unit, 3, start, count))
        async with asyncio.timeout(ANSWER_WITHIN):
            head = await reader.readexactly(9)
            body = b"" if head[7] & 0x80 else await reader.readexactly(head[8])
        self.latencies.append(time.monotonic() - begin)
        self.answers += 1
        if head[7] == 0x83:
            self.exceptions += 1
            if first is not None or head[8] != 0x0B:
                self.findings.add(f"client {number}: exception {head[8]} to {start}/{count}")
            return None
        expected = struct.pack(">HHHBBB", transaction, 0, 3 + 2 * count, unit, 3, 2 * count)
        if head != expected:
            self.findings.add(f"client {number}: {start}/{count} answered with {head.hex(' ')}, not {expected.hex(' ')}")
            # What comes next would be misread.
            raise EOFError("out of step")
        if first is None:
            self.first_counter = time.monotonic()
        return struct.unpack(f">{count // 2}f", body)

    def judge(self, values, asked, number):
        power = values[13]
        for place in range(13, 17):
            p, s, q = values[place], values[place + 4], values[place + 8]
            if not abs(s * s - p * p - q * q) <= 1e-5 * s * s + 0.01:
                self.findings.add(f"client {number}: S² is not P² + Q²: {s}, {p}, {q}")
        if not all(200 < volt < 250 for volt in values[4:8]) or not 49 < values[12] < 51:
            self.findings.add(f"client {number}: U {values[4:8]}, f {values[12]}")
        if power == 0.0:
            self.zero += 1
            if asked > self.plant.disturbed:
                self.findings.add(f"client {number}: 0 W, though nothing is wrong")
        else:
            self.live += 1
            if power != values[14] or not self.plant.power_is_true(power, asked):
                self.findings.add(f"client {number}: {power} W, which is not or no longer true")

    def count(self, values, asked, last, highest, number):
        energy = values[0]
        self.highest = max(self.highest, energy)
        if energy != values[1] or any(values[2:]):
            self.findings.add(f"client {number}: energies {values}")
        if not energy >= last:
            self.findings.add(f"client {number}: {energy} Wh after {last} Wh")
        if not energy >= highest:
            self.findings.add(f"client {number}: {energy} Wh, and another client had {highest} Wh before")
        true = self.plant.energies[-1][1]
        if energy > true:
            self.findings.add(f"client {number}: {energy} Wh, more than the true {true} Wh")
        expected = self.plant.energy_at(asked - 3.0)
        if energy < expected and asked > self.plant.disturbed:
            self.findings.add(f"client {number}: {energy} Wh, though 3 s ago it were {expected} Wh")
        return energy


# --- the hostile clients: whatever becomes of them is right -------------------


READ = struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, 40000, 125)
WRITE = struct.pack(">HHHBBHHB", 1, 0, 253, 1, 16, 40000, 123, 246) + bytes(246)


async def until_closed(stream, seconds):
    """Reads and forgets what comes."""
    loop, deadline = asyncio.get_running_loop(), time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if not await asyncio.wait_for(loop.sock_recv(stream, 4096), left):
            return


async def connects_and_leaves(stream, _):
    await asyncio.sleep(0.2)


async def sends_half_a_frame(stream, chance):
    await asyncio.get_running_loop().sock_sendall(stream, READ[: chance.randint(1, 11)])
    await until_closed(stream, 60)


async def never_reads(stream, _):
    loop = asyncio.get_running_loop()
    for _ in range(10_000):
        await asyncio.wait_for(loop.sock_sendall(stream, READ * 50), 60)


async def sends_a_byte_a_second(stream, chance):
    loop = asyncio.get_running_loop()
    for byte in chance.choice((READ, WRITE)):
        await loop.sock_sendall(stream, bytes([byte]))
        await asyncio.sleep(1.0)


async def asks_once(stream, _):
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(stream, READ)
    await asyncio.wait_for(loop.sock_recv(stream, 4096), ANSWER_WITHIN)
    await asyncio.sleep(0.04)


async def sends_noise(stream, chance):
    await asyncio.get_running_loop().sock_sendall(stream, chance.randbytes(chance.randint(1, 600)))
    await until_closed(stream, 1)


HOSTILE = [
    connects_and_leaves,
    *[sends_half_a_frame] * 10,
    *[never_reads] * 3,
    *[sends_a_byte_a_second] * 5,
    asks_once,
    sends_noise,
]


async def hostile(number, attack, port, tally, deadline):
    chance = random.Random(number)
    loop = asyncio.get_running_loop()
    while time.monotonic() < deadline:
        with socket.socket() as stream:
            stream.setblocking(False)
            if attack is never_reads:
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            try:
                await asyncio.wait_for(loop.sock_connect(stream, (HOST, port)), ANSWER_WITHIN)
                tally[attack.__name__] = tally.get(attack.__name__, 0) + 1
                async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                    await attack(stream, chance)
            except (OSError, TimeoutError):
                pass
        # 20 a second for the one that reconnects.
        await asyncio.sleep(0.01 if attack is asks_once else 0.3)


# --- the run -----------------------------------------------------------------


async def soak(binary, seconds, without, folder, findings, processes):
    plant = Plant(binary, folder, without)
    await plant.start(E="NULL")
    try:
        state = Path(folder, "state")
        state.mkdir()
        config = Path(folder, "config.yaml")
        config.write_text(CONFIG.format(openhab=f"{HOST}:{plant.port}", state=state))
        meter = Process(folder, "meter", binary, "run", "--config", str(config))
        processes.append(meter)
        port = int(await meter.told(r"listening on [\d.]+:(\d+)"))
        return await measured(plant, meter, port, seconds, findings)
    finally:
        plant.process.end()


async def measured(plant, meter, port, seconds, findings):
    pid = meter.child.pid
    crowd, attacks = Crowd(port, plant, findings), {}
    begin = time.monotonic()
    deadline = begin + seconds
    clients = [asyncio.create_task(crowd.client(number, deadline)) for number in range(CLIENTS)]
    await asyncio.sleep(3.0)  # without a counter until now
    living = asyncio.create_task(plant.live(deadline))
    await asyncio.sleep(2.0)
    samples = [sample(pid)]
    quiet = deadline - 5.0
    attackers = [
        asyncio.create_task(hostile(number, attack, port, attacks, quiet)) for number, attack in enumerate(HOSTILE)
    ]
    every = min(SAMPLE_EVERY, seconds / 6)
    for number in range(1, int((seconds - 5.5) / every) + 1):
        await asyncio.sleep(max(0.0, begin + number * every - time.monotonic()))
        samples.append(sample(pid))
        print(f"{clock():6.0f} s  {samples[-1]}  answers {crowd.answers}, findings {findings.count}", flush=True)
        if meter.child.poll() is not None:
            break
    for task in [*attackers, living]:
        await task
    samples.append(sample(pid))

    meter_ends = time.monotonic()
    crowd.stopping = True
    meter.child.send_signal(signal.SIGTERM)
    while meter.child.poll() is None and time.monotonic() < meter_ends + 10 * STOP_WITHIN:
        await asyncio.sleep(0.005)
    took, code = time.monotonic() - meter_ends, meter.child.poll()
    for task in clients:
        await task
    if code != 0 or took > STOP_WITHIN:
        findings.add(f"SIGTERM: exit code {code} after {took:.2f} s")
    log = meter.output()
    conclude(crowd, samples, log, findings)
    report(plant, crowd, attacks, samples, log, took, code, seconds)


def conclude(crowd, samples, log, findings):
    first, warm, last = samples[0], samples[1], samples[-1]
    if last["rss"] > warm["rss"] * 1.1:
        findings.add(f"RSS grew from {warm['rss']} to {last['rss']} KiB after the warm-up")
    # Polls and events of openHAB take two, when they are there.
    if last["fds"] > first["fds"] + 2:
        findings.add(f"descriptors grew from {first['fds']} to {last['fds']}")
    most = max(one["fds"] for one in samples)
    if most > first["fds"] - CLIENTS + LIMIT + 4:
        findings.add(f"{most} descriptors, though no more than {LIMIT} clients may be connected")
    if not (crowd.live and crowd.zero and crowd.highest > 5_000_000):
        findings.add(f"nothing was tried: {crowd.live} live, {crowd.zero} zero, {crowd.highest} Wh")
    if crowd.connections != CLIENTS:
        findings.add(f"{crowd.connections} connections of {CLIENTS} sound clients")
    if "panicked" in log:
        findings.add("something panicked: " + log[log.index("panicked") - 200 :][:600])


def report(plant, crowd, attacks, samples, log, took, code, seconds):
    print("\n|  s | RSS KiB | PSS KiB | descriptors | threads | CPU s |\n|---:|---:|---:|---:|---:|---:|")
    for one in samples:
        print(f"| {one['at']:.0f} | {one['rss']} | {one['pss']} | {one['fds']} | {one['threads']} | {one['cpu']:.2f} |")
    ordered = sorted(crowd.latencies) or [0.0]
    p50, p99, worst = (1000 * ordered[min(len(ordered) - 1, int(len(ordered) * part))] for part in (0.5, 0.99, 1))
    rss = [one["rss"] for one in samples]
    rows = {
        "duration": f"{seconds:.0f} s, {len(samples)} samples",
        "sound clients": f"{CLIENTS} on {crowd.connections} connections",
        "answers": f"{crowd.answers}; to 40071/58: {crowd.live} live, {crowd.zero} at rest (0 W)",
        "exceptions": f"{crowd.exceptions}, all before the first counter" if crowd.exceptions else "0",
        "connection errors": crowd.lost,
        "latency p50 / p99 / max": f"{p50:.2f} / {p99:.2f} / {worst:.2f} ms",
        "energy": f"5000000 to {crowd.highest:.0f} Wh, true {plant.energies[-1][1]:.0f} Wh",
        "openHAB": f"{plant.outages - 1} times killed and restarted",
        "lies": ", ".join(f"{lie} {count}" for lie, count in sorted(plant.told.items())),
        "hostile connections": ", ".join(f"{name} {count}" for name, count in sorted(attacks.items())),
        "RSS start / warm / max / last": f"{rss[0]} / {rss[1]} / {max(rss)} / {rss[-1]} KiB",
        "descriptors first / max / last": f"{samples[0]['fds']} / {max(s['fds'] for s in samples)} / {samples[-1]['fds']}",
        "processor time of the meter": f"{samples[-1]['cpu']:.2f} s",
        "log": f"{log.count(chr(10))} lines, {len(log)} bytes",
        "SIGTERM": f"exit code {code} after {took * 1000:.0f} ms",
    }
    print("\n| | |\n|---|---|")
    for name, value in rows.items():
        print(f"| {name} | {value} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("binary")
    parser.add_argument("--seconds", type=float, default=600.0, help="at least 60 (default: 600)")
    parser.add_argument("--without", metavar="LIE", action="append", default=[], help="a lie not to tell, such as jump")
    parser.add_argument("--keep", metavar="FILE", help="where to leave the log of the meter")
    arguments = parser.parse_args()
    if arguments.seconds < 60:
        parser.error("--seconds: at least 60")
    findings, processes = Findings(), []
    with tempfile.TemporaryDirectory() as folder:
        try:
            binary = os.path.abspath(arguments.binary)
            asyncio.run(soak(binary, arguments.seconds, arguments.without, folder, findings, processes))
        except (OSError, RuntimeError) as error:
            findings.add(f"the run ended early: {type(error).__name__}: {error}")
        finally:
            for process in processes:
                process.end()
            if processes and (arguments.keep or findings.count):
                log = processes[0].output()
                if arguments.keep:
                    Path(arguments.keep).write_text(log)
                if findings.count:
                    print(f"---- end of the meter's log ----\n{log[-4000:]}")
    for finding in findings.first:
        print(f"FAIL {finding}")
    print(f"soak: {'FAILED, ' if findings.count else ''}{findings.count} findings")
    return 1 if findings.count else 0


if __name__ == "__main__":
    sys.exit(main())
