# Values from Home Assistant: of it, tools/homeassistant.py plays what the meter talks to, on the machine `openhab`.

TOKEN_FILE = "/etc/fronius-smartmeter/homeassistant_token"
HOME = "homeassistant.service"
ENTITIES = {"sensor.roof_energy": "12345.678 kWh", "sensor.roof_power": "800 W"}
FIRST, SECOND, WRONG = "ha.first.Q7vZr2sT9w", "ha.second.k3Jd8Yp0Lm", "ha.wrong.b5Nc1Xe4Ug"
SERVED = {"TotWhExp": 12345678.0, "W": -800.0}


def start_home(token: str) -> None:
    """Starts Home Assistant with the values of ENTITIES."""
    entities = " ".join(shlex.quote(f"{name}={state}") for name, state in ENTITIES.items())
    openhab.succeed(
        f"echo {token} >/tmp/token",
        f"systemd-run --collect --unit={HOME} --service-type=exec "
        f"$(command -v python3) -B /tmp/tools/homeassistant.py 8123 /tmp/token {entities}",
    )
    openhab.wait_for_open_port(8123, timeout=PATIENCE)


def set_entity(name: str, state: str, **attributes: str) -> None:
    body = shlex.quote(json.dumps({"state": state, "attributes": attributes}))
    curl = "curl --fail --silent --show-error -H \"Authorization: Bearer $(cat /tmp/token)\""
    openhab.succeed(f"{curl} -d {body} http://localhost:8123/api/states/{name}")


def give_token(token: str) -> None:
    """Puts the token where the service finds it when it starts, and restarts it."""
    meter.succeed(f"install -D -m 600 <(echo {token}) {TOKEN_FILE}", f"systemctl restart {SERVICE}")


def refusals() -> tuple[int, int]:
    """How often Home Assistant has refused a token, and how often the service has said so."""
    told = openhab.succeed(f"journalctl --no-pager -o cat -u {HOME} | grep -c '^auth_invalid$' || true")
    said = meter.succeed(f"journalctl --no-pager -o cat -b -u {SERVICE} | grep -c 'refuses the token' || true")
    return int(told), int(said)


def is_refused_once(before: tuple[int, int]) -> None:
    """Tries are a minute apart: more could get the address banned."""
    once = (before[0] + 1, before[1] + 1)
    begin = time.monotonic()
    while refusals() != once:
        t.assertLess(time.monotonic() - begin, PATIENCE, f"expected {once}, counted {refusals()}")
        time.sleep(0.2)
    time.sleep(20)
    t.assertEqual(refusals(), once)


boot()
openhab.copy_from_host(TOOLS, "/tmp/tools")
start_home(FIRST)

with subtest("a wrong token is said once, and not tried again at once"):
    before = refusals()
    give_token(WRONG)
    is_refused_once(before)
    t.assertEqual(read(), {"exception": 11})

with subtest("with the right one there are values"):
    give_token(FIRST)
    meter.wait_for_unit(SERVICE, timeout=PATIENCE)
    await_values(**SERVED)
    t.assertEqual(meter.succeed("cat /run/credentials/fronius-smartmeter.service/homeassistant_token").strip(), FIRST)

with subtest("a change arrives, and so does a change of its unit"):
    set_entity("sensor.roof_power", "1234.5", unit_of_measurement="W")
    print(f"    after {await_values(W=-1234.5):.2f} s")
    set_entity("sensor.roof_power", "1.5", unit_of_measurement="kW")
    await_values(W=-1500.0)

with subtest("what is unavailable is not served any more"):
    set_entity("sensor.roof_power", "unavailable")
    print(f"    after {await_values(W=0.0):.2f} s")
    set_entity("sensor.roof_power", "900", unit_of_measurement="W")
    await_values(W=-900.0)

with subtest("a value that does not change stays live"):
    time.sleep(12)
    t.assertTrue(close_to(read()["W"], -900.0))

with subtest("without Home Assistant the power goes to 0 and the counter stays"):
    set_entity("sensor.roof_energy", "12346", unit_of_measurement="kWh")
    await_values(TotWhExp=12346000.0)
    openhab.succeed(f"systemctl stop {HOME}")
    print(f"    after {await_values(W=0.0):.2f} s")
    t.assertTrue(close_to(read()["TotWhExp"], 12346000.0))

with subtest("when it is back, so are the values"):
    # With its initial states again. That counter is lower, so the higher one stays.
    start_home(FIRST)
    print(f"    after {await_values(W=-800.0):.2f} s")
    t.assertTrue(close_to(read()["TotWhExp"], 12346000.0))

with subtest("a token that is exchanged while it is in use"):
    before = refusals()
    openhab.succeed(f"echo {SECOND} >/tmp/token")
    is_refused_once(before)
    t.assertEqual(read()["W"], 0)
    give_token(SECOND)
    await_values(W=-800.0, TotWhExp=12346000.0)

with subtest("so it is after a reboot, and no token is in the log"):
    meter.shutdown()
    meter.start()
    meter.wait_for_unit(SERVICE, timeout=PATIENCE)
    await_values(W=-800.0, TotWhExp=12346000.0)
    meter.fail(f"journalctl --no-pager -u {SERVICE} | grep -E '{FIRST}|{SECOND}|{WRONG}'")
    t.assertEqual(meter.succeed("systemctl --failed --no-legend --plain").strip(), "")
