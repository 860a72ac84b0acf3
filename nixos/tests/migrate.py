# The old Python script's config.yaml, unchanged but for openHAB's address, on the inverter's port.

boot()
meter.wait_for_unit(SERVICE, timeout=PATIENCE)

with subtest("the old file is served as the script served it, only right"):
    await_values(W=-800.0, WphB=-800.0, WphA=0.0, A=3.46, PhVphB=231.4, TotWhExp=12345678.0)
    # Its last argument is the configuration.
    config = meter.succeed(f"tr '\\0' '\\n' </proc/{show(SERVICE, 'MainPID')}/cmdline | tail -n 1").strip()
    meter.succeed(f"fronius-smartmeter check --config {config}")

with subtest("the old script listens to port 502 itself; it must go, and a message says so"):
    # What the script did at start: it binds the port, which is the socket's now.
    taken = "import socket; socket.create_server(('', 502))"
    t.assertIn("Address already in use", meter.fail(f"python3 -c {shlex.quote(taken)} 2>&1"))
    t.assertTrue(close_to(read("sunspec")["WphB"], -800.0))
