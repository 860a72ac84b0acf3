"""Home Assistant goes and comes back, in good order and not: nothing is made up, and the log says it in few lines."""

import socket
import threading
import time
import urllib.parse

from meter import Meter, until
from verdicts import after

QUICK = 4.0
# The quick one is stale as soon as Home Assistant is away, so that one sees when it has values again.
METERS = {"patient": "", "quick": f"stale_after: {QUICK:g}s\n"}
FRESHNESS = ("data is stale", "data is live")
BACK_WITHIN = 60.0
# Home Assistant waits 10 s for a client that does not answer its goodbye.
ENDED_WITHIN = 8.0
# A connection that lasts for less than a minute is not worth a line.
SETTLED = 65.0


def judge(verdicts, meters, core, folder, binary):
    if not core.control:
        verdicts.check("a restart of Home Assistant", None, "HOMEASSISTANT_CONTROL is not set")
        return
    _, energy = core.sensor("Judge counter", 1000, "kWh", "energy")
    _, power = core.sensor("Judge generator", 800, "W", "power")
    values = f"energy_counter_out: {energy}\ncurrent_power: {power}\n"
    running = [Meter(folder, f"restart-{name}", binary, core.config, values + keys) for name, keys in METERS.items()]
    for meter in running:
        meters.callback(meter.end)
        meter.shows("WphA", 800.0, 15.0)
    time.sleep(15.0)  # Home Assistant writes its helpers down
    for way in ("stop", "kill"):
        restarted(verdicts, core, running, way, power)


def restarted(verdicts, core, running, way, power):
    said = {meter.name: len(meter.lines()) for meter in running}
    watch = Watch(running)
    begin = time.monotonic()
    core.do(way)
    ended = time.monotonic() - begin
    verdicts.check(f"{way}: Home Assistant does not wait for the meter", ended < ENDED_WITHIN, f"it has ended after {ended:.1f} s")
    quick = running[1]
    took = until(lambda: quick.read("WphA") is None, 10.0)
    verdicts.check(f"{way}: stale while it is away", took is not None and ended + took <= QUICK + 0.5, after(took and ended + took))
    core.do("start")
    port = until(lambda: answers(core), BACK_WITHIN)
    there = until(lambda: shows(core, power, 800.0), BACK_WITHIN)
    there_at = time.monotonic()
    took = quick.shows("WphA", 800.0, BACK_WITHIN)
    note = f"port after {port or 0:.2f} s, value in Home Assistant {there or 0:.2f} s later, "
    verdicts.check(f"{way}: reconnected", took is not None, note + f"in the register {time.monotonic() - there_at:.2f} s after that")
    time.sleep(SETTLED)
    watch.end()
    for meter in running:
        lines = meter.lines()[said[meter.name] :]
        print("\n".join(f"    {meter.name}: {line}" for line in lines), flush=True)
        levels = [line.split(" ", 1)[0] for line in lines if not any(text in line for text in FRESHNESS)]
        verdicts.check(f"{way}, {meter.name}: a line when it goes, and one when it is back", levels == ["WARN", "WARN"], f"{levels}")
        verdicts.check(f"{way}, {meter.name}: nothing was made up", not watch.wrong[meter.name], f"{watch.wrong[meter.name] or ''}")
        verdicts.check(f"{way}, {meter.name}: its values are back", meter.shows("WphA", 800.0, 5.0) is not None)
    core.open_socket()


class Watch:
    """Reads the meters all the time, each on a connection of its own."""

    def __init__(self, running):
        self.wrong, self.going = {meter.name: set() for meter in running}, True
        self.thread = threading.Thread(target=self.look, args=(running,))
        self.thread.start()

    def look(self, running):
        clients = {meter.name: meter.another() for meter in running}
        while self.going:
            for name, read in clients.items():
                self.wrong[name] |= {read("TotWhExp"), read("WphA")} - {None, 1e6, 800.0}
            time.sleep(0.02)

    def end(self):
        self.going = False
        self.thread.join()


def answers(core):
    parts = urllib.parse.urlsplit(core.url)
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=1).close()
        return True
    except OSError:
        return False


def shows(core, entity, value):
    try:
        return float(core.state(entity) or "nan") == value
    except (OSError, ValueError):
        return False
