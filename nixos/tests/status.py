# The status page, on this machine alone at port 8502 and as a Unix socket, and for the network at port
# 8081: what it shows, who may look, and that the meter depends on none of it.

PAGE, OPEN = "http://localhost:8502", f"http://{METER}:8081"
CURL = "curl --silent --show-error --max-time 10"
# In a folder that systemd has to make.
LOCAL = f"{CURL} --fail --output /dev/null --unix-socket /run/fronius-smartmeter/status.sock http://localhost/health"


def page(path: str) -> str:
    return meter.succeed(f"{CURL} --fail {PAGE}{path}")


def await_page(path: str, within: float = PATIENCE, **expected: Any) -> None:
    """Waits until the JSON at a path has these."""
    end = time.monotonic() + within
    while (shown := json.loads(page(path))) | expected != shown:
        t.assertLess(time.monotonic(), end, f"expected {expected}, shown {shown}")
        time.sleep(0.2)


boot()
meter.wait_for_unit(SERVICE, timeout=PATIENCE)
await_values(**SERVED)

with subtest("the page, the metrics and the health show what the inverter reads"):
    t.assertIn("12345.678 kWh", page("/"))
    t.assertEqual(json.loads(page("/api/status"))["meters"][0]["served"]["power_w"]["total"], -800)
    t.assertRegex(page("/metrics"), r'fronius_smartmeter_power_watts\{.*phase="L1"\} -800\n')
    await_page("/health", status="serving", sources=[{"kind": "openhab", "state": "answers"}])
    for address in ("127.0.0.1", "[::1]"):
        meter.succeed(f"{CURL} --fail --output /dev/null http://{address}:8502/")

with subtest("it is where it is told to be, for the names of the machine"):
    inverter.succeed(f"{CURL} --fail --output /dev/null {OPEN}")
    inverter.succeed(f"{CURL} --fail --output /dev/null http://meter:8081")
    meter.succeed(LOCAL, f"runuser -u nobody -- {LOCAL}")
    inverter.fail(f"{CURL} http://{METER}:8502")
    for name, code in (("meter", "200"), ("page.example", "403")):
        said = meter.succeed(f"{CURL} --output /dev/null --write-out '%{{http_code}}' -H 'Host: {name}' {PAGE}")
        t.assertEqual(said, code, name)

with subtest("without openHAB the service is in health, and says what is not"):
    openhab.succeed("systemctl stop openhab.service")
    await_page("/health", status="serving", sources=[{"kind": "openhab", "state": "away"}])
    await_values(W=0.0)
    openhab.succeed("systemctl start openhab.service")
    await_values(W=-800.0)

with subtest("whoever looks waits while the service restarts"):
    meter.succeed(f"systemctl restart --no-block {SERVICE}")
    page("/health")
    # What switch-to-configuration restarts in place of a socket, where there is that.
    listen = "fronius-smartmeter-listen.service"
    meter.succeed(f"systemctl restart {listen if show(listen, 'LoadState') == 'loaded' else SOCKET}")
    page("/health")
    meter.succeed(LOCAL)

with subtest("stopped with the port of the meter, it starts nothing"):
    meter.succeed(f"systemctl stop {SOCKET} {SERVICE}")
    meter.fail(f"{CURL} {PAGE}")
    meter.fail(LOCAL)
    t.assertEqual(show(SERVICE, "ActiveState"), "inactive")

with subtest("where another program has the port there is a meter, and no page"):
    meter.succeed("systemd-run --unit=another python3 -m http.server 8502")
    meter.wait_until_succeeds("nc -z localhost 8502", timeout=PATIENCE)
    meter.succeed(f"systemctl start {SERVICE}")
    await_values(W=-800.0)
    inverter.fail(f"{CURL} {OPEN}")
    t.assertIn("status.socket", meter.succeed("systemctl --failed --no-legend --plain"))
    meter.succeed("systemctl stop another.service", f"systemctl restart {SERVICE}")
    await_page("/health", status="serving")

with subtest("so it is after a boot, with IPv6 or without"):
    meter.shutdown()
    meter.start()
    meter.wait_for_unit(SERVICE, timeout=PATIENCE)
    page("/health")
    meter.succeed(LOCAL)
    meter.succeed(f"systemctl stop {SOCKET} {SERVICE}", "ip address delete ::1/128 dev lo", f"systemctl start {SERVICE}")
    page("/health")
    t.assertEqual(meter.succeed("systemctl --failed --no-legend --plain").strip(), "")
    meter.succeed(f"systemd-analyze security --no-pager --threshold=10 {SERVICE}")
