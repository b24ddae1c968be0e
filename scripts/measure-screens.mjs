#!/usr/bin/env node
// How long the owner's screens take: fills a small and a large store by `ttr demo`, asks every screen of both in turn, many
// times, and prints p50 and p95 of the whole answers, their size, and the ratio of the large store to the small one. Goal:
// p95 under 50 ms, ratio at most 2, though a store with fewer rows has less to show; else the exit code is 1.
// Usage: scripts/measure-screens.mjs [small=1000] [large=100000]; KEEP=folder keeps the stores there for another run.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { send } from "../end2end/support/http.js";
import { adminToken, Ttr } from "../end2end/support/ttr.js";

const [small = 1000, large = 100_000] = process.argv.slice(2).map(Number);
const folder = process.env.KEEP ?? mkdtempSync(join(tmpdir(), "ttr-screens-"));
mkdirSync(folder, { recursive: true });
const root = join(import.meta.dirname, "..");
const TIMES = 400;
const WARM_UP = 20;

const sessions = "/aurea/funnels/ttr/sessions";
const payments = "/aurea/funnels/ttr/payments";
const screens = {
  funnels: "/aurea",
  funnel: "/aurea/funnels/ttr",
  sessions,
  "… converted": `${sessions}?converted=true`,
  "… active": `${sessions}?state=active`,
  "… at the checkout": `${sessions}?state=checkout`,
  "… abandoned": `${sessions}?state=abandoned`,
  "… by source": `${sessions}?source=newsletter`,
  "… by event seen often": `${sessions}?event=faq_opened`,
  "… by event seen seldom": `${sessions}?event=subscription_renewed`,
  "… by event never seen": `${sessions}?event=no_such_event`,
  "… by day": `${sessions}?from=2000-01-01&to=2099-01-01`,
  payments,
  "… of a state": `${payments}?state=partly_refunded`,
  "… that nobody has": `${payments}?state=dispute_lost`,
  "… without a session": `${payments}?session=without`,
  "… of no provider": `${payments}?provider=nobody`,
  "… paid then": `${payments}?session=with&from=2000-01-01&to=2099-01-01`,
  "sessions by all at once": `${sessions}?state=converted&source=newsletter&event=faq_opened`,
};

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];

/** A store of so many sessions, served. */
async function serve(count) {
  const database = join(folder, `${count}.db`);
  const env = { DATABASE_URL: `sqlite://${database}` };
  const ttr = await Ttr.start(env);
  await ttr.stop();
  if (!existsSync(`${database}.filled`)) {
    const started = Date.now();
    execFileSync(join(root, "target/release/ttr"), ["demo", "--sessions", `${count}`], { cwd: root, env: { ...ttr.env, ...env }, stdio: "inherit" });
    writeFileSync(`${database}.filled`, "");
    console.log(`${count} sessions made in ${((Date.now() - started) / 1000).toFixed(0)} s`);
  }
  return Ttr.start(env);
}

async function get(ttr, path) {
  const headers = { authorization: `Bearer ${adminToken}` };
  const { status, text, json } = await send(ttr.origin + path, { method: "GET", headers });
  if (status !== 200) throw new Error(`${path} was answered ${status}`);
  return { text, json };
}

/** Every screen's path in this store. */
async function paths(ttr) {
  const list = (await get(ttr, `/api${sessions}?converted=true`)).json.sessions;
  const cursor = (await get(ttr, `/api${sessions}`)).json.nextCursor;
  const paid = async (query) => {
    const { provider, paymentId } = (await get(ttr, `/api${payments}?${query}`)).json.payments[0];
    return `${payments}/${provider}/${paymentId}`;
  };
  const some = { payment: await paid("session=with"), "payment without a session": await paid("session=without") };
  return { ...screens, ...some, "… second page": `${sessions}?cursor=${cursor}`, session: `${sessions}/${list[0].sessionId}` };
}

/** Asks both stores in turn, so that what else the machine does meets both alike. */
async function measure(asked) {
  const taken = asked.map(() => []);
  const size = [];
  for (let i = 0; i < TIMES + WARM_UP; i += 1) {
    for (const [at, { ttr, path }] of asked.entries()) {
      const from = performance.now();
      const { text } = await get(ttr, path);
      if (i >= WARM_UP) taken[at].push(performance.now() - from);
      size[at] = text.length / 1024;
    }
  }
  return taken.map((times, at) => {
    times.sort((a, b) => a - b);
    return { p50: quantile(times, 0.5), p95: quantile(times, 0.95), size: size[at] };
  });
}

const served = [];
try {
  for (const count of [small, large]) served.push(await serve(count));
  const [few, many] = [await paths(served[0]), await paths(served[1])];
  console.log(`\n                           ${small} sessions              ${large} sessions            ratio of`);
  console.log("screen                     p50 ms  p95 ms      KiB   p50 ms  p95 ms      KiB     p50   p95");
  for (const name of Object.keys(many)) {
    const [one, other] = await measure([{ ttr: served[0], path: few[name] }, { ttr: served[1], path: many[name] }]);
    const figures = ({ p50, p95, size }) => [p50, p95].map((ms) => ms.toFixed(1).padStart(8)).join("") + size.toFixed(0).padStart(9);
    const ratios = [other.p50 / one.p50, other.p95 / one.p95].map((ratio) => ratio.toFixed(2).padStart(6)).join("");
    console.log(`${name.padEnd(25)}${figures(one)} ${figures(other)}  ${ratios}`);
    if (other.p95 >= 50 || other.p95 > 2 * one.p95) process.exitCode = 1;
  }
} finally {
  for (const ttr of served) await ttr.stop();
}
if (!process.env.KEEP) rmSync(folder, { recursive: true, force: true });
