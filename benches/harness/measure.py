"""The measurements themselves."""

import json
import os
import statistics
import subprocess
import tempfile
import time
import urllib.request
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import build, modbus
from harness.readers import COUNT, slow_readers
from harness.servers import (
    ENVIRONMENT,
    HOST,
    HOUSE_ITEMS,
    MOST_METERS,
    Running,
    Server,
    free_port,
    house,
    meter,
    openhab,
    process,
    running,
)

# The content of a JSON document.
Figures = dict[str, Any]

REFERENCE = "bare"
CORES = sorted(os.sched_getaffinity(0))

# Memory hardly differs from one round to the next.
MEMORY_ROUNDS = 3
HOUSE_ROUNDS = 3
RATIOS = ("requests_per_second", "cpu_us_per_request", "p50_us", "p99_us", "p999_us")


@dataclass(frozen=True)
class Scenario:
    connections: int
    request: str
    pipeline: int = 1
    pause_ms: int = 0

    @property
    def name(self) -> str:
        pipelined = f"x{self.pipeline}" if self.pipeline > 1 else ""
        return f"{self.request}-{self.connections}{pipelined}"

    @property
    def title(self) -> str:
        connections = "1 connection" if self.connections == 1 else f"{self.connections} connections"
        return f"{connections}, {self.pipeline} pipelined" if self.pipeline > 1 else connections


REQUESTS = {"poll": "40071/58, the inverter's poll", "block": "40071/124, all measured values"}
SCENARIOS = [
    Scenario(connections, request, pipeline)
    for request in REQUESTS
    for connections, pipeline in ((1, 1), (10, 1), (100, 1), (1000, 1), (10, 8))
]

# Of one client, which asks often enough to notice what delays it.
POLLS = Scenario(1, "poll", pause_ms=1)


@dataclass(frozen=True)
class Effort:
    rounds: int
    seconds: float
    poll_seconds: float
    starts: int
    changes: int
    cost_seconds: float


def load(server: Server, scenario: Scenario, registers: Path, seconds: float) -> Figures:
    """Two runs on a freshly started server. The run with the load on another core gives the figures
    that a client sees; the run with both on one core gives the CPU per request. Waking another core
    takes many times what a server does for a request, and depends on what that core did before."""
    with running(server) as at:
        pin(at.pid, CORES[-1])
        figures = ask(at, scenario, registers, seconds, CORES[:1])
        together = figures if "failed" in figures else ask(at, scenario, registers, seconds, CORES[-1:])
    if "failed" in together:
        return together
    figures["cpu_us_per_request_apart"] = figures["cpu_us_per_request"]
    figures["cpu_us_per_request"] = together["cpu_us_per_request"]
    return figures


def pin(pid: int, core: int) -> None:
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})


def ask(at: Running, scenario: Scenario, registers: Path, seconds: float, cores: list[int]) -> Figures:
    """One run of the load, on some cores. A wrong answer is a result too."""
    command = [
        str(build.BUILT / "load"), f"{HOST}:{at.port}", "--json", f"--pid={at.pid}",
        f"--expect={registers}", f"--connections={scenario.connections}",
        f"--pipeline={scenario.pipeline}", f"--request={scenario.request}", f"--seconds={seconds}",
        f"--pause={scenario.pause_ms}",
    ]  # fmt: skip
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        timeout=seconds + 120,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    if done.returncode != 0:
        return {"failed": (done.stderr.strip().splitlines() or ["?"])[0].removeprefix("Error: ")}
    figures: Figures = json.loads(done.stdout)
    return figures


def compare(servers: list[Server], registers: Path, effort: Effort) -> Figures:
    """Runs all scenarios. In each round the servers take turns, so that whatever else happens on the
    machine affects all of them. Only figures of the same round are compared."""
    results: Figures = {}
    for scenario in SCENARIOS:
        build.say(f"{scenario.title}, {REQUESTS[scenario.request]}")
        runs: dict[str, list[Figures]] = {server.name: [] for server in servers}
        for _ in range(effort.rounds):
            for server in servers:
                runs[server.name].append(load(server, scenario, registers, effort.seconds))
        results[scenario.name] = {
            server.name: summary(runs[server.name], runs[REFERENCE]) for server in servers
        }
        for server in servers:
            print(f"{server.title:30} {brief(results[scenario.name][server.name])}", flush=True)
    return results


