"""The ways to authenticate to openHAB, while it wants that."""

import time
from pathlib import Path

from meter import Meter, until
from verdicts import after

USER, PASSWORD = "judge", "judge-password"
ITEMS = "energy_counter_out: JudgeE\ncurrent_power: JudgeP\n"


def judge(verdicts, meters, openhab, folder, binary):
    openhab.add("JudgeE", "Number:Energy")
    openhab.add("JudgeP", "Number:Power")
    openhab.post_together({"JudgeE": "1000 kWh", "JudgeP": "800 W"})
    openhab.do("user", name=USER, password=PASSWORD)
    token = openhab.do("token", user=USER, name=f"meter{time.time_ns()}")
    files = {name: Path(folder, name) for name in ("token", "password", "proxy")}
    for name, secret in zip(files, (token, PASSWORD, "of-a-proxy"), strict=True):
        files[name].write_text(secret + "\n")
    login = f"openhab_username: {USER}\nopenhab_password_file: "
    bearer = f"openhab_token_file: {files['token']}\n"
    ways = {
        "nothing, which is refused": "",
        "a token": bearer,
        "user and password": f"{login}{files['password']}\n",
        "a token as user name, without a password": f"openhab_username: {token}\n",
        "a token in openHAB's own header beside a proxy's login": f"{login}{files['proxy']}\n{bearer}",
    }
    openhab.do("auth", allowBasicAuth="true", implicitUserRole="false")
    try:
        until(lambda: openhab.state("JudgeP") == 401, 10.0)
        time.sleep(2.0)  # its REST API comes and goes with the setting
        shown = False
        for number, (way, keys) in enumerate(ways.items()):
            meter = Meter(folder, f"access{number}", binary, openhab.config, ITEMS + keys)
            meters.callback(meter.end)
            if keys:
                took = followed(openhab, meter, 810 + number)
                verdicts.check(f"authenticates by {way}", took is not None, f"a change is in the register {after(took)}")
            else:
                refused = until(lambda: "401 Unauthorized" in meter.log(), 10.0)
                verdicts.check(f"authenticates by {way}", refused is not None and meter.read("WphA") is None)
            shown |= any(secret in meter.log() for secret in (token, PASSWORD))
        verdicts.check("no secret is in any of these logs", not shown)
    finally:
        openhab.do("auth", allowBasicAuth="false", implicitUserRole="true")
        until(lambda: openhab.state("JudgeP") != 401, 10.0)


def followed(openhab, meter, watts):
    """A change comes as an event, so the event stream is open too."""
    until(lambda: "event stream" in meter.log(), 10.0)
    openhab.post("JudgeP", f"{watts} W")
    return meter.shows("WphA", watts, 1.0)
