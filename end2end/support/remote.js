// A remote Aurea that a test plays: it answers what it is told to, until it is closed and nobody listens there.
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "./test.js";

/** Listens on a free port; `answer` makes of the events that came a body, and a status if that is not 200. */
async function started(answer) {
  const server = createServer(async (request, response) => {
    const { events } = JSON.parse(Buffer.concat(await request.toArray()));
    const { status = 200, ...body } = answer(events);
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    env: { AUREA_API_URL: `http://127.0.0.1:${server.address().port}/api`, AUREA_API_KEY: "key-of-the-remote" },
    close: () =>
      new Promise((closed) => {
        server.close(closed);
        server.closeAllConnections();
      }),
  };
}

/** `test` with a ttr that has this environment and forwards to a remote that answers so. */
export const forwardingTest = (answer, env) =>
  test.extend({
    remote: async ({}, use) => {
      const remote = await started(answer);
      await use(remote);
      await remote.close();
    },
    env: ({ remote }, use) => use({ ...env, ...remote.env }),
  });
