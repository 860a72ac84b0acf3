# The service does what it is for: values, staleness, restarts and a reboot.

boot()
meter.wait_for_unit(SOCKET, timeout=PATIENCE)
meter.wait_for_unit(SERVICE, timeout=PATIENCE)

with subtest("a client starts the stopped service"):
    meter.succeed(f"systemctl stop {SERVICE}")
    t.assertEqual(show(SERVICE, "ActiveState"), "inactive")
    begin = time.monotonic()
    read()
    print(f"    answered after {time.monotonic() - begin:.2f} s, the client's own start included")
    t.assertEqual(show(SERVICE, "ActiveState"), "active")
    await_values(**SERVED)

with subtest("pymodbus, pysunspec2 and mbpoll read what openHAB shows"):
    for client in ("pymodbus", "sunspec"):
        values = read(client)
        for name, expected in SERVED.items():
            t.assertTrue(close_to(values[name], expected), f"{client}: {name} is {values[name]}, not {expected}")
        t.assertTrue(close_to(values["PhVphC"], 231.4), "idle phases carry the voltage")
        t.assertEqual(values["WphB"], 0)
    t.assertEqual(read("sunspec")["Mn"], "Fronius")
    # mbpoll counts registers from 1.
    output = inverter.succeed(f"mbpoll -m tcp -a 1 -t 4:float -B -r 40098 -c 1 -1 {METER}")
    t.assertRegex(output, r"\[40098\]:\s+-800\b")
    # And our own client, from the meter itself.
    t.assertIn("800", meter.succeed("fronius-smartmeter read localhost"))

with subtest("a change in openHAB arrives"):
    set_item("inverter2_Grid_P", "1234.5 W")
    print(f"    after {await_values(W=-1234.5):.2f} s")
    set_item("inverter2_PV_E_total", "12346 kWh")
    await_values(TotWhExp=12346000.0)

with subtest("without openHAB the power goes to 0 and the counter stays"):
    openhab.succeed("systemctl stop openhab.service")
    print(f"    after {await_values(W=0.0, A=0.0):.2f} s")
    t.assertTrue(close_to(read()["TotWhExp"], 12346000.0))

with subtest("when it is back, so are the values"):
    # It starts with its initial states again. That counter is lower, so the higher one stays.
    openhab.succeed("systemctl start openhab.service")
    print(f"    after {await_values(W=-800.0):.2f} s")
    t.assertTrue(close_to(read()["TotWhExp"], 12346000.0))

with subtest("restart: a client is never refused"):
    set_item("inverter2_PV_E_total", "12346 kWh")
    start_watch(6)
    meter.succeed(f"systemctl restart {SERVICE}")
    seen = end_watch("systemctl restart")
    t.assertLessEqual(seen["lost"], 1)

with subtest("stop: in good order, and the counter is saved"):
    await_values(TotWhExp=12346000.0)
    set_item("inverter2_PV_E_total", "12346.5 kWh")
    await_values(TotWhExp=12346500.0)
    begin = time.monotonic()
    meter.succeed(f"systemctl stop {SERVICE}")
    print(f"    stopped in {time.monotonic() - begin:.2f} s")
    t.assertEqual(show(SERVICE, "Result"), "success")
    t.assertIn("12346500", meter.succeed("cat /var/lib/private/fronius-smartmeter/*"))
    t.assertEqual(meter.succeed("stat -c %a /var/lib/private /var/lib/private/fronius-smartmeter").split(), ["700", "700"])

with subtest("a reboot keeps the counter"):
    meter.succeed(f"systemctl start {SERVICE}")
    await_values(TotWhExp=12346500.0)
    openhab.succeed("systemctl stop openhab.service")
    begin = time.monotonic()
    meter.shutdown()
    meter.start()
    meter.wait_for_unit(SERVICE, timeout=PATIENCE)
    print(f"    rebooted in {time.monotonic() - begin:.1f} s")
    values = read()
    print(f"    while openHAB is off the inverter reads {values}")
    if "exception" not in values:
        t.assertTrue(close_to(values["TotWhExp"], 12346500.0))
        t.assertEqual(values["W"], 0)
    openhab.succeed("systemctl start openhab.service")
    await_values(W=-800.0, TotWhExp=12346500.0)
    # In so little time a counter may rise by 1 kWh altogether.
    set_item("inverter2_PV_E_total", "12346.6 kWh")
    await_values(TotWhExp=12346600.0)

with subtest("nothing has failed"):
    t.assertEqual(meter.succeed("systemctl --failed --no-legend --plain").strip(), "")
