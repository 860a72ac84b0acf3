# A Raspberry Pi on which the Python script runs as a service: moving over with the Debian package,
# then without it, by the commands of the documents. Runs after nixos/tests/common.py, as they do.

PROJECT, SCRIPT = "/home/pi/fronius-smartmeter", "/home/pi/modbus_tcp_smartmeter/src"
CONFIG = "/etc/fronius-smartmeter/config.yaml"
STATE = "/var/lib/fronius-smartmeter"
GRID_SOCKET = "fronius-smartmeter@grid.socket"
TEMPLATE = "fronius-smartmeter@.socket"
STATUS_SOCKET = "fronius-smartmeter-status.socket"
PAGE = "curl --fail --silent --max-time 10 --output /dev/null"
OLD = "modbus-tcp-smartmeter.service"


def documented(command: str, *documents: str) -> str:
    """A command that is in these documents, for root."""
    for document in documents:
        t.assertIn(command, meter.succeed(f"cat {PROJECT}/{document}"))
    return command.replace("sudo ", "")


def edit_unit(unit: str, override: str) -> None:
    """As `systemctl edit` of the document, where this is typed."""
    documented(f"sudo systemctl edit {unit}", "docs/debian.md")
    meter.succeed(f"systemctl edit --stdin {unit} <<'END'\n{override}END")


def move_over() -> None:
    migration = "docs/migration.md"
    meter.succeed(documented(f"sudo systemctl disable --now {OLD.removesuffix('.service')}", migration))
    install = documented(f"sudo install -Dm 644 src/config.yaml {CONFIG}", migration)
    meter.succeed(install.replace("src", SCRIPT))
    meter.succeed(f"install -Dm 600 <(echo {TOKEN}) /etc/fronius-smartmeter/openhab_token")
    enable = f"sudo systemctl enable --now {SOCKET} {SERVICE}"
    meter.succeed(documented(enable, migration, "docs/debian.md", "README.md"))


def write_config(meters: list[dict[str, str]]) -> None:
    config = json.dumps({"openhab_host": "openhab", "meters": meters})
    meter.succeed(f"cat >{CONFIG} <<'END'\n{config}\nEND")


def are_served() -> None:
    for unit in (SOCKET, GRID_SOCKET, SERVICE):
        meter.wait_for_unit(unit, timeout=60)
    await_values(20, at="192.168.1.21", W=-800.0, TotWhExp=12345678.0)
    await_values(20, at="192.168.1.22", W=450.0, TotWhExp=5000000.0)


def is_served() -> None:
    meter.wait_for_unit(SERVICE, timeout=60)
    await_values(20, WphB=-800.0, PhVphB=231.4, TotWhExp=12345678.0)
    pid = show(SERVICE, "MainPID")
    t.assertNotIn("\t0", meter.succeed(f"grep ^Uid: /proc/{pid}/status"))


boot()
meter.wait_for_unit(OLD, timeout=60)

def apt(arguments: str) -> str:
    return meter.succeed(f"apt-get --yes {arguments}", timeout=120)


with subtest("the package installs beside the script, and waits for a configuration"):
    t.assertIn("fronius-smartmeter setup openhab HOST", apt("install ./root/older.deb"))
    for unit in (SERVICE, SOCKET):
        t.assertEqual(meter.succeed(f"systemctl is-enabled {unit}").strip(), "enabled")
        t.assertEqual((show(unit, "ActiveState"), show(unit, "ConditionResult")), ("inactive", "no"))
    t.assertEqual(show(OLD, "ActiveState"), "active")
    meter.succeed("fronius-smartmeter --help", "test -e /usr/share/bash-completion/completions/fronius-smartmeter")

with subtest("moving over: the same file, the same port, and no root"):
    move_over()
    is_served()

