// The way back from the checkout, and what the return page says.
import { buyButton, hydrated, storedIds } from "./visit.js";
import { whopEnv } from "./whop.js";

export const neutral = "Thank you, and welcome.";
export const waiting = "One moment, please.";
export const confirmed = "Payment confirmed. Welcome in.";

export const title = (page) => page.locator("h1 > span:not([hidden])");

/**
 * With `whopEnv`: goes to the checkout and comes back before a delivery has told of the payment.
 * @returns what the checkout carried: `{ anonymousId, sessionId, startedAt }`
 */
export async function goAndComeBack(page, ttr) {
  const checkout = whopEnv.WHOP_CHECKOUT_URL;
  await page.route(`${new URL(checkout).origin}/**`, (route) => route.fulfill({ body: "the checkout" }));
  await page.goto("/");
  await hydrated(page);
  const ids = await storedIds(page);
  await buyButton(page).click();
  await page.waitForURL(`${checkout}**`);
  const startedAt = new URL(page.url()).searchParams.get("checkout_session_metadata[checkout_started_at]");
  await page.goto(`${ttr.origin}/thank-you?status=success&payment_id=pay_1`);
  return { ...ids, startedAt };
}
