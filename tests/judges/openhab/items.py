"""Items get values, lose them, are edited, retyped and deleted: what has no value is never served as fresh."""

import time

from meter import Meter, until
from verdicts import after

# stale_after, its default, and what may come on top: a read, and a poll of this judge.
STALE_AFTER, SEEN_WITHIN = 30.0, 0.5
# openHAB's signs of life begin within this time.
FIRST_SIGN = 11.0

# Items, with the states that are posted and what must be served of them.
UNITS = {
    "JudgeUnitP1": ("Number:Power", "1.5 kW", "WphA", 1500.0),
    "JudgeUnitP2": ("Number", "1234.5", "WphB", 1234.5),
    "JudgeUnitP3": ("Number:Power", "2500000 mW", "WphC", 2500.0),
    "JudgeUnitE1": ("Number:Energy", "12345678.9 Wh", "TotWhExpPhA", 12345679.0),
    "JudgeUnitE2": ("Number:Energy", "3.6 GJ", "TotWhExpPhB", 1e6),
    "JudgeUnitE3": ("Number", "2000", "TotWhExpPhC", 2e6),
    "JudgeUnitU": ("Number:ElectricPotential", "0.2315 kV", "PhVphA", 231.5),
    "JudgeUnitI": ("Number:ElectricCurrent", "6500 mA", "AphA", 6.5),
    "JudgeUnitF": ("Number:Frequency", "0.05 kHz", "Hz", 50.0),
}
UNITS_CONFIG = """\
current_power: {l1: JudgeUnitP1, l2: JudgeUnitP2, l3: JudgeUnitP3}
energy_counter_out: {l1: JudgeUnitE1, l2: JudgeUnitE2, l3: JudgeUnitE3}
current_voltage: JudgeUnitU
current_current: JudgeUnitI
current_frequency: JudgeUnitF
"""

# What is done to an item that shows 800 W, and how a user gets its value back.
INJURIES = {
    "becomes NULL, as persistence does it": lambda openhab, item: openhab.do("set", name=item, value="NULL"),
    "becomes UNDEF": lambda openhab, item: openhab.post(item, "UNDEF"),
    "is edited, its label alone": lambda openhab, item: openhab.do("update", name=item, type="Number:Power", label="Roof"),
    "is retyped": lambda openhab, item: openhab.do("update", name=item, type="Number"),
    "is deleted": lambda openhab, item: openhab.do("remove", name=item),
    "is left alone": lambda openhab, item: None,
}


def judge(verdicts, meters, openhab, folder, binary):
    first_values(verdicts, meters, openhab, folder, binary)
    openhab.add("JudgeE", "Number:Energy")
    openhab.post("JudgeE", "1000 kWh")
    patients = {}
    for number, injury in enumerate(INJURIES):
        item = f"JudgeInjured{number}"
        openhab.add(item, "Number:Power")
        openhab.post(item, "800 W")
        patients[item] = injury, Meter(folder, item, binary, openhab.config, f"energy_counter_out: JudgeE\ncurrent_power: {item}\n")
        meters.callback(patients[item][1].end)
    time.sleep(FIRST_SIGN)
    for item, (_, meter) in patients.items():
        meter.read("WphA")  # the first request is logged
        openhab.post(item, "800 W")  # told just now, the meter has no reason to read it but the injury
    time.sleep(1.0)
    for item, (injury, meter) in patients.items():
        meter.injured, meter.said = time.monotonic(), len(meter.lines())
        INJURIES[injury](openhab, item)
        if injury != "is left alone":
            seen = until(lambda: f"{item} gives no value" in meter.log(), 5.0)
            verdicts.check(f"an item that {injury} is seen", seen is not None and seen <= SEEN_WITHIN, after(seen))
    watch(verdicts, patients)
    come_back(verdicts, openhab, patients)


def first_values(verdicts, meters, openhab, folder, binary):
    for item, (kind, state, _, _) in UNITS.items():
        openhab.add(item, kind)
        openhab.post(item, state)
    begin = time.monotonic()
    meter = Meter(folder, "units", binary, openhab.config, UNITS_CONFIG)
    meters.callback(meter.end)
    took = meter.shows("WphA", 1500.0, 15.0)
    verdicts.check("first values", took is not None, f"{(time.monotonic() - begin) * 1e3:.0f} ms from the start of the process")
    for item, (kind, state, register, value) in UNITS.items():
        took = meter.shows(register, value, 1.0)
        verdicts.check(f"{state} of a {kind} is {value:.10g}", took is not None, f"{openhab.state(item)} in openHAB")


def watch(verdicts, patients):
    """What was served goes on ageing, is never another value, and ends when it is too old."""
    ended, wrong = {}, {}
    begin = time.monotonic()
    while time.monotonic() - begin < STALE_AFTER + 5.0:
        for item, (_, meter) in patients.items():
            value = meter.read("WphA")
            if value is None:
                ended.setdefault(item, time.monotonic() - meter.injured)
            elif value != 800.0 or item in ended:
                wrong[item] = value
        time.sleep(0.02)
    for item, (injury, meter) in patients.items():
        end = ended.get(item)
        good = item not in wrong
        if injury == "is left alone":
            lines = len(meter.lines()) - meter.said
            verdicts.check("an item that is left alone stays live by signs of life", good and end is None and lines == 0, f"{lines} lines")
            continue
        good = good and end is not None and end <= STALE_AFTER + SEEN_WITHIN
        note = f"stale {'never' if end is None else f'after {end:.1f} s'}, {'served ' + str(wrong[item]) if item in wrong else 'no other value'}"
        verdicts.check(f"an item that {injury} is not confirmed any more", good, note)


def come_back(verdicts, openhab, patients):
    for item, (injury, meter) in patients.items():
        if injury == "is left alone":
            continue
        if injury == "is deleted":
            openhab.add(item, "Number:Power")
        openhab.post(item, "801" if injury == "is retyped" else "801 W")
        took = meter.shows("WphA", 801.0, 5.0)
        verdicts.check(f"an item that {injury} has a value again", took is not None and took <= SEEN_WITHIN, after(took))
