"""What a user does to a sensor in the user interface: its unit, its name; and what he mistypes in the configuration."""

import time

from meter import Meter, until
from verdicts import after

CHANGED_WITHIN = 1.0


def judge(verdicts, meters, core, folder, binary):
    number, power = core.sensor("Judge roof", 640.5, "W", "power")
    core.set("sensor.judge_energy", "1000", "kWh")
    values = f"energy_counter_out: sensor.judge_energy\ncurrent_power: {power}\n"
    meter = Meter(folder, "names", binary, core.config, values)
    meters.callback(meter.end)
    meter.shows("WphA", 640.5, 15.0)
    for unit in ("kW", "mW", "W"):
        core.register(power, options_domain="sensor", options={"unit_of_measurement": unit})
        seen = set()
        until(lambda seen=seen: seen.add(meter.read("WphA")), CHANGED_WITHIN, pause=0)
        shown = core.state(power)
        verdicts.check(f"the unit is set to {unit}, and the power stays", seen == {640.5}, f"{shown} {unit} in Home Assistant, {seen}")
        watts = {"kW": 700.25, "mW": 701.5, "W": 702.0}[unit]
        core.call(number, watts)
        took = meter.shows("WphA", watts, 1.0)
        verdicts.check(f"a change arrives in {unit}", took is not None, after(took))
        core.call(number, 640.5)
        meter.shows("WphA", 640.5, 1.0)
    renamed(verdicts, meter, core, number, power)
    meter.end()
    mistyped(verdicts, meters, core, folder, binary, power)


def renamed(verdicts, meter, core, number, power):
    said = len(meter.lines())
    core.register(power, new_entity_id="sensor.judge_renamed")
    took = until(lambda: any(power in line for line in meter.lines()[said:]), 5.0)
    verdicts.check("an entity that is renamed is missed", took is not None, after(took))
    core.register("sensor.judge_renamed", new_entity_id=power)
    core.call(number, 650)
    took = meter.shows("WphA", 650.0, 5.0)
    verdicts.check("and followed when it has its name again", took is not None, after(took))


def mistyped(verdicts, meters, core, folder, binary, power):
    core.set("sensor.judge_energy_total", "1000", "kWh")
    wrong = {"sensor.judge_rof": power, "sensor.judge_energy_totl": "sensor.judge_energy_total"}
    values = "energy_counter_out: sensor.judge_energy_totl\ncurrent_power: sensor.judge_rof\n"
    meter = Meter(folder, "mistyped", binary, core.config, values)
    meters.callback(meter.end)
    for entity, meant in wrong.items():
        took = until(lambda entity=entity, meant=meant: any(entity in line and meant in line for line in meter.lines()), 5.0)
        verdicts.check(f"{entity} is unknown, and {meant} is named", took is not None, after(took))
    said = len(meter.lines())
    time.sleep(5.0)
    repeated = [line for line in meter.lines()[said:] if any(entity in line for entity in wrong)]
    verdicts.check("that is not said again", not repeated, f"{len(repeated)} lines")
    core.set("sensor.judge_rof", "300", "W")
    core.set("sensor.judge_energy_totl", "5", "kWh")
    took = meter.shows("WphA", 300.0, 5.0)
    verdicts.check("entities that appear later have values", took is not None, after(took))
    meter.end()
