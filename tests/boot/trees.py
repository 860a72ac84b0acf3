"""What lies over the root of each machine: here what a user of Debian installs by hand.

A tree of another origin can take its place (`--trees`), as long as it brings the same: the meter on
port 502 of `meter`, an `openhab.service`, and something that listens on port 8080 of `stranger`.
"""

import json
import shutil
import subprocess
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
OLD_CONFIG = PROJECT / "tests/fixtures/config/valid/old-readme.yaml"

# TOKEN and ITEMS are known to nixos/tests/common.py as well.
TOKEN = "oh.boot.Q7vZr2sT9w"
WITHOUT_TOKEN = ("migrate",)  # the old script knew none
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

SOURCE = {"openhab_host": "openhab", "poll_interval": "1s", "stale_after": "5s"}
CONFIG = SOURCE | {
    "energy_counter_out": "inverter2_PV_E_total",
    "current_power": "inverter2_Grid_P",
    "current_voltage": "inverter2_Grid_U",
    "current_current": "inverter2_Grid_I",
}
METERS = [
    {
        "name": "roofs",
        "energy_counter_out": ["inverter2_PV_E_total", "shed_energy"],
        "current_power": ["inverter2_Grid_P", "shed_power"],
        "modbus_listen": "192.168.1.2:502",
    },
    {
        "name": "garage",
        "energy_counter_out": "garage_energy",
        "current_power": "garage_power",
        "modbus_listen": "192.168.1.2:502",
        "modbus_tcp_address": 2,
    },
    {
        "name": "grid",
        "role": "grid",
        "energy_counter_out": "grid_export",
        "energy_counter_in": "grid_import",
        "current_power": "grid_power",
        "modbus_listen": "192.168.1.22:502",
    },
]
HOMEASSISTANT = {
    "homeassistant_host": "openhab",
    "stale_after": "5s",
    "energy_counter_out": "sensor.roof_energy",
    "current_power": "sensor.roof_power",
}

SIMULATE = """\
[Unit]
Description=An openHAB that is none

[Service]
ExecStart=fronius-smartmeter simulate --listen [::]:8080 {options}
Restart=always

[Install]
WantedBy=multi-user.target
"""

# The script as its README makes a service of it, and of the script what matters here.
OLD_SERVICE = """\
[Service]
ExecStart=/usr/bin/python3 /home/pi/modbus_tcp_smartmeter/src/modbus_tcp_smartmeter.py
Restart=always

[Install]
WantedBy=multi-user.target
"""
OLD_SCRIPT = "import socket, signal; port = socket.create_server(('', 502)); signal.pause()\n"

# What a test adds to the configuration, and to the units.
SETTINGS = {
    "journal": {"loglevel": "debug"},
    "mdns": {"openhab_host": "openhabian.local"},
    "tls": {"openhab_host": "https://openhab:8443", "openhab_ca_file": "/var/lib/openhab.pem"},
}
DROP_INS = {
    # Only whom it must: what a careful user writes.
    "hardened": {
        "fronius-smartmeter.socket": "[Socket]\nIPAddressAllow=\nIPAddressAllow=192.168.1.1\n",
        "fronius-smartmeter.service": "[Service]\nIPAddressAllow=\nIPAddressAllow=192.168.1.3\nWatchdogSec=10s\n",
    },
    "encrypted": {
        "fronius-smartmeter.service": "[Service]\nLoadCredential=\nSetCredential=\n"
        "LoadCredentialEncrypted=openhab_token:/var/lib/openhab_token.cred\n"
    },
    "address": {"fronius-smartmeter.socket": "[Socket]\nListenStream=\nListenStream=192.168.1.77:502\n"},
    "journal": {"fronius-smartmeter.service": "[Service]\nWatchdogSec=3s\nLogRateLimitIntervalSec=0\n"},
    "status": {
        "fronius-smartmeter-status.socket": "[Socket]\nListenStream=192.168.1.2:8081\n"
        "ListenStream=/run/fronius-smartmeter/status.sock\n"
    },
    "meters": {
        "fronius-smartmeter.socket": "[Socket]\nListenStream=\nListenStream=192.168.1.2:502\n",
        "fronius-smartmeter@grid.socket": "[Socket]\nListenStream=192.168.1.22:502\n",
    },
}
# What the documents enable; another unit is where a test changes it.
ENABLED = ("fronius-smartmeter.service", "fronius-smartmeter.socket")
LATE_ADDRESSES = {"address": "192.168.1.77", "meters": "192.168.1.22"}

