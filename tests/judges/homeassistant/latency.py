"""Values change: how long until the register has them."""

import random
import time

from meter import Meter
from verdicts import milliseconds
from websocket import WebSocket

CHANGES = 1000


def judge(verdicts, meters, core, folder, binary):
    chance = random.Random(213)  # fixed, so that a failure can be had again
    number, power = core.sensor("Judge quick", 100, "W", "power")
    core.set("sensor.judge_energy", "1000", "kWh")
    core.set("sensor.judge_plain", "100", "W")
    values = f"energy_counter_out: sensor.judge_energy\ncurrent_power: {{l1: {power}, l2: sensor.judge_plain}}\n"
    meter = Meter(folder, "latency", binary, core.config, values)
    meters.callback(meter.end)
    meter.shows("WphA", 100.0, 15.0)
    ways = {
        "a service, a template sensor": (Service(core, number), "WphA", power),
        "POST /api/states": (lambda watts: core.set("sensor.judge_plain", str(watts), "W"), "WphB", "sensor.judge_plain"),
    }
    for way, (change, register, entity) in ways.items():
        times = measure(chance, change, lambda watts, register=register: meter.shows(register, watts, 5.0))
        verdicts.check(f"change to register, {way}", len(times) == CHANGES, milliseconds(times))
        listener = Listener(core, entity)
        times = measure(chance, change, listener.hears)
        verdicts.check(f"change to a client in Python in place of the meter, {way}", len(times) == CHANGES, milliseconds(times))
    meter.end()


class Service:
    """Calls one that changes a number. Home Assistant answers after the event, so the answer is read before the next call."""

    def __init__(self, core, number):
        self.number, self.socket, self.calls = number, WebSocket(core.url, core.token), 0

    def __call__(self, watts):
        if self.calls:
            self.socket.receive()
        self.calls += 1
        data = {"entity_id": self.number, "value": watts}
        self.socket.send({"id": self.calls, "type": "call_service", "domain": "input_number", "service": "set_value", "service_data": data})


def measure(chance, change, arrives):
    """The seconds from each change until it has arrived, of those that did."""
    times, last = [], None
    for _ in range(CHANGES):
        watts = last
        while watts == last:
            watts = float(chance.randrange(100, 900))
        last = watts
        begin = time.monotonic()
        change(watts)
        if arrives(watts) is not None:
            times.append(time.monotonic() - begin)
        time.sleep(chance.uniform(0.0, 0.01))
    return times


class Listener:
    """Another client with the same subscription."""

    def __init__(self, core, entity):
        self.entity, self.socket = entity, WebSocket(core.url, core.token, 5.0)
        self.socket.command("subscribe_entities", entity_ids=[entity])
        self.socket.receive()

    def hears(self, watts):
        while True:
            changed = self.socket.receive()["event"].get("c", {}).get(self.entity, {}).get("+", {})
            if float(changed.get("s", "nan")) == watts:
                return True
