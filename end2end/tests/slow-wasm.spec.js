// What a visitor does before the module has arrived counts, and in the same session.
import { expect, test } from "../support/test.js";
import { buy, expectInOrder, hydrated, idsAtProvider, namesOf, openQuestion, pay, sessionOnce, storedIds } from "../support/visit.js";

test.beforeEach(async ({ page }) => {
  await page.route("**/*.wasm", async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 3000)); // the network's delay, not the test's
    await route.continue().catch(() => {}); // the page may have gone
  });
});

test("a question opened before the module arrives is counted once", async ({ page, ttr }) => {
  await page.goto("/");
  const question = await openQuestion(page);
  await expect(page.locator("[data-hydrated]")).toHaveCount(0);
  const { sessionId } = await storedIds(page);
  await hydrated(page);
  await openQuestion(page, 1); // the module has taken over
  const session = await sessionOnce(ttr, sessionId, (it) => namesOf(it).filter((name) => name === "faq_opened").length >= 2);
  const opened = session.events.filter(({ eventName }) => eventName === "faq_opened");
  expect(opened.map(({ properties }) => properties.question)).toHaveLength(2);
  expect(opened[0].properties.question).toBe(question);
  expectInOrder(namesOf(session), ["page_view", "faq_opened", "faq_opened"]);
  expect(namesOf(session).filter((name) => name === "page_view")).toHaveLength(1);
  expect(await ttr.sessions()).toHaveLength(1);
});

test("a purchase begun before the module arrives belongs to the visit", async ({ page, ttr }) => {
  const lines = [];
  page.on("console", (message) => lines.push(message.text()));
  await page.goto("/");
  const question = await openQuestion(page);
  const { anonymousId, sessionId } = await storedIds(page);
  await expect(page.locator("[data-hydrated]")).toHaveCount(0);
  await buy(page, ttr);
  expect(lines).toEqual([
    "[TTR] Tracking checkout initiation (session stays alive)...",
    `[TTR] Redirecting to Whop with anonymousId: ${anonymousId}`,
  ]);
  expect(await idsAtProvider(page, ttr)).toMatchObject({ anonymousId, sessionId });
  await pay(page, ttr);
  const session = await sessionOnce(ttr, sessionId, (it) => it.converted && namesOf(it).includes("faq_opened"));
  expectInOrder(namesOf(session), [
    "page_view", "faq_opened", "buy_button_clicked", "checkout_started", "checkout_completed", "session_end",
  ]);
  expect(session.events.find(({ eventName }) => eventName === "faq_opened").properties).toMatchObject({ question });
  expect(await ttr.sessions()).toHaveLength(1);
});
