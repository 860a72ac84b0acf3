"""The part of Home Assistant that a meter talks to, its WebSocket and REST for states:

    homeassistant.py PORT TOKEN_FILE [ENTITY=STATE[ UNIT]...]

What it sends is what Home Assistant Core 2025.4 sends, to the byte. Entities are set and removed as there, by POST and
DELETE /api/states/ENTITY. When the token in the file changes, who has shown the old one is cut off.
"""

import asyncio
import base64
import hashlib
import json
import re
import secrets
import sys
import time
from asyncio import StreamReader, StreamWriter
from pathlib import Path
from typing import Any

VERSION = {"ha_version": "2025.4.4"}
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
ENTITY = re.compile(r"sensor\.[a-z0-9_]+")


def dump(message: Any) -> bytes:
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()


class State:
    """An entity's state, since `changed`."""

    def __init__(self, state: str, attributes: dict[str, Any], changed: float | None = None) -> None:
        self.state, self.attributes = state, attributes
        self.updated = self.reported = time.time()
        self.changed = changed or self.updated
        self.context = "01" + "".join(secrets.choice("0123456789ABCDEFGHJKMNPQRSTVWXYZ") for _ in range(24))

    def snapshot(self) -> dict[str, Any]:
        own = {"s": self.state, "a": self.attributes, "c": self.context, "lc": self.changed}
        return own if self.updated == self.changed else own | {"lu": self.updated}

    def since(self, old: "State") -> dict[str, Any]:
        """What differs from an older one."""
        added: dict[str, Any] = {"s": self.state} if self.state != old.state else {}
        added |= {"lc": self.changed} if self.changed != old.changed else {"lu": self.updated}
        added["c"] = self.context
        if attributes := {key: value for key, value in self.attributes.items() if old.attributes.get(key) != value}:
            added["a"] = attributes
        removed = sorted(old.attributes.keys() - self.attributes.keys())
        return {"+": added, "-": {"a": removed}} if removed else {"+": added}


class Home:
    """All entities, and who is told about them."""

    def __init__(self, token_file: Path) -> None:
        self.token_file, self.states, self.sessions = token_file, dict[str, State](), set[Session]()

    def token(self) -> str:
        return self.token_file.read_text().strip()

    def set(self, entity: str, state: str, attributes: dict[str, Any], forced: bool = False) -> None:
        old = self.states.get(entity)
        stays = old is not None and old.state == state and not forced
        if old and stays and old.attributes == attributes:
            old.reported = time.time()
            return
        new = self.states[entity] = State(state, attributes, old.changed if old and stays else None)
        self.tell(entity, {"c": {entity: new.since(old)}} if old else {"a": {entity: new.snapshot()}})

    def tell(self, entity: str, event: dict[str, Any]) -> None:
        for session in self.sessions:
            for number, wanted in session.subscriptions.items():
                if entity in wanted:
                    session.send({"type": "event", "event": event, "id": number})

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """A request to its REST API."""
        entity = path.removeprefix("/api/states").strip("/")
        if method == "POST" and ENTITY.fullmatch(entity):
            wanted = json.loads(body)
            self.set(entity, wanted["state"], wanted.get("attributes", {}), wanted.get("force_update", False))
        rest = [{"entity_id": name, "state": one.state, "attributes": one.attributes} for name, one in self.states.items()]
        if not entity:
            return 200, rest
        found = [one for one in rest if one["entity_id"] == entity]
        if found and method == "DELETE":
            del self.states[entity]
            self.tell(entity, {"r": [entity]})
        return (200, found[0]) if found else (404, {"message": "Entity not found."})


