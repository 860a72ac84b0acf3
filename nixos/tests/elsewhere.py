# openHAB outside local networks: the service may not talk to it, says what would allow that, and may
# once that is done. Elsewhere here means the shared address space (Tailscale, carrier-grade NAT), and
# a global IPv6 address.

ALLOWED = f"/run/systemd/system/{SERVICE}.d/elsewhere.conf"
TOKEN_HEADER = shlex.quote(f"Authorization: Bearer {TOKEN}")


def log() -> str:
    """The command that shows what the service has logged since its start."""
    return f"journalctl --no-pager --output=cat _SYSTEMD_INVOCATION_ID={show(SERVICE, 'InvocationID')}"


boot()
meter.wait_for_unit(SERVICE, timeout=PATIENCE)
await_values(**SERVED)
openhab.succeed("ip address add 100.64.0.3/10 dev eth1")
meter.succeed("ip address add 100.64.0.2/10 dev eth1")

for address in ("100.64.0.3", "2001:db8:1::3"):
    with subtest(f"openHAB has the address {address}: the log names the setting"):
        meter.succeed(f"sed -i '/ openhab$/d' /etc/hosts; echo {address} openhab >>/etc/hosts")
        meter.succeed(f"systemctl restart {SERVICE}")
        said = meter.wait_until_succeeds(f"{log()} | grep 'cannot connect to http://openhab:8080: '", timeout=PATIENCE)
        print(f"    {said.strip()}", flush=True)
        t.assertIn("IPAddressAllow=", said)
        t.assertEqual(read()["W"], 0)
        # It is the unit that stands between them, and nothing else.
        meter.succeed(f"curl --fail --silent -H {TOKEN_HEADER} http://openhab:8080/rest/items/inverter2_Grid_P/state")

    with subtest("with that setting it is reached"):
        meter.succeed(
            f"mkdir -p {ALLOWED.rpartition('/')[0]}; printf '[Service]\\nIPAddressAllow={address}\\n' >{ALLOWED}",
            "systemctl daemon-reload",
            f"systemctl restart {SERVICE}",
        )
        await_values(**SERVED)
        meter.succeed(f"rm {ALLOWED}; systemctl daemon-reload")
