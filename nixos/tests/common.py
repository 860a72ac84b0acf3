# Goes before each script. The driver that runs them is NixOS' own or that of tests/boot; both give
# TOOLS, the folder `tools` next to this file.
#
# The machines: `meter`; `openhab`, a simulated one with an item for each of ITEMS, as
# openhab.service, that demands TOKEN (but for `migrate`); `inverter`, with pymodbus, pysunspec2 and mbpoll; `stranger`, with a listener on
# port 8080. They are 192.168.1.1 (inverter) to .4 (stranger), in the order of their names.

import json
import shlex
import time
from typing import Any

INVERTER, METER, OPENHAB, STRANGER = "192.168.1.1", "192.168.1.2", "192.168.1.3", "192.168.1.4"
SERVICE, SOCKET = "fronius-smartmeter.service", "fronius-smartmeter.socket"
CREDENTIAL = "/run/credentials/fronius-smartmeter.service/openhab_token"
TOKEN = "oh.boot.Q7vZr2sT9w"
KNOCK = f"timeout 10 bash -c 'exec 3<>/dev/tcp/{METER}/502'"

# Seconds that anything may take on a slow machine under load. How long it took is printed.
PATIENCE = 120

ITEMS = {
    "inverter2_PV_E_total": "12345.678 kWh",
    "inverter2_Grid_U": "231.4 V",
    "inverter2_Grid_I": "3.46 A",
    "inverter2_Grid_P": "800 W",
    "shed_energy": "54.322 kWh",
    "shed_power": "50 W",
    "garage_energy": "2345.5 kWh",
    "garage_power": "300 W",
    "grid_export": "5000 kWh",
    "grid_import": "7000 kWh",
    "grid_power": "450 W",
}
SERVED = {"TotWhExp": 12345678.0, "PhVphA": 231.4, "A": 3.46, "W": -800.0}


def boot() -> None:
    start_all()
    for node in (openhab, stranger):
        node.wait_for_unit("openhab.service", timeout=PATIENCE)
    inverter.wait_for_unit("multi-user.target", timeout=PATIENCE)
    inverter.copy_from_host(TOOLS, "/tmp/tools")


def set_item(name: str, state: str) -> None:
    """Sets an item's state in openHAB."""
    url = f"http://localhost:8080/rest/items/{name}/state"
    header = f"-H 'Content-Type: text/plain' -H 'Authorization: Bearer {TOKEN}'"
    openhab.succeed(f"curl --fail --silent --show-error -X PUT {header} -d {shlex.quote(state)} {url}")


def read(client: str = "pymodbus", at: str = METER) -> dict[str, Any]:
    """What the inverter reads at a host, with its unit id unless that is 1; {"exception": code} where
    it gets one."""
    return json.loads(inverter.succeed(f"python3 /tmp/tools/client.py {client} {at}", timeout=PATIENCE))


def close_to(value: Any, expected: float) -> bool:
    """Equal but for what a float32 cannot hold."""
    return isinstance(value, float | int) and abs(value - expected) <= 2e-7 * abs(expected)


def await_values(within: float = PATIENCE, at: str = METER, **expected: float) -> float:
    """Waits until the inverter reads these; returns the seconds it took."""
    begin = time.monotonic()
    while True:
        values = read(at=at)
        if all(close_to(values.get(name), value) for name, value in expected.items()):
            return time.monotonic() - begin
        waited = time.monotonic() - begin
        t.assertLess(waited, within, f"expected {expected}, read {values}")
        time.sleep(0.2)


def start_watch(seconds: int) -> None:
    """Lets the inverter poll every 20 ms, in the background."""
    inverter.succeed(
        "rm -f /tmp/watch",
        f"(python3 /tmp/tools/client.py watch {METER} {seconds} >/tmp/watch.new 2>&1; "
        "mv /tmp/watch.new /tmp/watch) </dev/null >/dev/null 2>&1 &",
    )
    time.sleep(2)


def end_watch(event: str) -> dict[str, Any]:
    """What became of it: the inverter may lose its connection, but nobody may refuse a new one."""
    seen = json.loads(inverter.wait_until_succeeds("cat /tmp/watch", timeout=PATIENCE))
    print(f"    {event}: {seen}", flush=True)
    t.assertEqual((seen["refused"], seen["timeouts"]), (0, 0), "the port must stay open")
    t.assertGreater(seen["good"], 0)
    return seen


def show(unit: str, name: str) -> str:
    return meter.succeed(f"systemctl show --property={name} --value {unit}").strip()


def switch(specialisation: str) -> None:
    """Switches the meter to another configuration that it has with it; on NixOS alone."""
    path = f"/run/booted-system/specialisation/{specialisation}"
    meter.succeed(f"{path}/bin/switch-to-configuration test", timeout=600)


def not_checked(what: str) -> None:
    print(f"NOT CHECKED HERE: {what}", flush=True)