with subtest("root checks it, with the secrets of the service"):
    check = documented(
        "sudo env CREDENTIALS_DIRECTORY=/etc/fronius-smartmeter fronius-smartmeter check"
        " --config /etc/fronius-smartmeter/config.yaml",
        "docs/debian.md",
    )
    t.assertIn("40133 TotWhExpPhB", meter.succeed(check))

with subtest("an upgrade restarts it and keeps the counter, and a reboot the service"):
    before = show(SERVICE, "MainPID")
    t.assertNotIn("setup", apt("install ./root/fronius-smartmeter.deb"))
    t.assertNotEqual(show(SERVICE, "MainPID"), before)
    is_served()
    meter.shutdown()
    meter.start()
    is_served()

with subtest("root looks at the counters and forgets them, and the service can still use the file"):
    counters = documented(
        "sudo env STATE_DIRECTORY=/var/lib/fronius-smartmeter fronius-smartmeter counters"
        " --config /etc/fronius-smartmeter/config.yaml",
        "docs/debian.md",
    )
    meter.succeed(f"systemctl stop {SOCKET} {SERVICE}")
    serial = json.loads(meter.succeed(f"cat {STATE}/meter-*.json"))["serial_number"]
    t.assertIn("12 345.678 kWh", meter.succeed(counters))
    meter.succeed(f"{counters} --reset {serial}")
    t.assertNotIn("12 345.678 kWh", meter.succeed(counters))
    set_item("inverter2_PV_E_total", "1000 kWh")
    meter.succeed(f"systemctl start {SOCKET} {SERVICE}")
    await_values(20, TotWhExp=1e6)
    meter.succeed(f"systemctl stop {SOCKET} {SERVICE}")
    t.assertIn("1 000.000 kWh", meter.succeed(counters))
    set_item("inverter2_PV_E_total", ITEMS["inverter2_PV_E_total"])

with subtest("a mistake in the file is reported, and the port stays"):
    meter.succeed(f"echo connected_fase: 1 >>{CONFIG}")
    meter.succeed(f"systemctl start --no-block {SOCKET} {SERVICE}")
    meter.wait_until_succeeds(f"journalctl -u {SERVICE} --grep 'did you mean connected_phase'", timeout=30)
    # However often it is polled meanwhile.
    inverter.succeed("for poll in {1..50}; do nc -w 1 -z meter 502; sleep 0.1; done")
    t.assertEqual(show(SOCKET, "ActiveState"), "active")
    meter.succeed(f"sed -i '/fase/d' {CONFIG}")
    meter.succeed(f"systemctl stop {SOCKET} {SERVICE}; rm {STATE}/meter-*.json")
    meter.succeed(f"systemctl start {SOCKET} {SERVICE}")
    is_served()

with subtest("overrides: several addresses, who may poll, and whom the service may talk to"):
    # As the documents have them; the addresses are those of the machines here.
    overrides = meter.succeed(f"cat {PROJECT}/docs/debian.md").split("```ini\n")[1:]
    overrides = [block.split("```")[0] for block in overrides]
    _resolver, clients, servers, elsewhere, ports, first_socket, grid_socket, status_socket = overrides
    written = {
        SOCKET: clients.replace("192.168.1.5", "192.168.1.1") + ports,
        SERVICE: servers.replace("192.168.1.31", "192.168.1.3") + elsewhere,
    }
    for unit, override in written.items():
        edit_unit(unit, override)
    restart = documented(f"sudo systemctl restart {SOCKET} {SERVICE}", "docs/debian.md")
    meter.succeed(restart)
    allowed = set(show(SERVICE, "IPAddressAllow").split())
    t.assertEqual(allowed, {"192.168.1.3/32", "100.64.0.31/32", "2001:db8::31/128"})
    meter.succeed("ss -Hltn | grep -F '192.168.1.2:502 '", "ss -Hltn | grep -F '[fd00::2]:1502 '")
    t.assertEqual(meter.execute("nc -z localhost 502")[0], 1)
    inverter.succeed("nc -w 5 -z meter 502")
    t.assertNotEqual(stranger.execute("nc -w 1 -z meter 502")[0], 0)
    meter.succeed(f"systemctl revert {SOCKET} {SERVICE}")
    meter.succeed(f"systemctl restart {SOCKET} {SERVICE}")
    is_served()

