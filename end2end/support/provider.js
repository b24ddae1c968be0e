// The played providers, all four in one way: what a buyer does there, what came on board, and what happens to money later.
import { expect } from "@playwright/test";
import { send } from "./http.js";
import { buyButton } from "./visit.js";

/** Ids of the longest form that is legal, with every sign that is. */
export const longIds = () => {
  const id = (name) => `${Date.now()}_-${name}-_`.padEnd(64, "aZ09-_");
  return { anonymousId: id("visitor"), sessionId: id("session") };
};

/** Gives a browser these ids before it comes to the site for the first time. */
export const givenIds = (page, ids) =>
  page.addInitScript(({ anonymousId, sessionId }) => {
    if (localStorage.aurea_anonymous_id) return;
    localStorage.aurea_anonymous_id = anonymousId;
    sessionStorage.aurea_session_id = sessionId;
    sessionStorage.aurea_session_clock = [Date.now(), Date.now(), 0];
  }, ids);

const early = { waitUntil: "domcontentloaded" };

/** Comes to the site, presses Buy and waits for the provider's page. */
export async function goAndBuy(page, ttr) {
  await page.goto("/", early); // what the buyer does before the page is whole counts, too
  await buyButton(page).click();
  await page.waitForURL(`${ttr.simulator}/**`, early);
  await expect(page.getByText("is simulated. No money moves.")).toBeVisible();
}

/** The ids that reached the provider last: as metadata, or packed into the one field that a link has. */
export async function idsAboard(ttr) {
  const { metadata, reference } = (await ttr.simulatorRequests()).at(-1);
  const packed = metadata.reference_id ?? reference;
  const apart = packed && unpacked(packed);
  if (!metadata.aurea_session_id) return apart;
  const { aurea_anonymous_id: anonymousId, aurea_session_id: sessionId, checkout_started_at: startedAt } = metadata;
  if (apart) expect(apart).toEqual({ anonymousId, sessionId, startedAt });
  return { anonymousId, sessionId, startedAt };
}

/** `aurea1_{length of the visitor's id}_{visitor}_{session}_{time}` */
function unpacked(text) {
  const [, length, rest] = text.match(/^aurea1_(\d+)_(.*)$/);
  const [, sessionId, startedAt] = rest.slice(Number(length)).match(/^_(.+)_(\d{13})$/);
  return { anonymousId: rest.slice(0, Number(length)), sessionId, startedAt };
}

/** Presses Pay at the provider and waits for where that leads: back to the site, but from Shopify. */
export async function payThere(page, ttr, provider) {
  await page.getByRole("button", { name: "Pay", exact: true }).click();
  if (provider === "shopify") {
    await page.waitForURL(`${ttr.simulator}/**/thank-you`);
    await expect(page.getByText("your order is confirmed")).toBeVisible();
  } else {
    await page.waitForURL(`${ttr.origin}/thank-you**`, early);
  }
}

/** The payments that were made at the provider, newest first. */
export const paid = async (ttr) => (await send(`${ttr.simulator}/simulator/payments`, { method: "GET" })).json;

/** Lets something happen to the newest payment, or to another: `refund-part`, `refund-rest`, `dispute`, `win`, … */
export async function happens(ttr, act, { form = {}, to } = {}) {
  const { number } = to ?? (await paid(ttr))[0];
  await posted(`${ttr.simulator}/simulator/payments/${number}/${act}`, form);
}

/** `drop`, `duplicate` or `reorder` deliveries. */
export const switched = (ttr, name, on) => posted(`${ttr.simulator}/simulator/switches/${name}`, { on });

async function posted(url, form) {
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const { status, text } = await send(url, { headers, body: String(new URLSearchParams(form)) });
  expect(status, text).toBe(303);
}
