"""Other entities change: the meter neither hears of it nor works for it."""

import time
from pathlib import Path

from meter import Meter
from relay import Relay
from websocket import WebSocket

ENTITIES, ROUNDS_A_SECOND, SECONDS = 500, 100, 60.0
# Of a third of stale_after: each ping and pong, at either level, is below this.
PING_EVERY, PING_BYTES = 10.0, 40


def judge(verdicts, meters, core, folder, binary):
    core.set("sensor.judge_energy", "1000", "kWh")
    core.set("sensor.judge_plain", "100", "W")
    relay = Relay(core.url)
    meters.callback(relay.end)
    token_file = Path(folder, "idle.token")
    token_file.write_text(core.token + "\n")
    meter = Meter(folder, "idle", binary, core.config_at(relay.port, token_file), "energy_counter_out: sensor.judge_energy\ncurrent_power: sensor.judge_plain\n")
    meters.callback(meter.end)
    meter.shows("WphA", 100.0, 15.0)
    time.sleep(2.0)
    load = Load(core)
    for what, run in (("alone", lambda: time.sleep(SECONDS)), (f"{ENTITIES} others change", load.run)):
        relay.bytes.update(dict.fromkeys(relay.bytes, 0))
        before, begin = cpu_seconds(meter), time.monotonic()
        run()
        seconds = time.monotonic() - begin
        used = (cpu_seconds(meter) - before) / seconds
        limit = (seconds / PING_EVERY + 1) * PING_BYTES
        note = f"{used * 100:.4f} % of a core; " + ", ".join(f"{count} bytes {way}" for way, count in relay.bytes.items())
        note += f" in {seconds:.0f} s" + (f"; {load.rate(seconds)}" if run == load.run else "")
        verdicts.check(f"idle, {what}", all(count <= limit for count in relay.bytes.values()) and used < 0.0005, note)
    meter.end()


def cpu_seconds(meter):
    """What all threads have run, in the kernel's finest measure."""
    tasks = Path(f"/proc/{meter.process.child.pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


class Load:
    """Numbers that a service changes all at once."""

    def __init__(self, core):
        self.numbers = [core.number(f"Judge noise {number}", number) for number in range(ENTITIES)]
        self.socket, self.calls = WebSocket(core.url, core.token), 0

    def run(self):
        end = time.monotonic() + SECONDS
        begin = time.monotonic()
        while time.monotonic() < end:
            self.calls += 1
            self.socket.command("call_service", domain="input_number", service="set_value", service_data={"entity_id": self.numbers, "value": self.calls})
            time.sleep(max(0.0, begin + self.calls / ROUNDS_A_SECOND - time.monotonic()))

    def rate(self, seconds):
        return f"{self.calls / seconds:.0f} times a second each, {self.calls * ENTITIES / seconds:.0f} changes a second"
