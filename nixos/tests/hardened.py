# What the units forbid is forbidden, for whoever is in the service's place: their effects, not their
# text. Here the service may talk to openHAB alone, the socket is open for the inverter alone, and
# the watchdog has 10 s.

# Harmless ones.
DEVICES = {"/dev/" + name for name in ("full", "null", "ptmx", "pts/ptmx", "random", "tty", "urandom", "zero")}


def status() -> dict[str, str]:
    lines = meter.succeed(f"cat /proc/{show(SERVICE, 'MainPID')}/status").splitlines()
    return {name: value.strip() for name, value in (line.split(":", 1) for line in lines)}


def probe(unit: str, *lines: str) -> dict[str, Any]:
    """Runs the probe in a copy of the service, with these lines added to its unit."""
    python = meter.succeed('readlink -f "$(command -v python3)"').strip()
    unit_file = f"/run/systemd/system/{unit}.service"
    changes = [
        "[Service]", "Type=oneshot", "Restart=no", "WatchdogSec=0", f"ExecPaths=-{python}",
        "ExecStart=", f"ExecStart={python} {PROBE}",
        "StateDirectory=", f"StateDirectory={unit}", f"StandardOutput=truncate:/run/{unit}.json", *lines,
    ]  # fmt: skip
    meter.succeed(
        f"systemctl cat {SERVICE} | grep -vE '^(Requires|After)=' >{unit_file}",
        f"printf '%s\\n' {shlex.join(changes)} >>{unit_file}",
        "systemctl daemon-reload",
    )
    meter.succeed(f"systemctl start {unit}.service", timeout=PATIENCE)
    return json.loads(meter.succeed(f"cat /run/{unit}.json"))


def journal(*options: str) -> list[dict[str, Any]]:
    meter.succeed("journalctl --sync")
    lines = meter.succeed(f"journalctl --no-pager -o json -u {SERVICE} {shlex.join(options)}")
    return [json.loads(line) for line in lines.splitlines()]


def await_restart(restarts: int) -> None:
    meter.wait_until_succeeds(f'[ "$(systemctl show -P NRestarts {SERVICE})" -gt {restarts} ]', timeout=PATIENCE)
    meter.wait_for_unit(SERVICE, timeout=PATIENCE)


boot()
meter.wait_for_unit(SERVICE, timeout=PATIENCE)
meter.copy_from_host(TOOLS, "/run/tools")
meter.succeed("chmod -R a+rX /run/tools")
token_file = meter.succeed(f"systemctl cat {SERVICE} | sed -n 's/^LoadCredential=openhab_token://p' | tail -n 1")
PROBE = f"/run/tools/probe.py {OPENHAB} {STRANGER} {token_file.strip()}"
await_values(**SERVED)

with subtest("the process: a user of its own, no capabilities, no new privileges, filtered calls"):
    process = status()
    user = {int(number) for number in process["Uid"].split()}
    t.assertEqual(len(user), 1)
    t.assertTrue(61184 <= user.pop() <= 65519, f"no dynamic user: {process['Uid']}")
    for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        t.assertEqual(int(process[capabilities], 16), 0, capabilities)
    t.assertEqual((process["NoNewPrivs"], process["Seccomp"]), ("1", "2"))
    meter.fail("grep fronius /etc/passwd")

with subtest("in the service's place a probe can do next to nothing"):
    meter.succeed("mkdir -p /home/somebody", "echo secret >/home/somebody/notes")
    inside = probe("probe")
    outside = json.loads(meter.succeed(f"python3 {PROBE}", timeout=PATIENCE))
    allowed: list[str] = []
    all_in_store = meter.execute("test -e /nix/store")[0] == 0
    for what, said in inside["forbidden"].items():
        free = outside["forbidden"][what]
        if free != "ok":
            not_checked(f"{what}: even without the unit it gives {free}")
        elif what == "execute a program" and all_in_store:
            not_checked(f"{what}: all programs are in the store, which the service needs")
        elif said == "ok":
            allowed.append(what)
        else:
            print(f"    {what}: {said}", flush=True)
    t.assertEqual(allowed, [], "allowed, but should not be")
    t.assertEqual(inside["allowed"], dict.fromkeys(inside["allowed"], "ok"), "needed, but not allowed")
    t.assertTrue(61184 <= inside["uid"] <= 65519)
    t.assertEqual((inside["umask"], inside["processes"]), (0o077, 1))
    t.assertEqual(inside["open_files"], [2048, 2048])
    t.assertEqual(set(inside["devices"]) - DEVICES, set())

