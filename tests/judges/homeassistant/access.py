"""Tokens that are wrong, and that are deleted while they are in use: said once, tried again after a minute or more."""

import itertools
import time
from pathlib import Path

from meter import Meter, until
from relay import Relay
from verdicts import after

TRIED_AGAIN_AFTER, WATCHED = 59.0, 90.0
VALUES = "energy_counter_out: sensor.judge_energy\ncurrent_power: sensor.judge_plain\nstale_after: 5s\n"


def judge(verdicts, meters, core, folder, binary):
    core.set("sensor.judge_energy", "1000", "kWh")
    core.set("sensor.judge_plain", "100", "W")
    good, name = core.new_token()
    wrong = "of-a-house-elsewhere"
    core.secrets.add(wrong)
    patients = {}
    for kind, token in (("wrong", wrong), ("deleted", good)):
        relay = Relay(core.url)
        meters.callback(relay.end)
        token_file = Path(folder, f"{kind}.token")
        token_file.write_text(token + "\n")
        meter = Meter(folder, kind, binary, core.config_at(relay.port, token_file), VALUES)
        meters.callback(meter.end)
        patients[kind] = meter, relay, token_file
    meter, relay, _ = patients["deleted"]
    meter.shows("WphA", 100.0, 15.0)
    time.sleep(1.0)
    first = {"wrong": 0, "deleted": len(relay.connected)}
    said = len(meter.lines())
    core.delete_token(name)
    took = until(lambda: meter.read("WphA") is None, 10.0)
    verdicts.check("a token that is deleted while connected: stale", took is not None and took <= 5.5, after(took))
    time.sleep(WATCHED)
    for kind, (meter, relay, _) in patients.items():
        lines = [line for line in meter.lines()[said if kind == "deleted" else 0 :] if line.startswith(("WARN", "ERROR"))]
        lines = [line for line in lines if "stale" not in line]
        print("\n".join(f"    {kind}: {line}" for line in lines), flush=True)
        about = [line for line in lines if "token" in line]
        # That the connection has ended may be said before it is known why.
        verdicts.check(f"a token that is {kind} is said once", len(about) == 1 and len(lines) <= 2, f"{len(lines)} lines in {WATCHED:g} s")
        tries = relay.connected[first[kind] :]
        gaps = [later - earlier for earlier, later in itertools.pairwise(tries)]
        note = f"{len(tries)} tries, {', '.join(f'{gap:.0f} s' for gap in gaps)} apart"
        verdicts.check(f"a token that is {kind} is tried again after a minute or more", len(tries) > 1 and min(gaps) > TRIED_AGAIN_AFTER, note)
    again, _ = core.new_token()
    for kind, (meter, _, token_file) in patients.items():
        token_file.write_text(again + "\n")
        took = until(lambda meter=meter: meter.read("WphA") == 100.0, WATCHED + TRIED_AGAIN_AFTER, pause=0.1)
        verdicts.check(f"a token that was {kind} is exchanged in its file", took is not None, after(took))
        meter.end()
