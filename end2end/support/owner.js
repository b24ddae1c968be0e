// What an owner does: logs in by the link that ttr prints at its first start.
import { expect } from "@playwright/test";

/** The link in the program's output. */
export async function printedLink(ttr) {
  await expect.poll(() => ttr.log).toMatch(/\/aurea\/login\?token=\w+/);
  return ttr.log.match(/http:\S+\/aurea\/login\?token=\w+/)[0];
}

/** Opens a browser of the owner's own, logged in. */
export async function ownersPage(browser, ttr, options = {}) {
  const context = await browser.newContext({ baseURL: ttr.origin, ...options });
  const page = await context.newPage();
  await page.goto(await printedLink(ttr));
  await expect(page).toHaveURL(`${ttr.origin}/aurea`);
  return page;
}

export const sessionPath = (sessionId) => `/aurea/funnels/ttr/sessions/${sessionId}`;
