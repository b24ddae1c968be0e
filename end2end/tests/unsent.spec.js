// What could not be sent outlives its page: the next page of this browser sends it, and it counts once.
import { expect, test } from "../support/test.js";
import { hydrated, namesOf, openQuestion, sessionOnce, storedIds } from "../support/visit.js";

// A request that was on its way when the network went is no fault of the page; the browser says so on the console.
test.use({ allowed: /api\/pulse: Failed to load resource: net::ERR_INTERNET_DISCONNECTED/ });

const unsent = (page) => page.evaluate(() => localStorage.getItem("aurea_unsent"));
const nothingUnsent = (page) => expect.poll(() => unsent(page)).toBeNull();
const opened = (session) => session.events.filter(({ eventName }) => eventName === "faq_opened").map(({ properties }) => properties.question);

test("while all is well nothing is kept for long", async ({ page }) => {
  await page.goto("/");
  await hydrated(page);
  let answer;
  const answered = new Promise((resolve) => (answer = resolve));
  await page.route("**/api/pulse", (route) => answered.then(() => route.continue()));
  await openQuestion(page);
  await expect.poll(() => unsent(page)).toContain("faq_opened");
  answer();
  await nothingUnsent(page);
});

test("what happened offline is sent by the next page", async ({ page, context, ttr }) => {
  await page.goto("/");
  await hydrated(page);
  const { sessionId } = await storedIds(page);
  await nothingUnsent(page);
  await context.setOffline(true);
  const questions = [await openQuestion(page, 0), await openQuestion(page, 1)];
  await page.close();
  expect(opened(await ttr.session(sessionId))).toEqual([]);
  await context.setOffline(false);

  const next = await context.newPage();
  await next.goto("/");
  const session = await sessionOnce(ttr, sessionId, (it) => opened(it).length === 2);
  expect(opened(session)).toEqual(questions);
  await nothingUnsent(next);
  expect((await storedIds(next)).sessionId).not.toBe(sessionId);
});

test("what happened offline is sent when the network is back, if the page lives", async ({ page, context, ttr }) => {
  await page.goto("/");
  await hydrated(page);
  const { sessionId } = await storedIds(page);
  await context.setOffline(true);
  const question = await openQuestion(page);
  await context.setOffline(false);
  expect(opened(await sessionOnce(ttr, sessionId, (it) => opened(it).length > 0))).toEqual([question]);
  await nothingUnsent(page);
});

test.describe("while the collector is down", () => {
  test.use({ allowed: /api\/pulse: Failed to load resource: the server responded with a status of 503/ });

  test("what it could not take is sent by the next page", async ({ page, context, ttr }) => {
    await page.route("**/api/pulse", (route) => route.fulfill({ status: 503 }));
    await page.goto("/");
    await hydrated(page);
    const { sessionId } = await storedIds(page);
    const refused = page.waitForResponse((answer) => answer.status() === 503);
    const question = await openQuestion(page);
    await refused;
    expect(await ttr.session(sessionId)).toBeUndefined();
    await kill(page, context); // what a page sends while it is closed would pass by the route

    const next = await context.newPage();
    await next.goto("/privacy"); // any page will do
    const session = await sessionOnce(ttr, sessionId, (it) => opened(it).length > 0);
    expect(opened(session)).toEqual([question]);
    expect(namesOf(session).filter((name) => name === "page_view")).toHaveLength(1);
    await nothingUnsent(next);
  });
});

/** Ends the page's process, as a phone does that needs the memory. */
async function kill(page, context) {
  const crashed = page.waitForEvent("crash");
  const devtools = await context.newCDPSession(page);
  devtools.send("Page.crash").catch(() => {}); // nobody is left to answer
  await crashed;
}

/** Opens a question, kills the page at once and opens another; gives the question, and those that were told. */
async function openAndDie(page, context, ttr) {
  const { sessionId } = await storedIds(page);
  const question = await openQuestion(page);
  await kill(page, context);
  const next = await context.newPage();
  await next.goto("/");
  const session = await sessionOnce(ttr, sessionId, (it) => opened(it).length > 0);
  await nothingUnsent(next);
  return { question, told: opened(session) };
}

