// What an owner does: logs in by the link that ttr prints at its first start, or by the token that the environment sets.
import { expect } from "@playwright/test";

/** The link in the program's output. */
export async function printedLink(ttr) {
  await expect.poll(() => ttr.log).toMatch(/\/aurea\/login\?token=\w+/);
  return ttr.log.match(/http:\S+\/aurea\/login\?token=\w+/)[0];
}

/** Opens a browser of the owner's own, logged in. */
export async function ownersPage(browser, ttr, options = {}) {
  const { AUREA_ADMIN_TOKEN: token } = ttr.env;
  const context = await browser.newContext({ baseURL: ttr.origin, ...options });
  const page = await context.newPage();
  await page.goto(token ? `/aurea/login?token=${token}` : await printedLink(ttr));
  await expect(page).toHaveURL(`${ttr.origin}/aurea`);
  return page;
}

export const sessionPath = (sessionId) => `/aurea/funnels/ttr/sessions/${sessionId}`;

export const paymentPath = (provider, paymentId) => `/aurea/funnels/ttr/payments/${provider}/${encodeURIComponent(paymentId)}`;

/** What a screen says under that label. */
export const figure = (page, label) =>
  page.locator("dl.tiles > div").filter({ has: page.getByText(label, { exact: true }) }).locator("dd").first();
