# Three meters in one service: two producers at one address, told apart by their unit ids, one of which
# is two devices; and the grid meter at an address of its own, which the machine gets after the
# sockets are open.

ROOFS, GARAGE, GRID = METER, f"{METER} 2", "192.168.1.22"
GRID_SOCKET = "fronius-smartmeter@grid.socket"


def are_served() -> None:
    for unit in (SOCKET, GRID_SOCKET, SERVICE):
        meter.wait_for_unit(unit, timeout=PATIENCE)
    await_values(at=ROOFS, W=-850.0, TotWhExp=12400000.0, TotWhImp=0.0)
    await_values(at=GARAGE, W=-300.0, TotWhExp=2345500.0, TotWhImp=0.0)
    await_values(at=GRID, W=450.0, TotWhExp=5000000.0, TotWhImp=7000000.0)


def opened(unit: str) -> int:
    return int(show(unit, "ActiveEnterTimestampMonotonic"))


boot()

with subtest("each has the values of its own items, at its own address"):
    are_served()
    t.assertEqual(read(at=f"{METER} 3"), {"exception": 11}, "a unit id that neither has")

with subtest("a change in openHAB arrives at its own meter"):
    set_item("garage_power", "310 W")
    set_item("grid_power", "-70 W")
    await_values(at=GARAGE, W=-310.0)
    await_values(at=GRID, W=-70.0)
    await_values(at=ROOFS, W=-850.0)
    set_item("garage_power", "300 W")
    set_item("grid_power", "450 W")

with subtest("the journal names them"):
    for name in ("roofs", "garage", "grid"):
        meter.wait_until_succeeds(
            f"journalctl --sync; journalctl --no-pager -b -u {SERVICE} METER={name} --grep '^{name}: data is live$'",
            timeout=PATIENCE,
        )

with subtest("a client of a further meter starts the stopped service, with all sockets"):
    meter.succeed(f"systemctl stop {SERVICE}")
    read(at=GRID)
    are_served()

with subtest("all sockets are opened again with the first, and no client is refused when the service restarts"):
    start_watch(6)
    meter.succeed(f"systemctl restart {SERVICE}")
    end_watch("systemctl restart")
    before = opened(GRID_SOCKET)
    # What switch-to-configuration restarts in place of a socket, where there is that.
    listen = "fronius-smartmeter-listen.service"
    meter.succeed(f"systemctl restart {listen if show(listen, 'LoadState') == 'loaded' else SOCKET}")
    are_served()
    t.assertGreater(opened(GRID_SOCKET), before)

with subtest("all are closed with the first"):
    meter.succeed(f"systemctl stop {SOCKET} {SERVICE}")
    t.assertEqual(show(GRID_SOCKET, "ActiveState"), "inactive")
    for host in (METER, GRID):
        inverter.fail(f"nc -z -w 3 {host} 502")
    meter.succeed(f"systemctl start {SERVICE}")
    are_served()

with subtest("and so after a reboot"):
    meter.shutdown()
    meter.start()
    are_served()
    for unit in (SOCKET, GRID_SOCKET):
        t.assertLess(opened(unit), opened("late-address.service"), "the address was there before the socket")
    t.assertEqual(meter.succeed("systemctl --failed --no-legend --plain").strip(), "")
