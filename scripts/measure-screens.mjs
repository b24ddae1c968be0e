#!/usr/bin/env node
// How long the owner's screens take: fills a small and a large store by `ttr demo`, asks every screen many times and prints
// p50 and p95 of the server's answers, with the ratio of the large store to the small one. Goal: p95 under 50 ms, ratio at
// most 2. Usage: scripts/measure-screens.mjs [small=1000] [large=100000]; KEEP=folder keeps the stores there for another run.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { send } from "../end2end/support/http.js";
import { adminToken, Ttr } from "../end2end/support/ttr.js";

const [small = 1000, large = 100_000] = process.argv.slice(2).map(Number);
const folder = process.env.KEEP ?? mkdtempSync(join(tmpdir(), "ttr-screens-"));
mkdirSync(folder, { recursive: true });
const root = join(import.meta.dirname, "..");
const TIMES = 200;

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

async function measure(count) {
  const database = join(folder, `${count}.db`);
  const env = { DATABASE_URL: `sqlite://${database}` };
  const ttr = await Ttr.start(env);
  await ttr.stop();
  if (!existsSync(`${database}.filled`)) {
    const started = Date.now();
    execFileSync(join(root, "target/release/ttr"), ["demo", "--sessions", `${count}`], { cwd: root, env: { ...ttr.env, ...env }, stdio: "inherit" });
    execFileSync("touch", [`${database}.filled`]);
    console.log(`${count} sessions made in ${((Date.now() - started) / 1000).toFixed(0)} s`);
  }
  const running = await Ttr.start(env);
  try {
    const headers = { authorization: `Bearer ${adminToken}` };
    const get = async (path) => {
      const { status, text, json } = await send(running.origin + path, { method: "GET", headers });
      if (status !== 200) throw new Error(`${path} was answered ${status}`);
      return { text, json };
    };
    const list = (await get(`/api${sessions}?converted=true`)).json.sessions;
    const cursor = (await get(`/api${sessions}`)).json.nextCursor;
    const paid = async (query) => {
      const { provider, paymentId } = (await get(`/api${payments}?${query}`)).json.payments[0];
      return `${payments}/${provider}/${paymentId}`;
    };
    const some = { payment: await paid("session=with"), "payment without a session": await paid("session=without") };
    const all = { ...screens, ...some, "… second page": `${sessions}?cursor=${cursor}`, session: `${sessions}/${list[0].sessionId}` };
    const times = {};
    for (const [name, path] of Object.entries(all)) {
      await get(path);
      const taken = [];
      for (let i = 0; i < TIMES; i += 1) {
        const from = performance.now();
        await get(path);
        taken.push(performance.now() - from);
      }
      taken.sort((a, b) => a - b);
      times[name] = { p50: quantile(taken, 0.5), p95: quantile(taken, 0.95) };
    }
    return times;
  } finally {
    await running.stop();
  }
}

const few = await measure(small);
const many = await measure(large);
const ms = (value) => value.toFixed(1).padStart(7);
console.log(`\nscreen                     p50 ms  p95 ms of ${small} | p50 ms  p95 ms of ${large} | p95 ratio`);
for (const [name, { p50, p95 }] of Object.entries(many)) {
  const ratio = p95 / few[name].p95;
  console.log(`${name.padEnd(24)}${ms(few[name].p50)} ${ms(few[name].p95)}          |${ms(p50)} ${ms(p95)}            | ${ratio.toFixed(2)}`);
}
if (!process.env.KEEP) rmSync(folder, { recursive: true, force: true });
