// What a visitor does, by real input, and what a test may read over their shoulder.
import { expect } from "@playwright/test";

export const islands = ["buy-button", "faq", "scroll-depth", "video"];

/** Waits until every island on the page is hydrated, and each of the four kinds is there. */
export async function hydrated(page) {
  for (const island of islands) {
    await expect(page.locator(`[data-island="${island}"][data-hydrated]`), `island ${island}`).not.toHaveCount(0);
  }
  await expect(page.locator("[data-island]:not([data-hydrated])")).toHaveCount(0);
}

/** Turns the mouse wheel until the end of the page is in view. */
export async function scrollToTheEnd(page) {
  await page.mouse.move(640, 400);
  await expect(async () => {
    await page.mouse.wheel(0, 500);
    const left = await page.evaluate(() => document.documentElement.scrollHeight - innerHeight - scrollY);
    expect(left).toBeLessThan(2);
  }).toPass({ intervals: [50], timeout: 30_000 });
}

/** Plays the video until a quarter is over, then pauses it, by clicks on its picture as people do. */
export async function watchAQuarter(page) {
  const video = page.locator("video[data-video]");
  await video.scrollIntoViewIfNeeded();
  await expect.poll(() => video.evaluate((it) => it.readyState)).toBeGreaterThan(0);
  await video.click();
  await expect.poll(() => video.evaluate((it) => it.currentTime / it.duration), { timeout: 30_000 }).toBeGreaterThan(0.27);
  await video.click();
  await expect.poll(() => video.evaluate((it) => it.paused)).toBe(true);
}

/** Opens the n-th question; returns its text. */
export async function openQuestion(page, n = 0) {
  const details = page.locator("details[data-question]").nth(n);
  await details.locator("summary").click();
  await expect(details).toHaveAttribute("open", "");
  return details.getAttribute("data-question");
}

/** The button of the n-th buy form. */
export const buyButton = (page, n = 0) => page.locator("form[data-buy] button").nth(n);

/** Presses Buy and waits for the provider's page. */
export async function buy(page, ttr, n = 0) {
  await buyButton(page, n).click();
  await page.waitForURL(`${ttr.simulator}/checkout/**`);
}

/** Presses Pay at the provider and waits for the way back. */
export async function pay(page, ttr) {
  await page.getByRole("button", { name: /^pay/i }).click();
  await page.waitForURL(`${ttr.origin}/thank-you**`);
}

/** The ids in the browser's storage, under the seed's keys. */
export const storedIds = (page) =>
  page.evaluate(() => ({
    anonymousId: localStorage.getItem("aurea_anonymous_id"),
    sessionId: sessionStorage.getItem("aurea_session_id"),
  }));

/** The three ids that reached the provider: in the page's URL, or in the configuration that the page belongs to. */
export async function idsAtProvider(page, ttr) {
  const query = new URL(page.url()).searchParams;
  const inUrl = (key) => query.get(`checkout_session_metadata[${key}]`);
  const configured = query.has("session")
    ? (await ttr.simulatorRequests()).find(({ id }) => id === query.get("session"))?.metadata
    : undefined;
  const value = (key) => configured?.[key] ?? inUrl(key);
  return {
    anonymousId: value("aurea_anonymous_id"),
    sessionId: value("aurea_session_id"),
    startedAt: value("checkout_started_at"),
  };
}

/** Waits until the session satisfies `condition`; returns it. */
export async function sessionOnce(ttr, sessionId, condition) {
  let session;
  await expect
    .poll(async () => {
      session = await ttr.session(sessionId);
      return session !== undefined && condition(session);
    }, { intervals: [50, 100, 200] })
    .toBe(true);
  return session;
}

/** Names of a session's events, in order. */
export const namesOf = (session) => session.events.map(({ eventName }) => eventName);

/** Asserts that `names` holds something for each of `expected` (texts or patterns), in that order. */
export function expectInOrder(names, expected) {
  let from = 0;
  for (const wanted of expected) {
    const at = names.findIndex((name, i) => i >= from && (wanted instanceof RegExp ? wanted.test(name) : name === wanted));
    expect(at, `${wanted} in ${names.slice(from)} of ${names}`).toBeGreaterThanOrEqual(0);
    from = at + 1;
  }
}
