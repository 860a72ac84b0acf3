"""openHAB goes and comes back, without states at first: nothing is made up, and the log says it in few lines."""

import os
import subprocess
import time

from meter import Meter, until

METERS = {
    "plain": "energy_counter_out: JudgeE\ncurrent_power: JudgeP\ncurrent_voltage: JudgeU\n",
    "groups": "energy_counter_out: JudgeCounters\ncurrent_power: JudgePowers\n",
}
# In the order in which their bindings come back.
STATES = {
    "JudgeCounterA": "1000 kWh",
    "JudgeP": "800 W",
    "JudgePowerA": "300 W",
    "JudgeE": "1000 kWh",
    "JudgeU": "231 V",
    "JudgeCounterB": "2000 kWh",
    "JudgePowerB": "500 W",
}
# Posted at once, openHAB's own sums may be wrong.
SETTLED = 0.2
# Where it takes more than 30 s, what the inverter gets changes, and that is logged too.
FRESHNESS = ("data is stale", "data is live")


def judge(verdicts, meters, openhab, folder, binary):
    command = os.environ.get("OPENHAB_RESTART")
    if not command:
        verdicts.check("a restart of openHAB", None, "OPENHAB_RESTART is not set")
        return
    for name, dimension in (("JudgeE", "Energy"), ("JudgeP", "Power"), ("JudgeU", "ElectricPotential")):
        openhab.add(name, f"Number:{dimension}")
    openhab.group("JudgeCounters", "Number:Energy", ("JudgeCounterA", "JudgeCounterB"))
    openhab.group("JudgePowers", "Number:Power", ("JudgePowerA", "JudgePowerB"))
    for item, state in STATES.items():
        openhab.post(item, state)
        time.sleep(SETTLED)
    running = [Meter(folder, f"restart-{name}", binary, openhab.config, config) for name, config in METERS.items()]
    for meter in running:
        meters.callback(meter.end)
        meter.shows("WphA", 800.0, 15.0)
    time.sleep(12.0)  # the first sign of life, and openHAB writes its items down
    said = {meter.name: len(meter.lines()) for meter in running}
    served = {meter.name: meter.read("TotWhExp") for meter in running}
    fallen, invented = restarted(openhab, running, served, command)
    for meter in running:
        lines = meter.lines()[said[meter.name] :]
        print("\n".join(f"    {meter.name}: {line}" for line in lines), flush=True)
        levels = [line.split(" ", 1)[0] for line in lines if not any(text in line for text in FRESHNESS)]
        verdicts.check(f"{meter.name}: a line when openHAB goes, and one when it is back", levels == ["WARN", "WARN"], f"{levels}")
        verdicts.check(f"{meter.name}: the counter never fell", meter.name not in fallen, f"{served[meter.name]:g} Wh")
        verdicts.check(f"{meter.name}: no power was made up", meter.name not in invented, str(invented.get(meter.name, "")))
        took = meter.shows("WphA", 800.0, 15.0)
        verdicts.check(f"{meter.name}: its values are back", took is not None)


def restarted(openhab, running, served, command):
    """Restarts openHAB and lets its bindings come back one by one. Returns the meters that served what was not there."""
    fallen, invented = {}, {}

    def watch(seconds):
        def look():
            for meter in running:
                energy, watts = meter.read("TotWhExp"), meter.read("WphA")
                if energy is not None and energy < served[meter.name]:
                    fallen[meter.name] = energy
                # A sum of members is smaller while one of them is not back.
                if watts not in (None, 800.0, 300.0, 500.0):
                    invented[meter.name] = watts
        until(look, seconds, pause=0.05)

    down = subprocess.Popen(command, shell=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while down.poll() is None or not openhab.is_up():
        watch(0.2)
    watch(5.0)
    for item, state in STATES.items():
        openhab.post(item, state)
        watch(2.0)
    watch(20.0)
    return fallen, invented
