"""The results as Markdown."""

import statistics
from collections.abc import Callable

from harness.measure import REFERENCE, REQUESTS, SCENARIOS, Figures, Scenario, ratios
from harness.readers import COUNT

BEGIN, END = "<!-- results: written by benches/run -->", "<!-- end of the results -->"

PICTURE = "![Ratios to a tokio-modbus server with nothing around it](benches/plot.svg)\n"

EXPLANATION = """\
In the tables below, × is the ratio to tokio-modbus alone: the median of the ratios within each round,
which is not the ratio of the medians next to it.
"""


def markdown(results: Figures) -> str:
    parts = [head(results), PICTURE, goals(results), resources(results), readers(results), EXPLANATION]
    parts += [table(results, scenario) for scenario in SCENARIOS]
    return "\n".join(parts)


def insert(page: str, text: str) -> str:
    """The page with new results."""
    before, _, rest = page.partition(BEGIN)
    _, marker, after = rest.partition(END)
    if not marker:
        raise RuntimeError("BENCHMARKS.md has no place for results")
    return f"{before}{BEGIN}\n\n{text}\n{END}{after}"


def rows(header: list[str], lines: list[list[str]]) -> str:
    """A table whose first column is text and whose others are numbers."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, rule, *lines]) + "\n"


def head(results: Figures) -> str:
    machine, effort = results["machine"], results["effort"]
    return (
        f"Measured on {machine['date']}: {machine['processor']}, {machine['cores']} cores, Linux "
        f"{machine['kernel']} ({machine['architecture']}), {machine['rustc']}, at commit "
        f"{machine['commit']}. Rounds: {effort['rounds']}, of twice {effort['seconds']:g} s.\n"
    )


def goals(results: Figures) -> str:
    """The goals of the program, and what it reaches."""
    lines = []

    def goal(what: str, wanted: str, value: float | None, reached: bool, unit: str, note: str) -> None:
        shown = "no figure" if value is None else f"{number(value)}{unit}{note}"
        lines.append([what, wanted, shown, "yes" if value is not None and reached else "**no**"])

    def ratio(
        scenario: str, key: str, reference: str = REFERENCE, server: str = "ours"
    ) -> tuple[float | None, str]:
        return spread_of(results["load"][scenario], key, reference, server)

    def spread_of(figures: Figures, key: str, reference: str, server: str) -> tuple[float | None, str]:
        """The median, with the smallest and the largest of all rounds."""
        found = ratios(figures[server]["runs"], figures[reference]["runs"], key)
        if not found:
            return None, ""
        return statistics.median(found), f" ({number(min(found))} to {number(max(found))})"

    def at_most(what: str, value: float | None, limit: float, unit: str = "", note: str = "") -> None:
        reached = value is not None and value <= limit
        goal(what, f"≤ {limit:g}{unit}", value, reached, unit, note)

    def at_least(what: str, value: float | None, limit: float, note: str) -> None:
        goal(what, f"≥ {limit:g} ×", value, value is not None and value >= limit, " ×", note)

    for key, what, limit in (("cpu_us_per_request", "CPU per request", 1.05), ("p99_us", "p99", 1.1)):
        for scenario in SCENARIOS:
            if scenario.request == "poll" and scenario.pipeline == 1 and scenario.connections < 1000:
                title = f"{what}, {scenario.title}, against tokio-modbus alone"
                value, spread = ratio(scenario.name, key)
                at_most(title, value, limit, " ×", spread)
    for reference, title in (("undisturbed", "none"), ("plain", "as many of a constant page elsewhere")):
        value, spread = spread_of(results["page"], "p99_us", reference, "page")
        at_most(f"p99 with {COUNT} slow readers of the status page, against {title}", value, 1.1, " ×", spread)
    value, spread = ratio("poll-10x8", "requests_per_second")
    at_least("throughput, 10 connections, 8 pipelined, against tokio-modbus alone", value, 4, spread)
    for scenario, title in (("block-10", "10 connections"), ("block-10x8", "10 connections, 8 pipelined")):
        value, spread = ratio(scenario, "requests_per_second", "original")
        raw, _ = ratio(scenario, "requests_per_second", "original", "epoll")
        note = spread if raw is None else f"{spread}; raw epoll: {number(raw)} ×"
        at_least(f"throughput, {title}, all values, against pymodbus 3.0.0", value, 15, note)
    at_most("a change at openHAB is in the registers, p99", results["freshness"]["p99_ms"], 5, " ms")

    server, reference = results["servers"]["ours"], results["servers"][REFERENCE]
    at_most("memory at rest", server["pss_idle_kib"] / 1024, 2.5, " MiB")
    loaded, reference_loaded = pss_loaded(results, "ours"), pss_loaded(results, REFERENCE)
    if loaded is not None and reference_loaded is not None:
        extra = (loaded - reference_loaded) / 1024
        at_most("memory with 1000 connections, beyond tokio-modbus alone", extra, 2, " MiB")
    start = server["start"]["ready_ms"] / reference["start"]["first_answer_ms"]
    at_most("start to READY, against the first answer of tokio-modbus alone", start, 2, " ×")
    cost = results["cost"]
    at_most("CPU at rest, event stream", cost["events_percent"], 0.02, " %")
    at_most("CPU at rest, five items polled every 2 s", cost["poll_percent"], 0.1, " %")
    more = results["meters"]
    at_most("memory of seven meters with ten values each, beyond that of one", more["kib_more"] / 1024, 0.3, " MiB")
    at_most("CPU at rest of seven meters with ten values each, beyond that of one", more["percent_more"], 0.01, " %")
    note = "\nThe smallest and the largest of the rounds are in brackets; the median decides.\n"
    return "### Goals\n\n" + rows(["what", "goal", "measured", "reached"], lines) + note


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}"


def pss_loaded(results: Figures, server: str) -> float | None:
    median = results["load"]["poll-1000"][server].get("median")
    return None if median is None else float(median["pss_kib"])


def resources(results: Figures) -> str:
    header = ["server", "memory at rest, KiB", "with 1000 connections, KiB", "start to READY, ms",
              "to the first answer, ms", "to the first values, ms", "binary, KiB"]  # fmt: skip
    lines = []
    for name, server in results["servers"].items():
        start, size, loaded = server["start"], server["binary_kib"], pss_loaded(results, name)

        def time(key: str, start: Figures = start) -> str:
            return f"{start[key]:.1f}" if key in start else "–"

        lines.append([
            server["title"],
            f"{server['pss_idle_kib']:,}",
            "–" if loaded is None else f"{loaded:,.0f}",
            *map(time, ("ready_ms", "first_answer_ms", "first_values_ms")),
            "–" if size is None else f"{size:,}",
        ])  # fmt: skip
    fresh = results["freshness"]
    note = (
        f"A change at openHAB is in the registers after {fresh['p50_ms']:.2f} ms (median of "
        f"{fresh['changes']:,}; p99 {fresh['p99_ms']:.2f} ms, p99.9 {fresh['p999_ms']:.2f} ms, longest "
        f"{fresh['max_ms']:.2f} ms).\n"
    )
    return f"### Memory, start, size, freshness\n\n{rows(header, lines)}\n{note}"


def readers(results: Figures) -> str:
    titles = {
        "undisturbed": "no readers",
        "page": f"{COUNT} slow readers of the status page",
        "plain": f"{COUNT} slow readers of a constant page elsewhere",
    }
    lines = []
    for name, title in titles.items():
        result = results["page"][name]
        if "failed" in result:
            lines.append([title, f"*{result['failed']}*", "", "", ""])
            continue
        median, ratio = result["median"], result["ratio"]
        cells = [cell for key in ("p50_us", "p99_us") for cell in (f"{median[key]:.1f}", f"{ratio[key]:.2f}")]
        lines.append([title, *cells])
    header = ["meanwhile", "p50 µs", "×", "p99 µs", "×"]
    note = "One client polls (40071/58) every millisecond; here × is the ratio to no readers.\n"
    return f"### Readers of the status page\n\n{rows(header, lines)}\n{note}"


def table(results: Figures, scenario: Scenario) -> str:
    servers = results["load"][scenario.name]
    header = ["server", "requests/s", "×", "CPU µs/request", "×", "p50 µs", "p99 µs", "×", "p99.9 µs"]
    lines = []
    for name, server in results["servers"].items():
        result = servers[name]
        if "failed" in result:
            lines.append([server["title"], f"*{result['failed']}*", *[""] * (len(header) - 2)])
            continue
        median: Callable[[str], float] = result["median"].__getitem__
        ratios = result["ratio"]

        def ratio(key: str, ratios: Figures = ratios) -> str:
            return f"{ratios[key]:.2f}" if key in ratios else "–"

        lines.append([
            server["title"],
            f"{median('requests_per_second'):,.0f}", ratio("requests_per_second"),
            f"{median('cpu_us_per_request'):.2f}", ratio("cpu_us_per_request"),
            f"{median('p50_us'):,.0f}", f"{median('p99_us'):,.0f}", ratio("p99_us"),
            f"{median('p999_us'):,.0f}",
        ])  # fmt: skip
    return f"### {scenario.title}, {REQUESTS[scenario.request]}\n\n{rows(header, lines)}"
