# What happens when the configuration changes and the system is switched to it.

boot()
meter.wait_for_unit(SERVICE, timeout=PATIENCE)
await_values(**SERVED)

with subtest("changed settings: the service is restarted, and no client is refused"):
    before = show(SERVICE, "MainPID")
    start_watch(30)
    switch("settings")
    t.assertNotEqual(show(SERVICE, "MainPID"), before)
    t.assertLessEqual(end_watch("switch")["lost"], 1)
    await_values(**SERVED)

with subtest("changed ports: the socket is opened again"):
    switch("ports")
    inverter.wait_until_succeeds(f"nc -z -w 3 {METER} 1502", timeout=PATIENCE)
    inverter.fail(f"nc -z -w 3 {METER} 502")
    meter.wait_for_unit(SERVICE, timeout=PATIENCE)

with subtest("one meter becomes several with a page, and one again: sockets come and go"):
    switch("meters")
    await_values(W=-850.0)
    await_values(at="192.168.1.22", W=450.0)
    meter.succeed("curl --fail --silent http://localhost:8502/health")
    switch("settings")
    await_values(**SERVED)
    inverter.fail("nc -z -w 3 192.168.1.22 502")
    meter.fail("nc -z -w 3 localhost 8502")
    for name in ("grid", "status"):
        state = meter.execute(f"systemctl is-active fronius-smartmeter@{name}.socket")[1].strip()
        t.assertEqual(state, "inactive", name)

with subtest("nothing has failed"):
    t.assertEqual(meter.succeed("systemctl --failed --no-legend --plain").strip(), "")
