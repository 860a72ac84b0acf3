"""Entities get values and lose them: what has no value is never served as fresh, and what is steady stays."""

import time

from meter import Meter, until
from verdicts import after

# The configuration's, and what may come on top: a poll of this judge.
STALE_AFTER, SEEN_WITHIN = 10.0, 0.5
STEADY = 3 * STALE_AFTER
FRESHNESS = f"stale_after: {STALE_AFTER:g}s\n"

# Entities, with their states, units, and what must be served of them.
UNITS = {
    "sensor.judge_unit_p1": ("1.5", "kW", "WphA", 1500.0),
    "sensor.judge_unit_p2": ("1e3", "W", "WphB", 1000.0),
    "sensor.judge_unit_p3": ("3412.1416", "BTU/h", "WphC", 1000.0),
    "sensor.judge_unit_e1": ("12345678.9", "Wh", "TotWhExpPhA", 12345679.0),
    "sensor.judge_unit_e2": ("3.6", "GJ", "TotWhExpPhB", 1e6),
    "sensor.judge_unit_e3": ("2000", None, "TotWhExpPhC", 2e6),
    "sensor.judge_unit_u": ("231500000", "μV", "PhVphA", 231.5),
    "sensor.judge_unit_i": ("6500", "mA", "AphA", 6.5),
    "sensor.judge_unit_f": ("0.05", "kHz", "Hz", 50.0),
}
UNITS_CONFIG = """\
current_power: {l1: sensor.judge_unit_p1, l2: sensor.judge_unit_p2, l3: sensor.judge_unit_p3}
energy_counter_out: {l1: sensor.judge_unit_e1, l2: sensor.judge_unit_e2, l3: sensor.judge_unit_e3}
current_voltage: sensor.judge_unit_u
current_current: sensor.judge_unit_i
current_frequency: sensor.judge_unit_f
"""

# What is done to an entity that shows 800 W.
INJURIES = {
    "becomes unavailable": lambda core, entity: core.set(entity, "unavailable", "W"),
    "becomes unavailable and loses its unit": lambda core, entity: core.set(entity, "unavailable"),
    "becomes unknown": lambda core, entity: core.set(entity, "unknown", "W"),
    "shows a text": lambda core, entity: core.set(entity, "charging", "W"),
    "shows nan": lambda core, entity: core.set(entity, "nan", "W"),
    "shows nothing": lambda core, entity: core.set(entity, "", "W"),
    "gets the unit of a temperature": lambda core, entity: core.set(entity, "800", "°C"),
    "is removed": lambda core, entity: core.remove(entity),
}
# And what does not hurt.
CARE = {
    "is left alone": lambda core, entity: None,
    "is written again, as an update": lambda core, entity: core.set(entity, "800", "W", force_update=True),
    "gets an attribute": lambda core, entity: core.set(entity, "800", None, attributes={"unit_of_measurement": "W", "icon": "mdi:flash"}),
}


def judge(verdicts, meters, core, folder, binary):
    first_values(verdicts, meters, core, folder, binary)
    falling_counter(verdicts, meters, core, folder, binary)
    core.set("sensor.judge_energy", "1000", "kWh")
    patients = {}
    for number, (name, act) in enumerate((INJURIES | CARE).items()):
        entity = f"sensor.judge_patient_{number}"
        core.set(entity, "800", "W")
        meter = Meter(folder, f"patient{number}", binary, core.config, FRESHNESS + f"energy_counter_out: sensor.judge_energy\ncurrent_power: {entity}\n")
        meters.callback(meter.end)
        patients[entity] = name, act, meter
    for _, _, meter in patients.values():
        meter.shows("WphA", 800.0, 15.0)
    for entity, (name, act, meter) in patients.items():
        meter.injured, meter.said = time.monotonic(), len(meter.lines())
        act(core, entity)
        if name in INJURIES:
            seen = until(lambda meter=meter, entity=entity: any(entity in line for line in meter.lines()[meter.said :]), 5.0)
            verdicts.check(f"an entity that {name} is seen", seen is not None and seen <= SEEN_WITHIN, after(seen))
    watch(verdicts, patients)
    for entity, (name, _, meter) in patients.items():
        core.set(entity, "801", "W")
        took = meter.shows("WphA", 801.0, 5.0)
        verdicts.check(f"an entity that {name} has a value again", took is not None and took <= SEEN_WITHIN, after(took))
        meter.end()


