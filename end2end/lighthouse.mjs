// Lighthouse as mobile, median of three, against the release build. A run counts only if the browser fetched the module
// and found all four islands hydrated. Fails below 95 in any category.
import { once } from "node:events";
import { createServer } from "node:net";
import { chromium } from "@playwright/test";
import lighthouse, { Audit, Gatherer } from "lighthouse";
import { launchOptions } from "./support/chromium.js";
import { Ttr } from "./support/ttr.js";
import { islands } from "./support/visit.js";

const runs = 3;
const wanted = 95;

/** Names of the hydrated islands when Lighthouse is done with the page. */
class HydratedIslands extends Gatherer {
  meta = { supportedModes: ["navigation"] };

  getArtifact({ driver }) {
    const read = () => [...document.querySelectorAll("[data-island][data-hydrated]")].map((it) => it.dataset.island);
    return driver.executionContext.evaluate(read, { args: [] });
  }
}

/** Lighthouse gathers only what an audit of a category asks for. */
class IslandsAreHydrated extends Audit {
  static meta = {
    id: "islands-are-hydrated",
    title: "All islands are hydrated",
    failureTitle: "An island is not hydrated",
    description: "Without them the scores would be those of another page.",
    requiredArtifacts: ["HydratedIslands"],
  };

  static audit = ({ HydratedIslands: found }) => ({ score: Number(islands.every((it) => found.includes(it))) });
}

const config = {
  extends: "lighthouse:default",
  artifacts: [{ id: "HydratedIslands", gatherer: { instance: new HydratedIslands() } }],
  audits: [{ implementation: IslandsAreHydrated }],
  categories: { hydration: { title: "Hydration", auditRefs: [{ id: IslandsAreHydrated.meta.id, weight: 1 }] } },
};

async function measure(url) {
  const free = createServer().listen(0, "127.0.0.1");
  await once(free, "listening");
  const { port } = free.address();
  free.close();
  const browser = await chromium.launch({ ...launchOptions, args: [...launchOptions.args, `--remote-debugging-port=${port}`] });
  try {
    const { lhr } = await lighthouse(url, { port, logLevel: "error" }, config);
    const fetched = lhr.audits["network-requests"].details.items.map((item) => item.url);
    if (!fetched.some((it) => it.endsWith(".wasm"))) throw new Error("the trace has no WASM in it");
    if (lhr.audits[IslandsAreHydrated.meta.id].score !== 1) throw new Error("an island is not hydrated");
    const scores = Object.values(lhr.categories).map(({ title, score }) => [title, Math.round(score * 100)]);
    const failed = Object.values(lhr.audits).filter(({ score }) => score !== null && score < 0.9);
    return { scores: Object.fromEntries(scores), failed: failed.map(({ id, displayValue = "" }) => `${id} ${displayValue}`.trim()) };
  } finally {
    await browser.close();
  }
}

const ttr = await Ttr.start();
try {
  const measured = [];
  for (let run = 1; run <= runs; run++) {
    measured.push(await measure(`${ttr.origin}/`));
    console.log(`run ${run}:`, measured.at(-1).scores, measured.at(-1).failed.join("; "));
  }
  const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
  for (const category of Object.keys(measured[0].scores)) {
    const score = median(measured.map(({ scores }) => scores[category]));
    console.log(`${category.padEnd(16)} ${score}`);
    if (score < wanted) process.exitCode = 1;
  }
} finally {
  await ttr.stop();
}
