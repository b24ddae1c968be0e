// A real ttr: the release build as a process of its own, on free ports, with a store of its own.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { send } from "./http.js";

const root = join(import.meta.dirname, "../..");
const program = join(root, "target/release/ttr");
export const adminToken = "owner-of-the-tests";
export const apiKey = "key-of-the-tests";
export const funnel = "ttr";

/** Ports that nobody listens on now; all are held until all are known, so that they differ. */
async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  return ports;
}

export class Ttr {
  /** Starts a ttr and waits until it is ready. `env` is added to what the tests set. */
  static async start(env = {}) {
    const ttr = new Ttr();
    const [port, simulatorPort] = await freePorts(2);
    ttr.folder = mkdtempSync(join(tmpdir(), "ttr-"));
    ttr.origin = `http://127.0.0.1:${port}`;
    ttr.simulator = `http://127.0.0.1:${simulatorPort}`;
    ttr.env = {
      PATH: process.env.PATH,
      LEPTOS_SITE_ROOT: join(root, "target/site"),
      LEPTOS_SITE_ADDR: `127.0.0.1:${port}`,
      SITE_URL: ttr.origin,
      DATABASE_URL: `sqlite://${join(ttr.folder, "ttr.db")}`,
      AUREA_ADMIN_TOKEN: adminToken,
      AUREA_RECEIVE_KEYS: `${apiKey}:${funnel}`,
      TTR__SIMULATOR__ADDR: `127.0.0.1:${simulatorPort}`,
      ...env,
    };
    await ttr.run();
    return ttr;
  }

  /** Runs the program; also again, on the same store, after `kill`. */
  async run() {
    this.log = "";
    this.process = spawn(program, { cwd: root, env: this.env, stdio: ["ignore", "pipe", "pipe"] });
    this.exited = once(this.process, "exit");
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => (this.log += text));
    }
    const deadline = Date.now() + 15_000;
    while (!(await this.isReady())) {
      if (this.process.exitCode !== null) throw new Error(`ttr ended with ${this.process.exitCode}:\n${this.log}`);
      if (Date.now() > deadline) throw new Error(`ttr was not ready within 15 s:\n${this.log}`);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  /** Fills the empty store with so many visits that are made up, always the same. */
  demo(sessions) {
    execFileSync(program, ["demo", "--sessions", String(sessions), "--seed", "7"], { cwd: root, env: this.env, stdio: "pipe" });
  }

  isReady() {
    return send(`${this.origin}/health/ready`, { method: "GET" }).then(
      ({ status }) => status === 200,
      () => false,
    );
  }

  /** As a power cut: no signal handler runs. */
  async kill() {
    this.process.kill("SIGKILL");
    await this.exited;
  }

  /** Ends the program in good order and removes its store. */
  async stop() {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      this.process.kill("SIGTERM");
      const overdue = setTimeout(() => this.process.kill("SIGKILL"), 10_000);
      await this.exited;
      clearTimeout(overdue);
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  // What an owner reads

  async read(path) {
    const answer = await send(`${this.origin}/api/aurea/funnels/${funnel}/${path}`, {
      method: "GET",
      headers: { authorization: `Bearer ${adminToken}` },
    });
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) throw new Error(`${path} was answered ${answer.status}: ${answer.text}`);
    return answer.json;
  }

  /** One session, or undefined. */
  session(sessionId) {
    return this.read(`sessions/${sessionId}`);
  }

  /** The sessions that `query` names, e.g. `{ anonymousId }`. */
  async sessions(query = {}) {
    return (await this.read(`sessions?${new URLSearchParams(query)}`)).sessions;
  }

  async payments() {
    return (await this.read("payments")).payments;
  }

  /** What the simulator was asked for. */
  async simulatorRequests() {
    return (await send(`${this.simulator}/simulator/requests`, { method: "GET" })).json;
  }

  // What others send

  /** Events as a browser on our page sends them. */
  browserEvents(body, headers = {}) {
    return send(`${this.origin}/api/pulse`, {
      headers: { "content-type": "application/json", origin: this.origin, "sec-fetch-site": "same-origin", ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
  }

  /** Events as somebody with a key sends them: in the seed's way. */
  keyedEvents(body, headers = {}) {
    return send(`${this.origin}/api/track/events`, {
      headers: { "content-type": "application/json", "x-aurea-api-key": apiKey, "x-aurea-funnel-id": funnel, ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
  }

  /** One delivery of Whop. */
  delivery({ headers, body }) {
    return send(`${this.origin}/api/webhooks/whop`, { headers: { "content-type": "application/json", ...headers }, body });
  }
}
