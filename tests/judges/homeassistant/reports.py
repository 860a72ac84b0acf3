"""With `item_max_age`, what is not reported any more is stale, though Home Assistant lives; the same value once more is a report."""

import time

from meter import Meter

MAX_AGE, WATCHED = 10.0, 30.0
# Home Assistant is asked at every ping: each third of stale_after.
ASKED_EVERY = 5.0


def judge(verdicts, meters, core, folder, binary):
    core.set("sensor.judge_energy", "1000", "kWh")
    entities = ("sensor.judge_reported", "sensor.judge_silent")
    for entity in entities:
        core.set(entity, "800", "W")
    keys = f"stale_after: {3 * ASKED_EVERY:g}s\nitem_max_age: {MAX_AGE:g}s\nenergy_counter_out: sensor.judge_energy\n"
    reported, silent = (Meter(folder, entity, binary, core.config, f"{keys}current_power: {entity}\n") for entity in entities)
    for meter in (reported, silent):
        meters.callback(meter.end)
        meter.shows("WphA", 800.0, 15.0)
    begin, lost, ended, next_report = time.monotonic(), 0, None, 0.0
    while (now := time.monotonic()) - begin < WATCHED:
        if now > next_report:
            core.set(entities[0], "800", "W")
            next_report = now + 3.0
        lost += reported.read("WphA") is None
        if ended is None and silent.read("WphA") is None:
            ended = time.monotonic() - begin
        time.sleep(0.02)
    verdicts.check("item_max_age: the same value once more keeps it live", lost == 0, f"{WATCHED:g} s")
    good = ended is not None and MAX_AGE - 1.0 < ended < MAX_AGE + ASKED_EVERY
    verdicts.check("item_max_age: without it it is stale", good, f"after {ended and round(ended, 1)} s")
