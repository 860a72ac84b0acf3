# openHAB over https, with a certificate of its own that names no host: exactly that one is trusted.

FILE = "/var/lib/openhab.pem"


def certificate(name: str) -> str:
    """Has openHAB speak https with a new certificate, which it returns."""
    openhab.succeed(
        "systemctl stop https.service 2>/dev/null || true",
        f"openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=openhab.org -days 30 -keyout /tmp/{name}.key -out /tmp/{name}.pem",
        "systemd-run --collect --unit=https.service --service-type=exec "
        f"$(command -v python3) /tmp/tools/https.py /tmp/{name}.pem /tmp/{name}.key",
    )
    openhab.wait_for_open_port(8443, timeout=PATIENCE)
    return openhab.succeed(f"cat /tmp/{name}.pem")


boot()
openhab.copy_from_host(TOOLS, "/tmp/tools")

with subtest("the certificate in the file is trusted"):
    pem = certificate("own")
    meter.succeed(f"echo {shlex.quote(pem)} >{FILE}")
    meter.wait_for_unit(SERVICE, timeout=PATIENCE)
    await_values(**SERVED)

with subtest("another one that looks the same is not"):
    certificate("other")
    said = meter.wait_until_succeeds(
        f"journalctl -b -u {SERVICE} | grep -F 'https://openhab:8443' | grep -i certificate", timeout=PATIENCE
    )
    print(f"    {said.splitlines()[-1]}")
    await_values(W=0.0)
    t.assertTrue(close_to(read()["TotWhExp"], SERVED["TotWhExp"]))
