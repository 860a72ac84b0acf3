"""The openHAB under which the meter is judged, and the hand that works it from behind."""

import json
import threading
import urllib.error
import urllib.parse
import urllib.request

TIMEOUT = 30.0


class OpenHab:
    """Its REST API at `url`; its `control` does what bindings, files and users do."""

    def __init__(self, url, control):
        self.url, self.control, self.items = url.rstrip("/"), control.rstrip("/"), {}
        self.config = f"openhab_host: {self.url}\n"

    def do(self, action, **query):
        """One action of the control; urllib's HTTPError where it refuses."""
        with urllib.request.urlopen(f"{self.control}/{action}?{urllib.parse.urlencode(query)}", timeout=TIMEOUT) as answer:
            return answer.read().decode().strip()

    def get(self, path):
        """The body of a REST answer, or its status where that is not 200."""
        request = urllib.request.Request(f"{self.url}/rest/{path}", headers={"Accept": "text/plain, application/json"})
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code

    def version(self):
        return json.loads(self.get(""))["runtimeInfo"]["version"]

    def add(self, name, kind, **more):
        """Adds an item, in place of one that a judge before left there."""
        self.items[name] = {"type": kind, **more}
        self.do("remove", name=name)
        self.do("add", name=name, **self.items[name])

    def group(self, name, dimension, members):
        """A group that sums up its members, which are added too."""
        self.add(name, "Group", base=dimension, function="SUM")
        for member in members:
            self.add(member, dimension, groups=name)

    def post(self, name, state):
        """Posts a state as a binding does."""
        self.do("post", name=name, value=state)

    def post_together(self, states):
        """One after the other from one thread, as a binding does that has read several registers."""
        self.do("multi", states=";".join(f"{name}:{state}" for name, state in states.items()))

    def state(self, name):
        return self.get(f"items/{name}/state")

    def number(self, name):
        """The number in an item's state; None where there is none."""
        state = self.state(name)
        try:
            return float(str(state).split(" ")[0])
        except ValueError:
            return None

    def is_up(self):
        """Whether it has all the items that were added."""
        try:
            return all(isinstance(self.state(name), str) for name in self.items) and self.do("state", name=next(iter(self.items)))
        except OSError:
            return False

    def clean_up(self):
        for name in reversed(self.items):
            self.do("remove", name=name)

    def busy(self, events, rate):
        """Lets other items have so many events, so many a second; returns the thread that waits for the end."""
        for number in range(100):
            self.add(f"Noise{number}", "Number")
        thread = threading.Thread(target=self.do, args=("burst",), kwargs={"n": events, "rate": rate, "items": 100})
        thread.start()
        return thread
