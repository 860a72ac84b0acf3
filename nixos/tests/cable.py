# A client whose cable is cut says no goodbye. Its connection is gone within a minute or so.

ESTABLISHED = "ss --no-header --tcp --numeric state established '( sport = :502 )'"

boot()
meter.wait_for_unit(SERVICE, timeout=PATIENCE)
await_values(**SERVED)

with subtest("a connection to nowhere is closed"):
    inverter.succeed(f"python3 /tmp/tools/client.py hold {METER} 600 </dev/null >/dev/null 2>&1 &")
    meter.wait_until_succeeds(f"{ESTABLISHED} | grep {INVERTER}", timeout=PATIENCE)
    inverter.block()
    begin = time.monotonic()
    time.sleep(20)
    t.assertIn(INVERTER, meter.succeed(ESTABLISHED), "gone already: was that the keepalive?")
    # After 30 s of silence, and three questions 10 s apart without an answer.
    meter.wait_until_fails(f"{ESTABLISHED} | grep {INVERTER}", timeout=PATIENCE)
    print(f"    gone after {time.monotonic() - begin:.0f} s")

with subtest("with a new cable all is well"):
    inverter.unblock()
    await_values(**SERVED)