test("a page that is killed loses nothing", async ({ page, context, ttr }) => {
  await page.goto("/");
  await hydrated(page);
  const { question, told } = await openAndDie(page, context, ttr);
  expect(told).toEqual([question]);
});

test("a page that is killed before the module has arrived loses nothing", async ({ page, context, ttr }) => {
  await page.route("**/*.wasm", () => {}); // never answered
  await page.goto("/");
  const { question, told } = await openAndDie(page, context, ttr);
  expect(told).toEqual([question]);
});

test("two tabs that share what is unsent count it once and keep nothing", async ({ page, context, ttr }) => {
  const other = await context.newPage();
  const ids = [];
  for (const tab of [page, other]) {
    await tab.goto("/");
    await hydrated(tab);
    ids.push((await storedIds(tab)).sessionId);
  }
  await context.setOffline(true);
  for (const tab of [page, other]) await openQuestion(tab);
  await page.close();
  await context.setOffline(false);
  const third = await context.newPage();
  await third.goto("/");
  for (const sessionId of ids) {
    expect(opened(await sessionOnce(ttr, sessionId, (it) => opened(it).length > 0))).toHaveLength(1);
  }
  await nothingUnsent(third);
  await nothingUnsent(other);
});

test.describe("without consent", () => {
  test.use({ env: { TTR__TRACKING__CONSENT: "required" } });

  test("nothing is kept until it is given, and no more when it is taken back", async ({ page, context }) => {
    await page.goto("/");
    await hydrated(page);
    await context.setOffline(true);
    await openQuestion(page, 0);
    expect(await page.evaluate(() => localStorage.length)).toBe(0);
    await page.evaluate(() => window.aureaSDK.consent(true));
    await openQuestion(page, 1);
    expect(await unsent(page)).toContain("faq_opened");
    await page.evaluate(() => window.aureaSDK.consent(false));
    await openQuestion(page, 2);
    expect(await unsent(page)).toBeNull();
  });
});

test("with Global Privacy Control nothing is kept", async ({ page, context }) => {
  await page.addInitScript(() => Object.defineProperty(navigator, "globalPrivacyControl", { value: true }));
  await page.goto("/");
  await hydrated(page);
  await context.setOffline(true);
  await openQuestion(page);
  expect(await page.evaluate(() => localStorage.length)).toBe(0);
});

test("who opts out leaves nothing behind, in no tab", async ({ page, context, ttr }) => {
  const other = await context.newPage();
  const ids = [];
  for (const tab of [page, other]) {
    await tab.goto("/");
    await hydrated(tab);
    await nothingUnsent(tab);
    ids.push((await storedIds(tab)).sessionId);
  }
  await context.setOffline(true);
  for (const tab of [page, other]) await openQuestion(tab);
  await page.evaluate(() => window.aureaSDK.optOut());
  await expect.poll(() => other.evaluate(() => window.aureaSDK.getAnonymousId())).toBeUndefined();
  await openQuestion(other, 1);
  expect(await other.evaluate(() => ({ ...localStorage }))).toEqual({ aurea_ignore: "1" });
  await context.setOffline(false);
  const next = await context.newPage();
  await next.goto("/");
  await hydrated(next);
  for (const sessionId of ids) expect(opened(await ttr.session(sessionId))).toEqual([]);
});

test("a page that tells without end is held back, and says so once", async ({ page, ttr }) => {
  const lines = [];
  page.on("console", (message) => lines.push(message.text()));
  await page.goto("/");
  await hydrated(page);
  const { sessionId } = await storedIds(page);
  await page.evaluate(() => {
    for (let n = 0; n < 5000; n++) window.aureaSDK.trackEvent("mad", { n });
  });
  const mad = (session) => namesOf(session).filter((name) => name === "mad").length;
  const session = await sessionOnce(ttr, sessionId, (it) => mad(it) >= 100);
  expect(mad(session)).toBeLessThan(150);
  expect(lines.filter((line) => line.includes("[TTR] Too many events"))).toHaveLength(1);
  await openQuestion(page); // what visitors do is told all the same
  await sessionOnce(ttr, sessionId, (it) => opened(it).length === 1);
});
