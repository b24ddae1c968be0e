// What a visitor clicks, what they have in view, and how the page felt: each told once.
import { expect, test } from "../support/test.js";
import { expectInOrder, hydrated, namesOf, sessionOnce, storedIds } from "../support/visit.js";

const eventsOf = (session, name) => session.events.filter(({ eventName }) => eventName === name).map(({ properties }) => properties);
const has = (name, count = 1) => (session) => namesOf(session).filter((it) => it === name).length >= count;

test("a call to action is told with what it says, where it stands and where it leads", async ({ page, ttr }) => {
  await page.goto("/");
  await hydrated(page);
  const { sessionId } = await storedIds(page);
  const hero = page.locator('a[data-cta="hero"]');
  await hero.click();
  await page.locator('a[data-cta="header"]').press("Enter");
  const session = await sessionOnce(ttr, sessionId, has("cta_clicked", 2));
  const label = (await hero.textContent()).trim();
  const target = await hero.getAttribute("href");
  expect(eventsOf(session, "cta_clicked")).toEqual([
    { label, target, location: "hero" },
    expect.objectContaining({ location: "header" }),
  ]);
});

test("a call to action that is pressed before the module arrives is told once, too", async ({ page, ttr }) => {
  let arrive;
  const arrived = new Promise((resolve) => (arrive = resolve));
  await page.route("**/*.wasm", (route) => arrived.then(() => route.continue()));
  await page.goto("/");
  const { sessionId } = await storedIds(page);
  await page.locator('a[data-cta="hero"]').click();
  await expect(page.locator("[data-hydrated]")).toHaveCount(0);
  arrive();
  await hydrated(page);
  await page.locator('a[data-cta="header"]').click();
  const session = await sessionOnce(ttr, sessionId, has("cta_clicked", 2));
  expect(eventsOf(session, "cta_clicked").map(({ location }) => location)).toEqual(["hero", "header"]);
});

test("a link that leads away is told without its query, one that stays is not", async ({ page, ttr }) => {
  await page.goto("/");
  await hydrated(page);
  const { sessionId } = await storedIds(page);
  await page.evaluate(() => {
    const link = document.createElement("a");
    link.href = "https://other.example/a?email=me@x.example#b";
    link.textContent = "away";
    link.addEventListener("click", (event) => event.preventDefault()); // there is no network
    document.querySelector("main").prepend(link);
  });
  await page.getByText("away", { exact: true }).click();
  await page.locator('footer a[href="/privacy"]').click();
  await page.waitForURL("**/privacy");
  const session = await sessionOnce(ttr, sessionId, has("page_view", 2));
  expect(eventsOf(session, "outbound_clicked")).toEqual([{ url: "https://other.example/a" }]);
});

test("a section is told once it was in view for a second, and those scrolled past are not", async ({ page, ttr }) => {
  await page.goto("/");
  await hydrated(page);
  const { sessionId } = await storedIds(page);
  await sessionOnce(ttr, sessionId, has("section_viewed"));
  await page.locator("#faq").evaluate((it) => it.scrollIntoView({ block: "start" })); // a jump past four sections
  const session = await sessionOnce(ttr, sessionId, (it) => eventsOf(it, "section_viewed").some(({ section }) => section === "faq"));
  const seen = eventsOf(session, "section_viewed").map(({ section }) => section);
  expect(seen[0]).toBe("hero");
  expect(seen).not.toContain("benefits");
  expect(new Set(seen).size).toBe(seen.length);
});

test("a reload that keeps its place tells no depth until the visitor scrolls", async ({ page, ttr }) => {
  await page.goto("/");
  await hydrated(page);
  const { sessionId } = await storedIds(page);
  await page.locator("#pricing").evaluate((it) => it.scrollIntoView());
  await sessionOnce(ttr, sessionId, has("scroll_depth_50"));
  await page.reload();
  await hydrated(page);
  await expect.poll(() => page.evaluate(() => scrollY)).toBeGreaterThan(0);
  await page.evaluate(() => window.aureaSDK.trackEvent("looked_again"));
  expect(has("scroll_depth_25", 2)(await sessionOnce(ttr, sessionId, has("looked_again")))).toBe(false);
  await page.mouse.wheel(0, 50);
  await sessionOnce(ttr, sessionId, has("scroll_depth_50", 2));
});

test("web vitals are told once, when the page is left, in whole numbers", async ({ page, ttr }) => {
  await page.goto("/");
  await hydrated(page);
  const { sessionId } = await storedIds(page);
  await page.locator("details[data-question] summary").first().click();
  await page.goto("/privacy");
  const session = await sessionOnce(ttr, sessionId, (it) => has("page_view", 2)(it) && has("web_vitals")(it));
  const told = eventsOf(session, "web_vitals");
  expect(told).toHaveLength(1);
  expect(told[0]).toMatchObject({ lcp: expect.any(Number), fcp: expect.any(Number), ttfb: expect.any(Number), cls: 0 });
  expect(Object.values(told[0]).filter((it) => !Number.isSafeInteger(it) || it < 0)).toEqual([]);
  expectInOrder(namesOf(session), ["page_view", "faq_opened", "web_vitals", "page_view"]);
});