class Session:
    """One WebSocket, after its upgrade."""

    def __init__(self, home: Home, reader: StreamReader, writer: StreamWriter) -> None:
        self.home, self.reader, self.writer = home, reader, writer
        self.subscriptions: dict[int, set[str]] = {}
        self.token, self.last = "", 0

    def frame(self, kind: int, payload: bytes) -> None:
        size = len(payload)
        length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2) if size < 1 << 16 else b"\x7f" + size.to_bytes(8)
        self.writer.write(bytes([0x80 | kind]) + length + payload)

    def send(self, message: dict[str, Any]) -> None:
        self.frame(TEXT, dump(message))

    async def receive(self) -> Any:
        """The next message, in one frame; None at the end. Pings are answered meanwhile."""
        while True:
            kind, size = await self.reader.readexactly(2)
            size &= 0x7F
            if size >= 126:
                size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8))
            if kind & 0x0F == CLOSE:
                return None
            mask = await self.reader.readexactly(4)
            payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(await self.reader.readexactly(size)))
            if kind == 0x80 | TEXT:
                return json.loads(payload)
            if kind == 0x80 | PING:
                self.frame(PONG, payload)

    async def serve(self) -> None:
        try:
            if await asyncio.wait_for(self.authenticate(), 10):
                self.home.sessions.add(self)
                while (message := await self.receive()) is not None:
                    self.answer(**message)
        finally:
            self.home.sessions.discard(self)
            self.frame(CLOSE, (1000).to_bytes(2))

    async def authenticate(self) -> bool:
        self.send({"type": "auth_required"} | VERSION)
        self.token = (await self.receive() or {}).get("access_token", "")
        good = self.token == self.home.token()
        print("auth_ok" if good else "auth_invalid", flush=True)
        self.send({"type": "auth_ok"} | VERSION if good else {"type": "auth_invalid", "message": "Invalid access token or password"})
        return good

    def answer(self, id: int, type: str, entity_ids: tuple[str, ...] = (), template: str = "", subscription: int = 0) -> None:
        if id <= self.last or type not in ("ping", "subscribe_entities", "unsubscribe_events", "get_config", "render_template"):
            raise ValueError(f"command {id}, {type}, after {self.last}")
        self.last, states = id, self.home.states
        if type == "ping":
            return self.send({"id": id, "type": "pong"})
        config = {"state": "RUNNING"} if type == "get_config" else None
        self.send({"id": id, "type": "result", "success": True, "result": config})
        if type == "subscribe_entities":
            snapshot = {entity: state.snapshot() for entity, state in states.items() if entity in entity_ids}
            self.send({"id": id, "type": "event", "event": {"a": snapshot}})
            self.subscriptions[id] = set(entity_ids)
        elif type == "render_template":
            # It knows two templates: the names of all entities, and how long ago some were reported.
            ages = [state and time.time() - state.reported for state in map(states.get, ENTITY.findall(template))]
            self.send({"id": id, "type": "event", "event": {"result": ages or " ".join(states), "listeners": {}}})
        self.subscriptions.pop(subscription, None)


async def serve(home: Home, reader: StreamReader, writer: StreamWriter) -> None:
    """One connection, which is one request, or one WebSocket."""
    try:
        request, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        method, path, _ = request.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if key := headers.get("sec-websocket-key"):
            accept = base64.b64encode(hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
            upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: "
            writer.write(upgrade + accept + b"\r\n\r\n")
            await Session(home, reader, writer).serve()
        else:
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            known = headers.get("authorization") == f"Bearer {home.token()}"
            code, answer = home.answer(method, path, body) if known else (401, "401: Unauthorized")
            content = dump(answer)
            writer.write(f"HTTP/1.1 {code} -\r\nConnection: close\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)
        await writer.drain()
    except (OSError, EOFError, ValueError, TypeError, TimeoutError) as error:
        print(f"a connection ends: {error!r}", flush=True)
    finally:
        writer.close()


async def main(port: str, token_file: str, *entities: str) -> None:
    home = Home(Path(token_file))
    for entity in entities:
        name, _, state = entity.partition("=")
        number, _, unit = state.partition(" ")
        home.set(name, number, {"unit_of_measurement": unit} if unit else {})
    await asyncio.start_server(lambda *streams: serve(home, *streams), None, int(port))
    while True:
        for session in home.sessions:
            if session.token != home.token():
                session.reader.feed_eof()
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
