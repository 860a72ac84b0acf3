"""What was judged, what was measured, and how it went."""

import statistics
import traceback
from contextlib import ExitStack


class Verdicts:
    """Prints each verdict as it falls, and all of them as a table at the end."""

    def __init__(self):
        self.rows = []

    def check(self, what, good, measured=""):
        """A verdict; None where it could not be judged."""
        word = {None: "skipped", True: "ok", False: "FAIL"}[good if good is None else bool(good)]
        self.rows.append((word, what, measured))
        print(f"{word:8}{what}{measured and ': ' + measured}", flush=True)

    def judge(self, judgement, *arguments):
        """Runs one judge, and ends the meters it leaves; what it throws is a failure, and the others still get their turn."""
        with ExitStack() as meters:
            try:
                judgement(self, meters, *arguments)
            except Exception as error:
                traceback.print_exc()
                self.check(judgement.__module__, False, f"{type(error).__name__}: {error}")

    def failed(self):
        return any(word == "FAIL" for word, _, _ in self.rows)

    def show(self, title):
        width = max(len(what) for _, what, _ in self.rows)
        print(f"\n{title}\n")
        for word, what, measured in self.rows:
            print(f"{word:8}{what:{width + 2}}{measured}")
        words = [word for word, _, _ in self.rows]
        print("\n" + ", ".join(f"{words.count(word)} {word}" for word in ("ok", "FAIL", "skipped")))


def milliseconds(seconds):
    """The middle, the 99th percentile and the worst of a list of times."""
    if len(seconds) < 2:
        return "too few"
    p99 = statistics.quantiles(seconds, n=100, method="inclusive")[98]
    return f"p50 {statistics.median(seconds) * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms, max {max(seconds) * 1e3:.1f} ms of {len(seconds)}"


def after(seconds):
    return "not in time" if seconds is None else f"after {seconds * 1e3:.0f} ms"
