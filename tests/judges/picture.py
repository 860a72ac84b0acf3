"""Draws the demo as an animated SVG, for the README: what a terminal shows of a day.

    tests/judges/run --picture [BINARY]
"""

import itertools
import re
import sys
from html import escape
from pathlib import Path

from terminal import Terminal

PICTURE = Path(__file__).parent.parent.parent / "docs" / "demo.svg"
COLUMNS, ROWS = 80, 24
# Of one character, in px.
WIDTH, HEIGHT = 9, 19
MARGIN = 16
SECONDS_A_FRAME = 2.5

# When something begins that is worth a frame: the hour, and the headline.
SCENES = [
    ("07:30", "The sun shines"),
    ("08:15", "A cloud"),
    ("10:10", "The sun shines"),
    ("10:30", "openHAB is gone"),
    ("11:00", "openHAB is away"),
    ("11:30", "openHAB is back"),
    ("12:30", "The sun shines"),
    ("13:30", "A cloud"),
    ("16:10", "The sun shines"),
    ("19:10", "The balcony sleeps"),
    ("21:00", "Night"),
]
# What is shown where nothing moves.
STILL = "openHAB is away"

HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">
<title>The demo of fronius-smartmeter in a terminal</title>
<desc>Above, the items of openHAB beside what an inverter reads of the meter. Below, the power of a day as bars,
and what happens. In the morning openHAB is away for a while: the meter serves 0 W, its energy stands.</desc>
<style>
svg {{ --back: #ffffff; --text: #1f2328; --quiet: #59636e; --edge: #d1d9e0; --good: #1a7f37; --odd: #9a6700; --bad: #cf222e; }}
@media (prefers-color-scheme: dark) {{
svg {{ --back: #0d1117; --text: #e6edf3; --quiet: #9198a1; --edge: #3d444d; --good: #3fb950; --odd: #d29922; --bad: #f85149; }}
}}
text {{ font: 15px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; white-space: pre; fill: var(--text); }}
.strong {{ font-weight: 700; }} .quiet {{ fill: var(--quiet); }}
.good {{ fill: var(--good); }} .odd {{ fill: var(--odd); }} .bad {{ fill: var(--bad); }}
.frame {{ visibility: hidden; }} .still {{ visibility: visible; }}
.frame {{ animation: show {all}s step-end infinite; }}
@keyframes show {{ 0% {{ visibility: visible; }} {share:.3f}% {{ visibility: hidden; }} }}
{delays}
@media (prefers-reduced-motion: reduce) {{ .frame {{ animation: none; }} }}
</style>
<rect x="0.5" y="0.5" width="{inner_width}" height="{inner_height}" rx="8" fill="var(--back)" stroke="var(--edge)"/>
"""

# What fonts have in several heights.
DRAWN = "▁▂▃▄▅▆▇█─"

TONES = {"green": "good", "brown": "odd", "red": "bad"}


def tone(character):
    if character.fg in TONES:
        return TONES[character.fg]
    return "strong" if character.bold else "quiet" if character.italics else ""


def runs(row):
    """The texts of a row, each with its column and its tone."""
    characters = [row[column] for column in range(COLUMNS)]
    kinds = [(tone(character), character.data in DRAWN) for character in characters]
    start = 0
    for kind, group in itertools.groupby(kinds):
        end = start + len(list(group))
        text = "".join(character.data for character in characters[start:end])
        for found in re.finditer(r"\S+( \S+)*", text):
            yield start + found.start(), found.group(), kind[0]
        start = end


def frame(screen):
    """One picture as SVG. Bars and lines are drawn, as not each font has them at full height."""
    bars, lines, texts = "", "", []
    for number in range(ROWS):
        top = MARGIN + number * HEIGHT
        for start, text, kind in runs(screen.buffer[number]):
            left = MARGIN + start * WIDTH
            if text[0] in DRAWN:
                for column, character in enumerate(text):
                    x = left + column * WIDTH
                    if character == "─":
                        lines += f"M{x} {top + 9}h{WIDTH}"
                    elif character != " ":
                        high = HEIGHT * " ▁▂▃▄▅▆▇█".index(character) / 8
                        bars += f"M{x} {top + HEIGHT:g}v{-high:g}h{WIDTH}v{high:g}z"
                continue
            texts.append(
                f'<text x="{left}" y="{top + 14}" textLength="{len(text) * WIDTH}"'
                f'{kind and f""" class="{kind}" """.rstrip()}>{escape(text)}</text>'
            )
    if bars:
        texts.append(f'<path class="good" d="{bars}"/>')
    texts.append(f'<path stroke="var(--edge)" d="{lines}"/>')
    return "\n".join(texts)


def day(binary):
    """Plays the demo, and returns the frames with their headlines."""
    terminal = Terminal([binary, "demo"], COLUMNS, ROWS)
    frames, wanted = [], list(SCENES)
    try:
        while wanted:
            terminal.read(0.25)
            lines = terminal.lines()
            hour, headline = wanted[0]
            if lines[0][-5:] >= hour and headline in terminal.text():
                frames.append((headline, frame(terminal.screen)))
                wanted.pop(0)
    finally:
        terminal.stop()
        terminal.close()
    return frames


def main(binary):
    frames = day(binary)
    width, height = 2 * MARGIN + COLUMNS * WIDTH, 2 * MARGIN + ROWS * HEIGHT
    # In the past: a delay yet to come would show what there is without an animation.
    starts = ((place - len(frames)) * SECONDS_A_FRAME for place in range(len(frames)))
    delays = [f"#f{place} {{ animation-delay: {start}s; }}" for place, start in enumerate(starts)]
    svg = HEAD.format(
        width=width,
        height=height,
        inner_width=width - 1,
        inner_height=height - 1,
        all=len(frames) * SECONDS_A_FRAME,
        share=100 / len(frames),
        delays="\n".join(delays),
    )
    for place, (headline, picture) in enumerate(frames):
        still = " still" if headline == STILL else ""
        svg += f'<g id="f{place}" class="frame{still}">\n{picture}\n</g>\n'
    PICTURE.write_text(svg + "</svg>\n")
    print(f"{PICTURE.name}: {len(frames)} frames, {len(svg) // 1024} KiB")


if __name__ == "__main__":
    main(sys.argv[1])