with subtest("several meters: without its socket one is told which to enable"):
    # As the documents have them, with the items there are.
    addresses = {"roofs": "192.168.1.21", "grid": "192.168.1.22"}
    meters = [
        {"name": "roofs", "energy_counter_out": "inverter2_PV_E_total", "current_power": "inverter2_Grid_P"},
        {"name": "grid", "role": "grid", "energy_counter_out": "grid_export", "current_power": "grid_power"},
    ]
    for address in addresses.values():
        meter.succeed(f"ip address add {address}/24 dev eth1")
    for one in meters:
        one["modbus_listen"] = f"{addresses[one['name']]}:502"
    meter.succeed(f"mv {CONFIG} {CONFIG}.one")
    write_config(meters)
    edit_unit(SOCKET, first_socket)
    meter.succeed(f"systemctl restart --no-block {SOCKET} {SERVICE}")
    said = f"The meter grid has no socket from systemd: enable {GRID_SOCKET}, with a ListenStream= of its own"
    meter.wait_until_succeeds(f"journalctl -u {SERVICE} --grep {shlex.quote(said)}", timeout=30)

with subtest("with it, each is at its own address, after a stop and a reboot, too"):
    edit_unit(GRID_SOCKET, grid_socket)
    meter.succeed(documented(f"sudo systemctl enable {GRID_SOCKET}", "docs/debian.md"), restart)
    are_served()
    meter.succeed(documented(f"sudo systemctl stop {SOCKET} {SERVICE}", "docs/debian.md"))
    for address in addresses.values():
        t.assertNotEqual(meter.execute(f"nc -z {address} 502")[0], 0)
    meter.succeed(f"systemctl start {SERVICE}")
    are_served()
    meter.shutdown()
    meter.start()
    are_served()
    # One alone takes the service along, as that is not passed a socket while it runs.
    meter.succeed(f"systemctl restart {GRID_SOCKET}")
    are_served()
    t.assertEqual(meter.succeed("systemctl --failed --no-legend --plain").strip(), "")

with subtest("and one again"):
    write_config(meters[:1])
    meter.succeed(documented(f"sudo systemctl disable --now {GRID_SOCKET}", "docs/debian.md"))
    meter.succeed(documented("sudo systemctl restart fronius-smartmeter", "docs/debian.md"))
    await_values(20, at=addresses["roofs"], W=-800.0)
    t.assertNotEqual(meter.execute(f"nc -z {addresses['grid']} 502")[0], 0)
    meter.succeed(f"systemctl revert {SOCKET} {GRID_SOCKET}", f"mv {CONFIG}.one {CONFIG}", restart)
    is_served()

with subtest("the status page: off, then on this machine alone, then for the network, and off again"):
    meter.fail(f"{PAGE} http://localhost:8502/")
    restart_service = documented("sudo systemctl restart fronius-smartmeter", "docs/debian.md")
    meter.succeed(documented(f"sudo systemctl enable {STATUS_SOCKET}", "docs/debian.md"), restart_service)
    meter.succeed(f"{PAGE} http://localhost:8502/", f"{PAGE} http://127.0.0.1:8502/health")
    inverter.fail(f"{PAGE} http://meter:8502/")
    edit_unit(STATUS_SOCKET, status_socket)
    meter.succeed(restart)
    inverter.succeed(f"{PAGE} http://meter:8502/")
    apt("install --reinstall ./root/fronius-smartmeter.deb")
    is_served()
    inverter.succeed(f"{PAGE} http://meter:8502/")
    meter.succeed(documented(f"sudo systemctl disable --now {STATUS_SOCKET}", "docs/debian.md"), restart_service)
    inverter.fail(f"{PAGE} http://meter:8502/")
    meter.succeed(f"systemctl revert {STATUS_SOCKET}")
    is_served()

