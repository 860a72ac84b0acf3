# Another package of the program takes over while an inverter polls.


def program() -> str:
    return meter.succeed(f"readlink /proc/{show(SERVICE, 'MainPID')}/exe").strip()


boot()
meter.wait_for_unit(SERVICE, timeout=PATIENCE)
await_values(**SERVED)

with subtest("the new program serves, and nobody was refused"):
    before = program()
    start_watch(60)
    switch("next")
    t.assertLessEqual(end_watch("upgrade")["lost"], 1)
    meter.wait_for_unit(SERVICE, timeout=PATIENCE)
    t.assertNotEqual(program(), before)
    await_values(**SERVED)
    t.assertEqual(meter.succeed("systemctl --failed --no-legend --plain").strip(), "")
