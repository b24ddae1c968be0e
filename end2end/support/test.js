// `test` with a ttr of its own and a page that may not complain; `serverTest` without a browser.
import { test as base, expect } from "@playwright/test";
import { Ttr } from "./ttr.js";

/** Collects what a browser complains about: errors, warnings, uncaught exceptions, violations of the CSP. */
export function complaintsOf(context) {
  const complaints = [];
  context.on("console", (message) => {
    if (!["error", "warning"].includes(message.type())) return;
    complaints.push(`${message.type()} at ${message.location().url}: ${message.text()}`);
  });
  context.on("weberror", (error) => complaints.push(`uncaught: ${error.error()}`));
  return complaints;
}

export const serverTest = base.extend({
  /** How the simulated Whop is reached: `api` or `link`. */
  mode: ["api", { option: true }],
  /** More environment for the ttr. */
  env: [{}, { option: true }],

  ttr: async ({ mode, env }, use, testInfo) => {
    const ttr = await Ttr.start({ TTR__SIMULATOR__MODE: mode, ...env });
    await use(ttr);
    await ttr.stop();
    if (testInfo.status !== testInfo.expectedStatus) await testInfo.attach("ttr.log", { body: ttr.log });
  },
});

export const test = serverTest.extend({
  /** What the browser may complain about, in a test that provokes it. */
  allowed: [/^$/, { option: true }],

  baseURL: async ({ ttr }, use) => use(ttr.origin),

  complaints: async ({ context }, use) => use(complaintsOf(context)),

  nothingToComplainAbout: [
    async ({ complaints, allowed }, use) => {
      await use();
      expect(complaints.filter((complaint) => !allowed.test(complaint))).toEqual([]);
    },
    { auto: true },
  ],
});

export { expect };
