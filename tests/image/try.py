"""What must hold of the image, tried in its own network. Called by ./run."""

import http.client
import http.server
import json
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time

WORK, NETNS, BINARY, OPTIONS = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3], pathlib.Path(sys.argv[4])
RUNC = ["runc", "--root", str(WORK / "runc")]
DATA = WORK / "data"
OWN, SUPERVISOR, GATEWAY = "172.30.33.7", "172.30.32.2", "172.30.32.1"
PREFIX = "/api/hassio_ingress/token"


def check(holds, what):
    if not holds:
        sys.exit(f"FAILED: {what}")
    print(f"ok: {what}")


def until(ready, what, limit=20):
    """Waits for a state, however long that takes."""
    deadline = time.monotonic() + limit
    while not (result := ready()):
        if time.monotonic() > deadline:
            sys.exit(f"FAILED: {what}, not within {limit} s")
        time.sleep(0.05)
    return result


def labels():
    config = json.loads((WORK / "image.json").read_text())["config"]
    found = config["Labels"]
    check(found["io.hass.type"] == "app" and found["io.hass.version"] and found["io.hass.arch"] == "amd64", "labels")
    check(config["Healthcheck"]["Test"] == ["CMD", "/fronius-smartmeter", "health"], "HEALTHCHECK in exec form")
    check(not config.get("User"), "it runs as root, who alone may read the options")


def bundle():
    """The container as the Supervisor makes it: its network, /data, and a token."""
    path = WORK / "bundle/config.json"
    config = json.loads(path.read_text())
    config["process"].pop("rlimits", None)
    config["process"]["terminal"] = False
    config["process"]["env"] += ["SUPERVISOR_TOKEN=canary", "TZ=Europe/Berlin"]
    config["linux"].pop("resources", None)
    for namespace in config["linux"]["namespaces"]:
        if namespace["type"] == "network":
            namespace["path"] = f"/var/run/netns/{NETNS}"
    config["mounts"].append({"destination": "/data", "type": "bind", "source": str(DATA), "options": ["bind", "rw"]})
    path.write_text(json.dumps(config))


def options(name):
    """As the Supervisor writes them: for root alone. openHAB is beside it."""
    text = (OPTIONS / name).read_text().replace("192.168.1.30", f"{GATEWAY}:8080")
    DATA.mkdir(exist_ok=True)
    path = DATA / "options.json"
    path.write_text(text)
    path.chmod(0o600)


def inside(*arguments):
    command = [*RUNC, "exec", "meter", "/fronius-smartmeter", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def read():
    done = subprocess.run([BINARY, "read", f"{OWN}:502", "--json"], capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else None


class Ingress(http.server.BaseHTTPRequestHandler):
    """A stand-in of the Supervisor's ingress: strips the prefix and names it."""

    def do_GET(self):
        if not self.path.startswith(PREFIX + "/"):
            return self.send_error(404)
        answer = get(self.path.removeprefix(PREFIX), SUPERVISOR, self.headers)
        self.send_response(answer.status)
        for name in "Content-Type", "Content-Security-Policy":
            if name in answer.headers:
                self.send_header(name, answer.headers[name])
        body = answer.read()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def get(path, source, headers):
    client = http.client.HTTPConnection(OWN, 8099, timeout=5, source_address=(source, 0))
    host = headers["Host"]
    more = {"X-Ingress-Path": PREFIX, "X-Hass-Source": "core.ingress", "X-Remote-User-Name": "me"}
    forwarded = {"X-Forwarded-For": "192.168.1.77", "X-Forwarded-Host": host, "X-Forwarded-Proto": "http"}
    client.request("GET", path, headers={**more, **forwarded, "Host": host})
    return client.getresponse()


def ingress():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ingress)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def ask(path):
        client = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
        client.request("GET", path, headers={"Host": "homeassistant.local:8123"})
        answer = client.getresponse()
        return answer.status, answer.read().decode()

    status, page = ask(f"{PREFIX}/")
    check(status == 200 and "<html" in page, "the page through ingress")
    absolute = re.findall(r'(?:href|src|action)="(/[^"]*)"', page)
    check(not absolute, f"no link leaves the prefix {absolute or ''}")
    relative = set(re.findall(r'(?:href|src)="([^"#:]+)"', page))
    for link in relative:
        check(ask(f"{PREFIX}/{link}")[0] == 200, f"its link {link}")
    status, text = ask(f"{PREFIX}/api/status")
    check(status == 200 and json.loads(text), "/api/status through ingress")
    try:
        refused = get("/", GATEWAY, {"Host": OWN}).status == 403
    except (ConnectionError, http.client.HTTPException):
        refused = True
    check(refused, "nobody but ingress gets the page")
    server.shutdown()


def run(name):
    """From the start to SIGTERM, with these options."""
    options(name)
    log = (WORK / "log").open("w+")
    container = subprocess.Popen([*RUNC, "run", "--no-pivot", "--bundle", str(WORK / "bundle"), "meter"], stdout=log, stderr=log)
    try:
        meter = until(read, f"{name}: the meter answers on port 502")
        print(f"ok: {name}: the meter answers on port 502")
        check(meter, f"{name}: {len(meter)} fields are read")
        health = inside("health")
        check(health.returncode == 0, f"{name}: health: {health.stdout.strip()}{health.stderr.strip()}")
        if socket.socket().connect_ex((OWN, 8099)) == 0:
            ingress()
        else:
            sys.exit(f"FAILED: {name}: nothing listens for ingress on port 8099")
        begin = time.monotonic()
        subprocess.run([*RUNC, "kill", "meter", "TERM"], check=True)
        code = container.wait(timeout=10)
        took = time.monotonic() - begin
        check(code == 0 and took < 1, f"{name}: SIGTERM ends it with {code} in {took:.2f} s")
    except BaseException:
        log.seek(0)
        print(log.read())
        raise
    finally:
        if container.poll() is None:
            container.kill()
    check(list(DATA.glob("meter-*.json")), f"{name}: the counters are in /data")


def main():
    labels()
    bundle()
    # The old add-on's items, which openHAB has under both versions' names.
    items = {"energy": "1234.5 kWh", "power": "800 W", "voltage": "231 V", "current": "3.5 A"}
    items = [f"{owner}_{item}={state}" for owner in ("inverter", "smartmeter") for item, state in items.items()]
    simulate = [BINARY, "simulate", "--listen", f"{GATEWAY}:8080"]
    for item in items:
        simulate += ["--item", item]
    openhab = subprocess.Popen(simulate, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for name in "addon-0.json", "addon-1.json":
            run(name)
    finally:
        openhab.send_signal(signal.SIGTERM)
        openhab.wait()


main()