with subtest("memory and tasks are limited"):
    for limit, expected in (("memory.max", str(128 * 2**20)), ("pids.max", "32")):
        known, value = meter.execute(f"cat /sys/fs/cgroup{show(SERVICE, 'ControlGroup')}/{limit}")
        if known == 0:
            t.assertEqual(value.strip(), expected, limit)
        else:
            not_checked(f"{limit}: the kernel has no such controller in cgroup2")

with subtest("the token: from root to the service and to nobody else"):
    t.assertEqual(inside["credential"].strip(), TOKEN)
    uid = status()["Uid"].split()[0]
    t.assertEqual(meter.succeed(f"setpriv --reuid={uid} --clear-groups cat {CREDENTIAL}").strip(), TOKEN)
    meter.fail(f"setpriv --reuid=65534 --regid=65534 --clear-groups cat {CREDENTIAL}")
    # openHAB wants it, and the values are there: so the service has shown it.
    openhab.fail("curl --fail --silent http://localhost:8080/rest/items/inverter2_Grid_P/state")
    t.assertNotIn(TOKEN, meter.succeed(f"journalctl --no-pager -u {SERVICE}"))

with subtest("a stranger gets no answer, the inverter does"):
    t.assertEqual(stranger.execute(KNOCK)[0], 124, "the stranger's connection should time out")
    inverter.wait_until_succeeds(KNOCK, timeout=PATIENCE)
    await_values(**SERVED)

with subtest("without the socket the port is closed"):
    meter.succeed(f"systemctl stop {SOCKET}")
    inverter.fail(f"nc -z -w 3 {METER} 502")
    t.assertEqual(show(SERVICE, "ActiveState"), "inactive")
    meter.succeed(f"systemctl start {SOCKET} {SERVICE}")
    await_values(**SERVED)

total_wh = SERVED["TotWhExp"]
for event, signal, reason in (("frozen", "STOP", "watchdog"), ("killed", "KILL", "signal")):
    with subtest(f"{event}, it is restarted, and no client is refused"):
        restarts = int(show(SERVICE, "NRestarts"))
        start_watch(25)
        meter.succeed(f"systemctl kill --signal={signal} --kill-whom=main {SERVICE}")
        await_restart(restarts)
        seen = end_watch(event)
        t.assertEqual(int(show(SERVICE, "NRestarts")), restarts + 1)
        t.assertLessEqual(seen["lost"], 2)
        messages = [entry["MESSAGE"] for entry in journal("-b")]
        t.assertTrue(any(f"Failed with result '{reason}'" in message for message in messages), messages[-10:])
        # It goes on from the ceiling that is on disk, by up to 0.5 kWh ahead, until that is passed.
        await_values(W=SERVED["W"])
        t.assertTrue(total_wh <= read()["TotWhExp"] <= total_wh + 500)
        total_wh += 500
        set_item("inverter2_PV_E_total", f"{total_wh / 1000} kWh")
        await_values(TotWhExp=total_wh)

with subtest("the journal has fields"):
    entries = journal("-b", "_TRANSPORT=journal", f"CLIENT={INVERTER}")
    t.assertTrue(entries, f"no entry with CLIENT={INVERTER}")
    for entry in entries:
        t.assertEqual(entry["PRIORITY"], "6")
        t.assertIn(INVERTER, entry["MESSAGE"])
    t.assertTrue(journal("-b", "ITEM=inverter2_Grid_P"))
    t.assertTrue(journal("-b", "PRIORITY=4"), "a stale meter is worth a warning")

with subtest("systemd-analyze: little exposed, nothing to complain about"):
    verdict = meter.succeed(f"systemd-analyze security --no-pager --threshold=10 {SERVICE}").splitlines()[-1]
    print(f"    {verdict.strip()}")
    complaints = meter.succeed(f"systemd-analyze verify --man=no --recursive-errors=no {SERVICE} {SOCKET} 2>&1")
    t.assertEqual(complaints.strip(), "")
    t.assertEqual(meter.succeed("systemctl --failed --no-legend --plain").strip(), "")
