"""Prometheus judges the metrics, and the alert rules:  tests/judges/prometheus.py BINARY

It checks their form (promtool), scrapes the demo for a few seconds, and answers queries about it.
"""

import json
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE_S = 60
MONITORING = Path(__file__).resolve().parents[2] / "docs" / "monitoring"


@contextmanager
def running(*command: str, **options: object) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command, text=True, **options) as process:
        try:
            yield process
        finally:
            process.terminate()


def status_page(demo: subprocess.Popen[str]) -> str:
    """The address that the demo prints."""
    for line in demo.stdout:
        if found := re.search(r"http://([0-9.:]+)/", line):
            return found[1]
    sys.exit("the demo names no status page")


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def value(prometheus: str, query: str) -> float | None:
    """The value of the only series that a query finds, once there is one."""
    url = f"http://{prometheus}/api/v1/query?" + urllib.parse.urlencode({"query": query})
    try:
        found = json.loads(get(url))["data"]["result"]
    except OSError:
        return None
    return float(found[0]["value"][1]) if len(found) == 1 else None


def wait_for(prometheus: str, query: str) -> float:
    deadline = time.monotonic() + PATIENCE_S
    while (found := value(prometheus, query)) is None:
        if time.monotonic() > deadline:
            sys.exit(f"FAILED: Prometheus finds nothing for {query}")
        time.sleep(0.5)
    print(f"  ok  {query} = {found}")
    return found


def scrape(page: str, directory: Path) -> None:
    config = directory / "prometheus.yml"
    scraped = [{"job_name": "meter", "static_configs": [{"targets": [page]}]}]
    settings = {"global": {"scrape_interval": "1s"}, "scrape_configs": scraped}
    # JSON is YAML.
    config.write_text(json.dumps({**settings, "rule_files": [str(MONITORING / "alerts.yml")]}))
    place = f"127.0.0.1:{free_port()}"
    with running(
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address={place}",
        "--log.level=warn",
    ):
        assert wait_for(place, 'up{job="meter"}') == 1
        assert wait_for(place, "max_over_time(fronius_smartmeter_meter_live[1m])") == 1
        assert wait_for(place, "sum(fronius_smartmeter_energy_joules_total)") > 3e10
        assert wait_for(place, "sum(fronius_smartmeter_power_watts)") <= 0
        assert wait_for(place, "time() - fronius_smartmeter_modbus_last_poll_timestamp_seconds") < 5


def main() -> None:
    binary = sys.argv[1]
    subprocess.run(
        ["promtool", "test", "rules", "alerts-test.yml"], cwd=MONITORING, check=True, timeout=60
    )
    demo = running(binary, "demo", "--listen", "127.0.0.1:0", stdout=subprocess.PIPE)
    with demo as process, tempfile.TemporaryDirectory() as directory:
        page = status_page(process)
        metrics = get(f"http://{page}/metrics")
        lint = subprocess.run(
            ["promtool", "check", "metrics"], input=metrics, capture_output=True, check=False
        )
        if lint.returncode != 0 or lint.stdout or lint.stderr:
            sys.exit(f"FAILED: promtool says {lint.stdout.decode()}{lint.stderr.decode()}")
        print("  ok  promtool has nothing to say")
        scrape(page, Path(directory))


main()