with subtest("what was disabled stays disabled by an upgrade"):
    apt("install --allow-downgrades ./root/older.deb")
    meter.succeed(f"systemctl disable --now {SOCKET} {SERVICE}")
    apt("install ./root/fronius-smartmeter.deb")
    for unit in (SERVICE, SOCKET):
        t.assertEqual(meter.execute(f"systemctl is-enabled {unit}")[1].strip(), "disabled")
        t.assertEqual(show(unit, "ActiveState"), "inactive")
    meter.succeed(f"systemctl enable --now {SOCKET} {SERVICE}")
    is_served()

with subtest("removed, it leaves the port and keeps the counters; installed again, it goes on"):
    apt("remove fronius-smartmeter")
    t.assertEqual(meter.execute("nc -z localhost 502")[0], 1)
    meter.succeed(f"ls {STATE}/meter-*.json")
    apt("install ./root/fronius-smartmeter.deb")
    is_served()

with subtest("purged, it leaves only what a person wrote"):
    meter.succeed(f"systemctl enable {GRID_SOCKET} {STATUS_SOCKET}")
    apt("purge fronius-smartmeter")
    t.assertEqual(meter.execute("nc -z localhost 502")[0], 1)
    meter.succeed(f"test ! -e {STATE} -a ! -e /var/lib/private/fronius-smartmeter -a -e {CONFIG}")
    t.assertEqual(meter.succeed("find /etc/systemd -name 'fronius-smartmeter*' -not -path '*.d*'").strip(), "")

with subtest("a newcomer: setup writes what the service needs, with the token that is there"):
    meter.succeed(f"rm {CONFIG}")
    apt("install ./root/fronius-smartmeter.deb")
    setup = documented("sudo fronius-smartmeter setup openhab 192.168.1.31", "docs/debian.md", "README.md")
    answers = "--yes --energy inverter2_PV_E_total --power inverter2_Grid_P --voltage inverter2_Grid_U --phase 2"
    said = meter.succeed(f"{setup.replace('192.168.1.31', 'openhab')} {answers}")
    for line in ("The inverter will get", "secondary meter, for a producer", "port             502"):
        t.assertIn(line, said)
    meter.succeed(documented(f"sudo systemctl enable --now {SOCKET} {SERVICE}", "docs/debian.md", "README.md"))
    is_served()
    apt("purge fronius-smartmeter")

with subtest("without a package: two commands, and the same again"):
    for command in (
        "sudo install -Dt /usr/local/bin target/release/fronius-smartmeter",
        "sudo install -Dm 644 -t /etc/systemd/system systemd/*",
    ):
        meter.succeed(f"cd {PROJECT}; {documented(command, 'docs/debian.md')}")
    move_over()
    is_served()
    shown = meter.succeed(documented("fronius-smartmeter read 127.0.0.1", "README.md", "docs/migration.md"))
    t.assertIn("12345678", shown)
    # The manual is left out of the machines.
    t.assertEqual(meter.succeed(f"systemd-analyze verify --man=no {SERVICE} {SOCKET} 2>&1"), "")

with subtest("and removed by hand"):
    for command in (
        f"sudo systemctl disable --now {SOCKET} {SERVICE}",
        "sudo rm /usr/local/bin/fronius-smartmeter",
        f"sudo rm {' '.join('/etc/systemd/system/' + unit for unit in (SERVICE, SOCKET, TEMPLATE, STATUS_SOCKET))}",
        "sudo systemctl daemon-reload",
    ):
        meter.succeed(documented(command, "docs/debian.md"))
    t.assertEqual(meter.execute("nc -z localhost 502")[0], 1)
    t.assertEqual(show(SOCKET, "LoadState"), "not-found")