def first_values(verdicts, meters, core, folder, binary):
    for entity, (state, unit, _, _) in UNITS.items():
        core.set(entity, state, unit)
    begin = time.monotonic()
    meter = Meter(folder, "units", binary, core.config, UNITS_CONFIG)
    meters.callback(meter.end)
    took = meter.shows("WphA", 1500.0, 15.0)
    verdicts.check("first values", took is not None, f"{(time.monotonic() - begin) * 1e3:.0f} ms from the start of the process")
    for state, unit, register, value in UNITS.values():
        read = meter.read(register)
        verdicts.check(f"{state} {unit or 'without a unit'} is {value:.10g}", read is not None and abs(read - value) <= 2e-7 * value, f"{read}")
    core.set("sensor.judge_unit_p1", "1500", "W")
    time.sleep(0.2)
    core.set("sensor.judge_unit_p1", "1501", "W")
    wrong = set()
    took = until(lambda: see(meter, wrong, {1500.0, 1501.0}) == 1501.0, 1.0, pause=0)
    verdicts.check("a unit and a value that change together", took is not None and not wrong, f"{after(took)} {wrong or ''}")
    meter.end()


def see(meter, wrong, allowed):
    value = meter.read("WphA")
    if value not in allowed:
        wrong.add(value)
    return value


def falling_counter(verdicts, meters, core, folder, binary):
    core.set("sensor.judge_falling", "1000", "kWh", attributes={"unit_of_measurement": "kWh", "state_class": "total_increasing"})
    core.set("sensor.judge_power", "800", "W")
    meter = Meter(folder, "falling", binary, core.config, "energy_counter_out: sensor.judge_falling\ncurrent_power: sensor.judge_power\n")
    meters.callback(meter.end)
    meter.shows("TotWhExp", 1e6, 15.0)
    fallen = set()
    for state in ("999.9", "0", "0.001", "unavailable", "0.002"):
        core.set("sensor.judge_falling", state, "kWh")
        until(lambda: fallen.add(meter.read("TotWhExp")), 0.3)
    verdicts.check("a counter that falls, to 0 too, does not in the meter", fallen == {1e6}, f"{fallen}")
    core.set("sensor.judge_falling", "1000.2", "kWh")
    took = meter.shows("TotWhExp", 1000200.0, 5.0)
    verdicts.check("and it goes on where it is higher again", took is not None, after(took))
    meter.end()


def watch(verdicts, patients):
    """What was served goes on ageing, is never another value, and ends when it is too old."""
    ended, wrong = {}, {}
    begin = time.monotonic()
    while time.monotonic() - begin < STEADY:
        for entity, (_, _, meter) in patients.items():
            value = meter.read("WphA")
            if value is None:
                ended.setdefault(entity, time.monotonic() - meter.injured)
            elif value != 800.0 or entity in ended:
                wrong[entity] = value
        time.sleep(0.02)
    for entity, (name, _, meter) in patients.items():
        end = ended.get(entity)
        if name in CARE:
            lines = meter.lines()[meter.said :]
            lines = [line for line in lines if "connect" not in line]
            verdicts.check(f"an entity that {name} stays live", entity not in wrong and end is None and not lines, f"{STEADY:g} s, {len(lines)} lines")
            continue
        good = entity not in wrong and end is not None and end <= STALE_AFTER + SEEN_WITHIN
        note = f"stale {'never' if end is None else f'after {end:.1f} s'}, {'served ' + str(wrong[entity]) if entity in wrong else 'no other value'}"
        verdicts.check(f"an entity that {name} is not confirmed any more", good, note)