def summary(runs: list[Figures], reference: list[Figures]) -> Figures:
    failed = next((run["failed"] for run in runs if "failed" in run), None)
    if failed is not None:
        return {"failed": failed, "runs": runs}
    medians = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    found = {key: ratios(runs, reference, key) for key in RATIOS}
    median = {key: statistics.median(values) for key, values in found.items() if values}
    return {"median": medians, "ratio": median, "runs": runs}


def ratios(runs: list[Figures], reference: list[Figures], key: str) -> list[float]:
    """The ratio of each round, or no ratios if a run has failed."""
    if any("failed" in run for run in [*runs, *reference]):
        return []
    return [run[key] / other[key] for run, other in zip(runs, reference, strict=True)]


def rounded(figures: Figures) -> str:
    return ", ".join(f"{key} {value:.4g}" for key, value in figures.items())


def brief(result: Figures) -> str:
    if "failed" in result:
        return str(result["failed"])
    median, ratio = result["median"], result["ratio"]
    parts = (
        f"{median['requests_per_second']:9,.0f} req/s ({ratio.get('requests_per_second', 0):.2f})",
        f"{median['cpu_us_per_request']:7.2f} us CPU ({ratio.get('cpu_us_per_request', 0):.2f})",
        f"p99 {median['p99_us']:8.0f} us ({ratio.get('p99_us', 0):.2f})",
    )
    return "  ".join(parts)


def starts(servers: list[Server], effort: Effort) -> Figures:
    """Medians of the times from the start until each server is of use."""
    build.say("start")
    runs: dict[str, list[Figures]] = {server.name: [] for server in servers}
    for _ in range(effort.starts):
        for server in servers:
            runs[server.name].append(start(server))
    results: Figures = {}
    for server in servers:
        own = runs[server.name]
        keys = [key for key, value in own[0].items() if value is not None]
        results[server.name] = {key: statistics.median(run[key] for run in own) for key in keys}
        print(f"{server.title:30} {rounded(results[server.name])}", flush=True)
    return results


def start(server: Server) -> Figures:
    with free_port() as port, tempfile.TemporaryDirectory() as directory:
        notify = [f"--notify={directory}/notify"] if server.notifies else []
        command = [str(build.BUILT / "start"), f"{HOST}:{port}", *notify, "--", *server.command(port)]
        done = subprocess.run(
            command, check=False, capture_output=True, env=ENVIRONMENT, text=True, timeout=60
        )
    if done.returncode != 0:
        raise RuntimeError(f"{server.title} does not start: {done.stderr.strip()}")
    figures: Figures = json.loads(done.stdout)
    return figures


def idle_memory(servers: list[Server]) -> dict[str, int]:
    """PSS of each server in KiB, running alone and without a connection."""
    build.say("memory at rest")
    found: dict[str, list[int]] = {server.name: [] for server in servers}
    for _ in range(MEMORY_ROUNDS):
        for server in servers:
            with running(server) as at:
                time.sleep(1)
                found[server.name].append(pss(at))
    results = {name: round(statistics.median(values)) for name, values in found.items()}
    for server in servers:
        print(f"{server.title:30} {results[server.name]:,} KiB", flush=True)
    return results


