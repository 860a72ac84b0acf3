# The meter listens on one address alone, which the machine gets after the sockets are open.

LATE = "192.168.1.77"


def is_served() -> None:
    for unit in (SOCKET, "late-address.service", SERVICE):
        meter.wait_for_unit(unit, timeout=PATIENCE)
    opened, there = (int(show(unit, "ActiveEnterTimestampMonotonic")) for unit in (SOCKET, "late-address.service"))
    t.assertLess(opened, there, "the address was there before the socket")
    inverter.wait_until_succeeds(f"python3 /tmp/tools/client.py pymodbus {LATE} | grep -F 12345678.0", timeout=PATIENCE)


boot()

with subtest("the socket opens without the address, and serves it when it is there"):
    is_served()
    inverter.fail(f"nc -z -w 3 {METER} 502")

with subtest("and so after a reboot"):
    meter.shutdown()
    meter.start()
    is_served()
    t.assertEqual(meter.succeed("systemctl --failed --no-legend --plain").strip(), "")
