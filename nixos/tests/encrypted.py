# The token comes to the service as a credential that this machine alone can decrypt.

FILE = "/var/lib/openhab_token.cred"


def is_served() -> None:
    meter.wait_for_unit(SERVICE, timeout=PATIENCE)
    # openHAB wants the token, and the values are there: so the service has shown it.
    await_values(**SERVED)


boot()

with subtest("without the file the service does not start"):
    meter.wait_until_succeeds(f"journalctl -u {SERVICE} --grep 'Failed to set up credentials'", timeout=PATIENCE)
    t.assertNotEqual(show(SERVICE, "ActiveState"), "active")

with subtest("what the machine has encrypted is what openHAB wants"):
    meter.succeed(f"echo {TOKEN} | systemd-creds encrypt --with-key=host --name=openhab_token - - >{FILE}")
    meter.fail(f"grep -F {TOKEN} {FILE}")
    is_served()
    t.assertEqual(meter.succeed(f"cat {CREDENTIAL}").strip(), TOKEN)

with subtest("and so after a reboot"):
    meter.shutdown()
    meter.start()
    is_served()