def pss(at: Running, kind: str = "Pss") -> int:
    for line in Path(f"/proc/{at.pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1])
    raise RuntimeError(f"smaps_rollup without {kind}")


def cpu_seconds(at: Running) -> float:
    tasks = Path(f"/proc/{at.pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def freshness(program: Path, effort: Effort) -> Figures:
    """How long a change takes from openHAB into the registers."""
    build.say("freshness")
    with openhab(program) as address, running(meter(program, address)) as at:
        where = [address, f"{HOST}:{at.port}", "power"]
        command = [str(build.BUILT / "fresh"), *where, f"--changes={effort.changes}", "--json"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=600)
    figures: Figures = json.loads(done.stdout)
    print(rounded(figures), flush=True)
    return figures


def meters(program: Path, effort: Effort) -> Figures:
    """What as many meters as an inverter takes cost beyond a single one, of ten values each and without
    clients. The memory is their own alone: how much of the program's file is mapped differs by more
    from run to run."""
    seconds = 2 * effort.cost_seconds  # items are read again each 22 or 60 s
    build.say(f"{MOST_METERS} meters, {seconds:.0f} s")
    rounds = []
    with openhab(program, HOUSE_ITEMS) as address:
        for _ in range(min(effort.rounds, HOUSE_ROUNDS)):
            found = {}
            for count in (1, MOST_METERS):
                with running(house(program, address, count)) as at:
                    time.sleep(3)
                    found[count] = {"percent": percent(at, seconds), "kib": pss(at, "Pss_Anon")}
            one, all_of = found[1], found[MOST_METERS]
            rounds.append({f"{key}_more": all_of[key] - one[key] for key in one} | {"one": one, "all": all_of})
            print(rounded({key: rounds[-1][key] for key in ("percent_more", "kib_more")}), flush=True)
    keys = ("percent_more", "kib_more")
    return {key: statistics.median(each[key] for each in rounds) for key in keys} | {"rounds": rounds}


def percent(at: Running, seconds: float) -> float:
    """The share of a core that a server takes meanwhile, in percent."""
    before, begin = cpu_seconds(at), time.monotonic()
    time.sleep(seconds)
    return 100 * (cpu_seconds(at) - before) / (time.monotonic() - begin)


def cost(program: Path, effort: Effort) -> Figures:
    """What a meter costs that nobody polls, in percent of a core: with an event stream that only
    gives signs of life, and with five items polled every two seconds."""
    build.say(f"cost at rest, {effort.cost_seconds:.0f} s")
    results: Figures = {"seconds": effort.cost_seconds}
    with openhab(program) as address:
        for update in ("events", "poll"):
            with running(meter(program, address, update)) as at:
                time.sleep(3)
                results[f"{update}_percent"] = percent(at, effort.cost_seconds)
    print(rounded(results), flush=True)
    return results


def page(program: Path, registers: Path, effort: Effort) -> Figures:
    """What a client that polls every millisecond notices of slow readers: of those of the status page, and
    of as many at a program beside it that does nothing but send the same page."""
    build.say(f"{COUNT} slow readers of the status page")
    plain = build.peer("page")
    seconds = effort.poll_seconds
    runs: dict[str, list[Figures]] = {"undisturbed": [], "page": [], "plain": []}
    with openhab(program) as address, free_port() as ours, free_port() as other:
        status = f"status_listen: {HOST}:{ours}\n"
        with running(meter(program, address, more=status)) as at:
            saved = build.WORK / "page.html"
            saved.write_bytes(urllib.request.urlopen(f"http://{HOST}:{ours}/", timeout=5).read())
            with process([str(plain), HOST, str(other), str(saved)], "page"):
                for _ in range(effort.rounds):
                    for name, port in zip(runs, (None, ours, other), strict=True):
                        with slow_readers(port) if port else nullcontext():
                            runs[name].append(ask(at, POLLS, registers, seconds, CORES))
    results = {name: summary(own, runs["undisturbed"]) for name, own in runs.items()}
    for name, result in results.items():
        print(f"{name:30} {brief(result)}", flush=True)
    return results


def save_registers(program: Path, address: str) -> Path:
    """Saves the block that all servers serve, as read from our own: there is only one definition."""
    path = build.WORK / "registers.txt"
    with running(meter(program, address)) as at:
        path.write_text(" ".join(str(word) for word in modbus.read_map(at.port)) + "\n")
    return path
