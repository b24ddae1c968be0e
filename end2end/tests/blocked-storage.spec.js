// Storage blocked by the browser's own setting: reading localStorage throws, and nothing else may break.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { complaintsOf, expect, test as base } from "../support/test.js";
import { buy, expectInOrder, hydrated, idsAtProvider, namesOf, openQuestion, pay, sessionOnce } from "../support/visit.js";

const blocked = { profile: { default_content_setting_values: { cookies: 2 } } }; // "block all site data"

const test = base.extend({
  context: async ({ playwright, launchOptions, baseURL }, use) => {
    const folder = mkdtempSync(join(tmpdir(), "blocked-storage-"));
    mkdirSync(join(folder, "Default"));
    writeFileSync(join(folder, "Default/Preferences"), JSON.stringify(blocked));
    const context = await playwright.chromium.launchPersistentContext(folder, { ...launchOptions, baseURL });
    await use(context);
    await context.close();
    rmSync(folder, { recursive: true, force: true });
  },
  complaints: async ({ context }, use) => use(complaintsOf(context)),
});

test("visit and purchase are one session all the same", async ({ page, ttr }) => {
  await page.goto("/");
  const reading = page.evaluate(() => {
    try {
      return String(localStorage);
    } catch (error) {
      return error.name;
    }
  });
  expect(await reading, "the setting works").toBe("SecurityError");
  await hydrated(page);
  await openQuestion(page);
  const onPage = await page.evaluate(() => window.aureaSDK.getSessionId());
  await buy(page, ttr);
  const { sessionId } = await idsAtProvider(page, ttr);
  expect(sessionId).toBe(onPage);
  await pay(page, ttr);
  const session = await sessionOnce(ttr, sessionId, ({ converted }) => converted);
  expectInOrder(namesOf(session), [
    "page_view", "faq_opened", "buy_button_clicked", "checkout_started", "checkout_completed", "session_end",
  ]);
  expect(await ttr.sessions({ converted: true })).toHaveLength(1);
});
