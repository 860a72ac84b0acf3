// Serves the pages of the samples, as the service does, and as a service that changes or is away.

import { readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";

export function serveSamples(directory) {
  const names = readdirSync(directory)
    .filter((file) => file.endsWith(".html"))
    .map((file) => file.replace(/\.html$/, ""));
  const read = (name, kind) => readFileSync(join(directory, `${name}.${kind}`));
  // What /changing/ shows; nothing while the service is away.
  const changing = { name: names[0] };
  const server = createServer((request, response) => {
    const path = new URL(request.url, "http://localhost").pathname;
    const asked = path.replaceAll("/", "");
    const name = asked === "changing" ? changing.name : asked;
    if (!path.endsWith("/") || !names.includes(name)) {
      response.writeHead(name ? 404 : 503).end();
      return;
    }
    response.writeHead(200, {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": read(name, "policy").toString(),
    });
    response.end(read(name, "html"));
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const base = `http://127.0.0.1:${server.address().port}`;
      resolve({ base, changing, names, close: () => server.close() });
    });
  });
}
