"""The Home Assistant under which the meter is judged: its REST API and WebSocket, as an administrator uses them."""

import http.client
import json
import subprocess
import time
import urllib.parse
from pathlib import Path

from websocket import Closed, WebSocket

TIMEOUT = 30.0


class Core:
    """The Core at `url`. `control` is a shell command that takes start, stop and kill as its argument."""

    def __init__(self, url, token_file, control):
        self.url, self.control = url.rstrip("/"), control
        self.token = Path(token_file).read_text().strip()
        self.config = f"homeassistant_host: {self.url}\nhomeassistant_token_file: {Path(token_file).absolute()}\n"
        self.secrets, self.entities, self.helpers, self.tokens = {self.token}, set(), [], set()
        self.rest = self.socket = None
        self.version = self.open_socket().version

    def config_at(self, port, token_file):
        """The lines of a configuration that reaches it through a port of this machine, with another token."""
        return f"homeassistant_host: 127.0.0.1:{port}\nhomeassistant_token_file: {token_file}\n"

    # --- REST ----------------------------------------------------------------

    def request(self, method, path, body=None):
        """Status and content of an answer, on a connection that stays open."""
        content = None if body is None else json.dumps(body)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        for attempt in range(2):
            if self.rest is None:
                self.rest = http.client.HTTPConnection(urllib.parse.urlsplit(self.url).netloc, timeout=TIMEOUT)
                self.rest.connect()
            try:
                self.rest.request(method, path, content, headers)
                answer = self.rest.getresponse()
                return answer.status, answer.read()
            except (OSError, http.client.HTTPException):
                self.rest.close()
                self.rest = None
                if attempt:
                    raise

    def set(self, entity, state, unit=None, **more):
        """Sets the state of an entity as an integration does that has no entry in the registry."""
        self.entities.add(entity)
        status, answer = self.request("POST", f"/api/states/{entity}", {"state": state, "attributes": {"unit_of_measurement": unit} if unit else {}, **more})
        if status not in (200, 201):
            raise ValueError(f"{entity}: {status} {answer!r}")

    def remove(self, entity):
        self.request("DELETE", f"/api/states/{entity}")

    def state(self, entity):
        """Its state; None where there is no such entity."""
        status, answer = self.request("GET", f"/api/states/{entity}")
        return json.loads(answer)["state"] if status == 200 else None

    # --- WebSocket -----------------------------------------------------------

    def open_socket(self):
        self.socket = WebSocket(self.url, self.token, TIMEOUT)
        return self.socket

    def command(self, kind, **fields):
        try:
            return self.socket.command(kind, **fields)
        except (Closed, OSError):
            return self.open_socket().command(kind, **fields)

    def number(self, name, value):
        """A helper with a number, that outlives a restart; returns its entity."""
        made = self.command("input_number/create", name=name, min=-1e6, max=1e6, step=0.001)
        entity = f"input_number.{made['id']}"
        self.helpers.append(lambda: self.command("input_number/delete", input_number_id=made["id"]))
        self.call(entity, value)
        return entity

    def call(self, entity, value):
        """Sets a helper, or a list of them, by a service."""
        self.command("call_service", domain="input_number", service="set_value", service_data={"entity_id": entity, "value": value})

    def template(self, name, template, unit, device_class):
        """A helper with a template, which makes a sensor that is in the registry; returns its entity."""
        flow = "/api/config/config_entries/flow"
        step = json.loads(self.request("POST", flow, {"handler": "template"})[1])
        for answer in ({"next_step_id": "sensor"}, {"name": name, "state": template, "unit_of_measurement": unit, "device_class": device_class}):
            step = json.loads(self.request("POST", f"{flow}/{step['flow_id']}", answer)[1])
        entry = step["result"]["entry_id"]
        self.helpers.append(lambda: self.request("DELETE", f"/api/config/config_entries/entry/{entry}"))
        registry = self.command("config/entity_registry/list")
        return next(one["entity_id"] for one in registry if one["config_entry_id"] == entry)

    def sensor(self, name, value, unit, device_class):
        """A number, and a sensor in the registry that shows it."""
        number = self.number(f"{name} number", value)
        return number, self.template(name, f"{{{{ states('{number}') }}}}", unit, device_class)

    def register(self, entity, **fields):
        """Changes its entry in the registry, as the dialogue of the user interface does."""
        self.command("config/entity_registry/update", entity_id=entity, **fields)

    def new_token(self):
        """A further token, and what names it."""
        name = f"judge {time.time_ns()}"
        token = self.command("auth/long_lived_access_token", client_name=name, lifespan=1)
        self.secrets.add(token)
        found = next(one["id"] for one in self.command("auth/refresh_tokens") if one["client_name"] == name)
        self.tokens.add(found)
        return token, found

    def delete_token(self, name):
        self.command("auth/delete_refresh_token", refresh_token_id=name)
        self.tokens.discard(name)

    # --- the process ---------------------------------------------------------

    def do(self, action):
        """Starts or ends it. The judge's own connections go first: Home Assistant would wait for their answer."""
        self.socket.close()
        if self.rest:
            self.rest.close()
        subprocess.run(f"{self.control} {action}", shell=True, check=True, stdout=subprocess.DEVNULL)

    def clean_up(self):
        for entity in self.entities:
            self.remove(entity)
        for remove in reversed(self.helpers):
            remove()
        for name in list(self.tokens):
            self.delete_token(name)
