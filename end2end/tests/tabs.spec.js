// Several tabs of one browser: one visitor, a session for each, and one answer about consent.
import { expect, test } from "../support/test.js";
import { buy, hydrated, idsAtProvider, pay, storedIds } from "../support/visit.js";

async function open(tab, path = "/") {
  await tab.goto(path);
  await hydrated(tab);
  return storedIds(tab);
}

test("two tabs are one visitor with a session each, and a reload changes nothing", async ({ page, context, ttr }) => {
  const first = await open(page);
  const second = await open(await context.newPage());
  expect(second.anonymousId).toBe(first.anonymousId);
  expect(second.sessionId).not.toBe(first.sessionId);
  await page.reload();
  await hydrated(page);
  expect(await storedIds(page)).toEqual(first);
  await expect.poll(async () => (await ttr.sessions({ anonymousId: first.anonymousId })).length).toBe(2);
});

test("a tab that was duplicated begins a session of its own", async ({ page, context }) => {
  const original = await open(page);
  const opening = context.waitForEvent("page");
  await page.evaluate(() => void window.open("/")); // as a duplicated tab: it gets a copy of the sessionStorage
  const copy = await opening;
  await hydrated(copy);
  const copied = await storedIds(copy);
  expect(copied.anonymousId).toBe(original.anonymousId);
  expect(copied.sessionId).not.toBe(original.sessionId);
  expect(await storedIds(page)).toEqual(original);
});

test("a page that is reloaded while the checkout is under way in another tab keeps its session", async ({ page, context, ttr }) => {
  const ids = await open(page);
  const reader = await context.newPage();
  const reading = await open(reader);
  await buy(page, ttr);
  expect(await idsAtProvider(page, ttr)).toMatchObject(ids);
  await reader.reload();
  await hydrated(reader);
  expect(await storedIds(reader)).toEqual(reading);
  await pay(page, ttr);
  expect(await storedIds(page)).toEqual(ids);
});

test.describe("where consent is asked for", () => {
  test.use({ env: { TTR__TRACKING__CONSENT: "required" } });
  const bar = (tab) => tab.locator("[data-consent-bar]");
  const name = (tab) => tab.evaluate(() => window.aureaSDK.getAnonymousId());

  test("an answer in one tab holds in all", async ({ page, context }) => {
    const other = await context.newPage();
    for (const tab of [page, other]) {
      await tab.goto("/");
      await hydrated(tab);
      await expect(bar(tab)).toBeVisible();
    }
    await page.locator('button[data-consent="granted"]').click();
    await expect(bar(page)).toBeHidden();
    await expect(bar(other)).toBeHidden();
    const given = await name(page);
    expect(given).toMatch(/^\d{13}_/);
    await expect.poll(() => name(other)).toBe(given);

    await other.evaluate(() => window.aureaSDK.consent(false));
    await expect.poll(() => name(page)).toBeUndefined();
    expect(await page.evaluate(() => ({ ...localStorage }))).toEqual({ aurea_consent: "denied" });
    await page.locator("details[data-question] summary").first().click();
    expect(await page.evaluate(() => localStorage.length + sessionStorage.length)).toBe(1);
  });
});
