// The owner's screens over a store full of believable visits: accessible, narrow enough, and pictured in docs/screenshots.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { AxeBuilder } from "@axe-core/playwright";
import { ownersPage, printedLink, sessionPath } from "../support/owner.js";
import { expect, test } from "../support/test.js";

const root = join(import.meta.dirname, "../..");
const folder = join(root, "docs/screenshots");

test.use({ env: { AUREA_ADMIN_TOKEN: "" } });

/** Every screen by name: those of a shop with visits, and those of one that has just been opened. */
async function screensOf(ttr) {
  const sessionWith = async (query) => (await ttr.sessionsAs(query))[0].sessionId;
  const payments = "/aurea/funnels/ttr/payments";
  const paymentWith = async (query) => {
    const { provider, paymentId } = (await ttr.paymentsAs(query))[0];
    return `${payments}/${provider}/${paymentId}`;
  };
  return {
    funnels: "/aurea",
    funnel: "/aurea/funnels/ttr",
    sessions: "/aurea/funnels/ttr/sessions",
    "sessions-filtered": "/aurea/funnels/ttr/sessions?state=abandoned&event=faq_opened",
    "sessions-none": "/aurea/funnels/ttr/sessions?event=no_such_event",
    "sessions-fault": "/aurea/funnels/ttr/sessions?from=yesterday",
    "session-converted": sessionPath(await sessionWith("state=converted&event=faq_opened")),
    "session-abandoned": sessionPath(await sessionWith("state=abandoned")),
    payments,
    "payments-filtered": `${payments}?state=paid&provider=whop&session=without`,
    "payments-none": `${payments}?state=dispute_lost`,
    payment: await paymentWith("session=with"),
    "payment-refunded": await paymentWith("state=partly_refunded"),
    "payment-lost": await paymentWith("session=without"),
    "payments-new": "/aurea/funnels/new/payments",
    "funnel-new": "/aurea/funnels/new",
    "sessions-new": "/aurea/funnels/new/sessions",
    "not-found": "/aurea/funnels/ttr/sessions/nobody",
  };
}

/** A shop with visits, and its owner logged in. */
async function filled(ttr, browser, options) {
  await printedLink(ttr);
  execFileSync(join(root, "target/release/ttr"), ["demo", "--sessions", "400", "--seed", "7"], { cwd: root, env: ttr.env });
  const owner = await ownersPage(browser, ttr, options);
  const list = async (what, query) => {
    const answer = await owner.request.get(`/api/aurea/funnels/ttr/${what}?${query}`);
    return (await answer.json())[what];
  };
  ttr.sessionsAs = (query) => list("sessions", query);
  ttr.paymentsAs = (query) => list("payments", query);
  return owner;
}

const everything = (owner) => owner.locator("details").evaluateAll((all) => all.forEach((details) => (details.open = true)));

for (const colorScheme of ["light", "dark"]) {
  test(`every screen is accessible and none scrolls sideways, ${colorScheme}`, async ({ ttr, browser }) => {
    test.setTimeout(180_000);
    const owner = await filled(ttr, browser, { colorScheme });
    for (const [name, path] of Object.entries(await screensOf(ttr))) {
      await owner.goto(path);
      for (const width of [390, 768, 1440]) {
        await owner.setViewportSize({ width, height: 900 });
        const sideways = await owner.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        expect(sideways, `${name} at ${width} px`).toBeLessThanOrEqual(0);
      }
      const { violations } = await new AxeBuilder({ page: owner }).analyze();
      expect(violations.map(({ id, nodes }) => [name, id, nodes[0].html]), name).toEqual([]);
      await everything(owner);
      const opened = await new AxeBuilder({ page: owner }).analyze();
      expect(opened.violations.map(({ id, nodes }) => [name, id, nodes[0].html]), `${name}, opened`).toEqual([]);
    }
    await owner.getByRole("button", { name: /log out/i }).click();
    const { violations } = await new AxeBuilder({ page: owner }).analyze();
    expect(violations.map(({ id, nodes }) => [id, nodes[0].html]), "login").toEqual([]);
  });
}

for (const [width, height] of [[390, 844], [1440, 900]]) {
  for (const colorScheme of ["light", "dark"]) {
    const pathOf = (name) => join(folder, `aurea-${name}-${width}-${colorScheme}.png`);

    test(`pictures of the screens at ${width} px, ${colorScheme}`, async ({ ttr, browser }) => {
      test.skip(existsSync(pathOf("login")) && !process.env.UPDATE_SCREENSHOTS, "the pictures are there");
      test.setTimeout(180_000);
      const viewport = { width, height };
      const owner = await filled(ttr, browser, { colorScheme, viewport, reducedMotion: "reduce" });
      for (const [name, path] of Object.entries(await screensOf(ttr))) {
        await owner.goto(path);
        await owner.screenshot({ path: pathOf(name), fullPage: true });
      }
      await owner.getByRole("button", { name: /log out/i }).click();
      await owner.screenshot({ path: pathOf("login"), fullPage: true });
      expect(existsSync(pathOf("login"))).toBe(true);
    });
  }
}
