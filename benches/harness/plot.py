"""The ratios as a picture: bars to the left and the right of a bare tokio-modbus server."""

import math
from html import escape

from harness.measure import REFERENCE, SCENARIOS, Figures

PANELS = [
    ("cpu_us_per_request", "CPU per request", "less is better"),
    ("requests_per_second", "requests per second", "more is better"),
    ("p99_us", "latency, p99", "less is better"),
]
COLOURS = {
    "ours": "#c2410c",
    "epoll": "#0f766e",
    "nagle": "#b8b8b8",
    "libmodbus": "#4f7cac",
    "original": "#9a8c98",
    "newest": "#c9ada7",
}
TICKS = [base * 10**power for power in range(-4, 6) for base in (1, 2, 5)]

STYLE = 'font-family="Helvetica, Arial, sans-serif" fill="#222"'
WIDTH, MARGIN, LABELS, GAP = 1100, 20, 120, 62
BAR, PAUSE, TOP, BOTTOM = 15, 16, 116, 40
PANEL = (WIDTH - LABELS - 2 * MARGIN - len(PANELS) * GAP) / len(PANELS)


def text(x: float, y: float, words: str, size: int = 12, anchor: str = "start", more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" {more}>{escape(words)}</text>'


def line(x: float, top: float, bottom: float, colour: str) -> str:
    return f'<line x1="{x:.1f}" y1="{top:.1f}" x2="{x:.1f}" y2="{bottom:.1f}" stroke="{colour}"/>'


def svg(results: Figures) -> str:
    servers = [name for name in COLOURS if name in results["servers"]]
    scenarios = [scenario for scenario in SCENARIOS if scenario.request == "poll"]
    group = len(servers) * BAR + PAUSE
    bottom = TOP + group * len(scenarios)
    machine = results["machine"]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + BOTTOM}" {STYLE}>',
        '<rect width="100%" height="100%" fill="#fff"/>',
        text(MARGIN, 30, f"Compared with {results['servers'][REFERENCE]['title']} (1)", 18, more='font-weight="bold"'),
    ]  # fmt: skip
    x: float = MARGIN
    for name in servers:
        title = str(results["servers"][name]["title"])
        parts.append(f'<rect x="{x}" y="45" width="12" height="12" fill="{COLOURS[name]}"/>')
        parts.append(text(x + 17, 56, title, 13))
        x += 40 + 7.2 * len(title)
    for place, scenario in enumerate(scenarios):
        words = scenario.title.split(", ")
        for row, word in enumerate(words):
            y = TOP + place * group + (group - PAUSE) / 2 + 4 + (row - (len(words) - 1) / 2) * 15
            parts.append(text(LABELS + MARGIN - 12, y, word, 13, "end"))
    for place, (key, title, hint) in enumerate(PANELS):
        left = MARGIN + LABELS + GAP / 2 + place * (PANEL + GAP)
        parts += panel(results, servers, [scenario.name for scenario in scenarios], key, left, bottom)
        parts.append(text(left, 88, f"{title} ({hint})", 13, more='font-weight="bold"'))
    caption = (
        f"The inverter's poll, 58 registers. {machine['processor']}, {machine['cores']} cores, "
        f"Linux {machine['kernel']}, {machine['date']}. Logarithmic scale; medians of {results['effort']['rounds']} rounds."
    )
    parts += [text(MARGIN, bottom + 28, caption, 11, more='opacity="0.7"'), "</svg>"]
    return "\n".join(parts) + "\n"


def panel(
    results: Figures, servers: list[str], scenarios: list[str], key: str, left: float, bottom: float
) -> list[str]:
    def value(scenario: str, server: str) -> float | None:
        ratio = results["load"][scenario][server].get("ratio", {}).get(key)
        return None if ratio is None else float(ratio)

    found = [value(scenario, server) for scenario in scenarios for server in servers]
    known = [number for number in found if number]
    low = max((tick for tick in TICKS if tick <= min([0.8, *known])), default=TICKS[0])
    high = min((tick for tick in TICKS if tick >= max([1.25, *known])), default=TICKS[-1])

    def x(number: float) -> float:
        return left + PANEL * math.log(number / low) / math.log(high / low)

    parts = []
    for tick in [tick for tick in TICKS if low <= tick <= high]:
        parts.append(line(x(tick), TOP - 6, bottom - PAUSE + 4, "#ddd"))
        if x(tick) - x(low) > 24 and math.log10(tick) % 1 == 0 or tick in (low, high):
            parts.append(text(x(tick), TOP - 10, f"{tick:g}", 11, "middle"))
    group = len(servers) * BAR + PAUSE
    for row, number in enumerate(found):
        place, server = divmod(row, len(servers))
        y = TOP + place * group + server * BAR
        if not number:
            parts.append(text(x(1) + 5, y + 11, "wrong answers", 11, more='font-style="italic"'))
            continue
        start, end = sorted((x(1), x(number)))
        colour = COLOURS[servers[server]]
        parts.append(
            f'<rect x="{start:.1f}" y="{y + 1}" width="{max(end - start, 1):.1f}" height="{BAR - 2}" fill="{colour}"/>'
        )
        label, anchor = (end + 4, "start") if number >= 1 else (start - 4, "end")
        parts.append(text(label, y + 11.5, f"{number:.2f}" if number < 10 else f"{number:.0f}", 11, anchor))
    parts.append(line(x(1), TOP - 6, bottom - PAUSE + 4, "#222"))
    return parts