LATE_ADDRESS = """\
[Unit]
After=sockets.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=ip address add {address}/24 dev eth1
ExecStop=ip address del {address}/24 dev eth1

[Install]
WantedBy=multi-user.target
"""


def debian(test: str, binary: Path, trees: Path) -> Path:
    """Makes the trees of all machines for one test; returns the folder with them."""
    items = " ".join(f'"--item={name}={state}"' for name, state in ITEMS.items())
    for node in ("inverter", "meter", "openhab", "stranger"):
        program = trees / node / "usr/bin/fronius-smartmeter"
        program.parent.mkdir(parents=True)
        shutil.copy(binary, program)
    write(trees / "openhab/etc/openhab_token", TOKEN + "\n", 0o600)
    demand = "" if test in WITHOUT_TOKEN else " --token-file /etc/openhab_token"
    for node, options in (("openhab", items + demand), ("stranger", items)):
        enable(write(trees / node / "usr/lib/systemd/system/openhab.service", SIMULATE.format(options=options)))
    meter(trees / "meter", test)
    return trees


def script_user(binary: Path, package: Path, trees: Path) -> Path:
    """A Debian on which the old script runs, with the package and the project at hand."""
    debian("debian", binary, trees)
    tree = trees / "meter"
    shutil.rmtree(tree)
    home = tree / "home/pi"
    project = home / "fronius-smartmeter"
    (tree / "root").mkdir(parents=True)
    shutil.copy(package, tree / "root/fronius-smartmeter.deb")
    subprocess.run([PROJECT / "tests/packages/older", package, tree / "root/older.deb"], check=True)
    documents = [PROJECT / "README.md", *(PROJECT / "docs").glob("*.md")]
    for file in (*documents, *(PROJECT / "systemd").iterdir()):
        write(project / file.relative_to(PROJECT), file.read_text())
    (project / "target/release").mkdir(parents=True)
    shutil.copy(binary, project / "target/release")
    old = home / "modbus_tcp_smartmeter/src"
    write(old / "config.yaml", OLD_CONFIG.read_text().replace("192.168.1.31", "openhab"))
    write(old / "modbus_tcp_smartmeter.py", OLD_SCRIPT)
    enable(write(tree / "usr/lib/systemd/system/modbus-tcp-smartmeter.service", OLD_SERVICE))
    return trees


def meter(tree: Path, test: str) -> None:
    others = {"meters": SOURCE | {"meters": METERS}, "homeassistant": HOMEASSISTANT}
    config = json.dumps(others.get(test) or CONFIG | SETTINGS.get(test, {}))
    if test == "migrate":
        config = OLD_CONFIG.read_text().replace("192.168.1.31", "openhab")
    write(tree / "etc/fronius-smartmeter/config.yaml", config)
    if test not in WITHOUT_TOKEN:
        write(tree / "etc/fronius-smartmeter/openhab_token", TOKEN + "\n", 0o600)
    for unit in sorted((PROJECT / "systemd").iterdir()):
        installed = write(tree / "usr/lib/systemd/system" / unit.name, unit.read_text())
        if unit.name in ENABLED or unit.name in DROP_INS.get(test, {}):
            enable(installed)
    for unit_name, drop_in in DROP_INS.get(test, {}).items():
        write(tree / f"etc/systemd/system/{unit_name}.d/test.conf", drop_in)
        template, at, _ = unit_name.partition("@")
        if at:
            enable(tree / f"usr/lib/systemd/system/{template}@.socket", unit_name)
    if address := LATE_ADDRESSES.get(test):
        late_address = LATE_ADDRESS.format(address=address)
        enable(write(tree / "usr/lib/systemd/system/late-address.service", late_address))


def write(path: Path, text: str, mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def enable(unit: Path, instance: str = "") -> None:
    """What `systemctl enable` would do: the machine is not there yet."""
    root = unit.parents[4]
    lines = [line.split("=", 1) for line in unit.read_text().splitlines()]
    folders = {"WantedBy": "wants", "RequiredBy": "requires"}
    for target, folder in [(rest[0], folders[key]) for key, *rest in lines if key in folders]:
        link = root / "etc/systemd/system" / f"{target}.{folder}" / (instance or unit.name)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(Path("/") / unit.relative_to(root))
