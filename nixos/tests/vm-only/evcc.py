# evcc finds the meter's models by itself, and reads what openHAB shows.

start_all()
openhab.wait_for_unit("openhab.service", timeout=PATIENCE)
meter.wait_for_unit(SERVICE, timeout=PATIENCE)
inverter.wait_for_unit("multi-user.target", timeout=PATIENCE)

with subtest("evcc reads power and energy"):
    command = "evcc meter generator --ignore-db --config /etc/evcc.yaml 2>&1"
    # A generator has negative power in a meter; which sign evcc makes of it is evcc's affair.
    inverter.wait_until_succeeds(f"{command} | grep -E 'Power:\\s+-?800W'", timeout=PATIENCE)
    t.assertRegex(inverter.succeed(command), r"Energy:\s+12345\.7kWh")
