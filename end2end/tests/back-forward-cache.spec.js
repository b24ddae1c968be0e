// A page that comes back from the back/forward cache, as most do on a phone: one more page view of the same session, told
// by the same program, and nothing of the first view told again.
import { launchOptions } from "../support/chromium.js";
import { expect, test } from "../support/test.js";
import { buy, hydrated, idsAtProvider, namesOf, openQuestion, pay, sessionOnce, storedIds } from "../support/visit.js";

test.use({ launchOptions: { ...launchOptions, ignoreDefaultArgs: ["--disable-back-forward-cache"] } });

const count = (session, name) => namesOf(session).filter((it) => it === name).length;

/** Leaves by `leave` and comes back to the very same document. */
async function thereAndBack(page, leave) {
  await page.evaluate(() => (window.same = true));
  await leave();
  await page.goBack({ waitUntil: "commit" }); // nothing is loaded
  expect(await page.evaluate(() => window.same), "the page was kept alive").toBe(true);
}

test("a page that comes back is viewed again, in the same session", async ({ page, ttr }) => {
  await page.goto("/");
  await hydrated(page);
  const before = await storedIds(page);
  await sessionOnce(ttr, before.sessionId, (it) => count(it, "section_viewed") === 1);
  await thereAndBack(page, () => page.goto("/privacy"));
  await openQuestion(page);
  const session = await sessionOnce(ttr, before.sessionId, (it) => count(it, "section_viewed") === 2 && count(it, "faq_opened") === 1);
  expect(await storedIds(page)).toEqual(before);
  expect(count(session, "page_view")).toBe(3);
  expect(count(session, "session_end"), "a page left is no end").toBe(0);
  expect(await ttr.sessions()).toHaveLength(1);
});

test("web vitals are told of the first view only", async ({ page, ttr }) => {
  await page.goto("/");
  await hydrated(page);
  const { sessionId } = await storedIds(page);
  await thereAndBack(page, () => page.goto("/privacy"));
  await page.goto("/terms");
  const session = await sessionOnce(ttr, sessionId, (it) => count(it, "page_view") === 4);
  const told = session.events.filter(({ eventName }) => eventName === "web_vitals");
  expect(told).toHaveLength(2); // of / and of /privacy
});

test("who comes back from the checkout by the Back button buys in the same session", async ({ page, ttr }) => {
  await page.goto("/");
  await hydrated(page);
  const before = await storedIds(page);
  await thereAndBack(page, () => buy(page, ttr));
  await openQuestion(page);
  await buy(page, ttr);
  expect(await idsAtProvider(page, ttr)).toMatchObject(before);
  await pay(page, ttr);
  const session = await sessionOnce(ttr, before.sessionId, (it) => it.converted && count(it, "checkout_started") === 2);
  expect(count(session, "faq_opened")).toBe(1);
  expect(await ttr.sessions()).toHaveLength(1);
});
