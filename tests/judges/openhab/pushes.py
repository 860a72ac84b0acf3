"""Values change, one by one, together in a group, and while openHAB is busy: the registers follow at once."""

import random
import time

from meter import Meter
from verdicts import after, milliseconds

CONFIG = """\
energy_counter_out: JudgeE
current_power: {l1: JudgeP, l2: JudgeTwo, l3: JudgeThree}
"""
TWO = ("JudgeTwoA", "JudgeTwoB")
THREE = ("JudgeThreeA", "JudgeThreeB", "JudgeThreeC")
ROUNDS, CHANGES = 150, 300
SETTLED = 0.2


def judge(verdicts, meters, openhab, folder, binary):
    chance = random.Random(213)  # fixed, so that a failure can be had again
    openhab.add("JudgeE", "Number:Energy")
    openhab.add("JudgeP", "Number:Power")
    openhab.group("JudgeTwo", "Number:Power", TWO)
    openhab.group("JudgeThree", "Number:Power", THREE)
    openhab.post("JudgeE", "1000 kWh")
    openhab.post_together(dict.fromkeys(("JudgeP", *TWO, *THREE), "100 W"))
    meter = Meter(folder, "pushes", binary, openhab.config, CONFIG)
    meters.callback(meter.end)
    begin = time.monotonic()
    while meter.read("WphC") != 300.0 and time.monotonic() - begin < 15.0:
        time.sleep(0.05)
    time.sleep(11.0)  # the first sign of life

    plain = latencies(chance, openhab, meter, "WphA", "JudgeP", 0)
    verdicts.check("event to register, an item", len(plain) == CHANGES, milliseconds(plain))
    sums = latencies(chance, openhab, meter, "WphB", TWO[0], 100)
    verdicts.check("event to register, a member of a group", len(sums) == CHANGES, milliseconds(sums))
    together(verdicts, chance, openhab, meter, "WphB", "JudgeTwo", TWO)
    together(verdicts, chance, openhab, meter, "WphC", "JudgeThree", THREE)
    posted_to_a_group(verdicts, openhab, meter)
    busy(verdicts, chance, openhab, meter)


def latencies(chance, openhab, meter, register, item, others):
    """The seconds from a post until the register has the value, of those that arrived at all."""
    times, last = [], None
    for _ in range(CHANGES):
        watts = last
        while watts == last:
            watts = chance.randrange(100, 900)
        last = watts
        times += latency(openhab, meter, register, item, watts, others)
    return times


def latency(openhab, meter, register, item, watts, others=0):
    begin = time.monotonic()
    openhab.post(item, f"{watts} W")
    return [] if meter.shows(register, watts + others, 5.0) is None else [time.monotonic() - begin]


def together(verdicts, chance, openhab, meter, register, group, members):
    """All members at once, after which openHAB's events come in any order."""
    wrong = openhabs = 0
    for _ in range(ROUNDS):
        watts = {member: chance.randrange(100, 900) for member in members}
        openhab.post_together({member: f"{value} W" for member, value in watts.items()})
        time.sleep(SETTLED)
        while True:
            before, served, behind = openhab.number(group), meter.read(register), openhab.number(group)
            if before == behind:
                break
        wrong += served != before
        openhabs += before != sum(watts.values())
    note = f"{wrong} of {ROUNDS} wrong after {SETTLED:g} s; openHAB's own sum was wrong in {openhabs}"
    verdicts.check(f"{len(members)} members of a group posted together", wrong == 0, note)


def posted_to_a_group(verdicts, openhab, meter):
    openhab.post("JudgeTwo", "999 W")
    time.sleep(SETTLED)
    state = openhab.number("JudgeTwo")
    took = meter.shows("WphB", state, 1.0)
    verdicts.check("a state posted to a group itself", took is not None, f"{state:g} W in openHAB, in the register {after(took)}")


def busy(verdicts, chance, openhab, meter):
    """5000 events a second on other items."""
    burst = openhab.busy(40_000, 5000)
    times, wanted = [], 0
    while burst.is_alive():
        wanted += 1
        times += latency(openhab, meter, "WphA", "JudgeP", 1000 + wanted)
        time.sleep(chance.uniform(0.01, 0.05))
    burst.join()
    verdicts.check("event to register, 5000 other events a second", wanted > 0 and len(times) == wanted, milliseconds(times))
