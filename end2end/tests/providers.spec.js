// A purchase at each provider, from landing to what happens to its money later. The simulator plays them: their ways to
// carry the ids, their deliveries in their own words and signatures, their lists.
import { figure, ownersPage, paymentPath } from "../support/owner.js";
import { givenIds, goAndBuy, happens, idsAboard, longIds, paid, payThere, switched } from "../support/provider.js";
import { expect, test } from "../support/test.js";
import { adminToken } from "../support/ttr.js";
import { namesOf, sessionOnce, storedIds } from "../support/visit.js";

const played = (provider, more = {}) => ({ TTR__SIMULATOR__PROVIDER: provider, ...more });

/** The newest payment at the provider, which is of that session. */
async function newest(ttr, provider, sessionId) {
  const [{ paymentId }] = await paid(ttr);
  return { provider, paymentId, sessionId };
}

/** Buys in a browser of its own, without JavaScript: a visitor that the others don't know. */
async function purchase(browser, ttr, provider) {
  const context = await browser.newContext({ baseURL: ttr.origin, javaScriptEnabled: false });
  const page = await context.newPage();
  await goAndBuy(page, ttr);
  const { sessionId } = await idsAboard(ttr);
  await payThere(page, ttr, provider);
  await context.close();
  return newest(ttr, provider, sessionId);
}

/** Waits until that much is left of the session's one conversion, which was worth 99. */
async function isLeft(ttr, sessionId, netValue) {
  const session = await sessionOnce(ttr, sessionId, (it) => it.netValue === netValue);
  expect(session).toMatchObject({ converted: true, conversionType: "purchase", conversionValue: 99, currency: "USD" });
  expect(session.conversions).toHaveLength(1);
  for (const once of ["checkout_completed", "session_end"]) {
    expect(namesOf(session).filter((name) => name === once), once).toHaveLength(1);
  }
  return session;
}

/** Waits until a payment stands so and its session is worth that, and looks whether its screen says the same. */
async function stands(ttr, owner, payment, { state, net }) {
  const { provider, paymentId, sessionId } = payment;
  const told = async () => (await ttr.payments()).find((it) => it.paymentId === paymentId);
  await expect.poll(told, { intervals: [50, 100, 200] }).toMatchObject({ ...payment, state: state.toLowerCase().replace(" ", "_"), amount: 99, net });
  const session = await isLeft(ttr, sessionId, net);
  await owner.goto(paymentPath(provider, paymentId));
  await expect(owner.locator(".payment-head .badges")).toHaveText(state);
  await expect(figure(owner, "Came in")).toHaveText("99.00 USD");
  await expect(figure(owner, "Left")).toHaveText(net === 99 ? [] : [`${net}.00 USD`]); // not said while nothing is gone
  return session;
}

for (const [provider, mode] of [["whop", "api"], ["stripe", "api"], ["polar", "api"], ["shopify", "link"]]) {
  test.describe(`${provider} by its ${mode}`, () => {
    // Polar delivers nothing about disputes: they are found in its list.
    test.use({ mode, env: played(provider, { TTR__RECONCILE__EVERY: "1s" }) });

    test(`a purchase at ${provider} converts, and its refunds and disputes are followed`, async ({ page, browser, ttr }) => {
      const owner = await ownersPage(browser, ttr);
      const ids = longIds();
      await givenIds(page, ids);
      await goAndBuy(page, ttr);
      expect(await idsAboard(ttr)).toEqual({ ...ids, startedAt: expect.stringMatching(/^\d{13}$/) });
      await payThere(page, ttr, provider);
      const won = await newest(ttr, provider, ids.sessionId);
      const session = await stands(ttr, owner, won, { state: "Paid", net: 99 });
      expect(session.anonymousId).toBe(ids.anonymousId);
      expect(session.conversions).toMatchObject([{ provider, orderId: won.paymentId, value: 99 }]);
      expect(await ttr.payments()).toMatchObject([{ paymentId: won.paymentId, unattributed: false }]);

      await happens(ttr, "refund-part", { form: { amount: 4000 } });
      await stands(ttr, owner, won, { state: "Partly refunded", net: 59 });
      await happens(ttr, "dispute"); // all that is left is withheld
      await stands(ttr, owner, won, { state: "Disputed", net: 0 });
      await happens(ttr, "win");
      await stands(ttr, owner, won, { state: "Partly refunded", net: 59 });

      const lost = await purchase(browser, ttr, provider);
      await stands(ttr, owner, lost, { state: "Paid", net: 99 });
      await happens(ttr, "refund-part", { form: { amount: 4000 } });
      await stands(ttr, owner, lost, { state: "Partly refunded", net: 59 });
      await happens(ttr, "dispute");
      await stands(ttr, owner, lost, { state: "Disputed", net: 0 });
      await happens(ttr, "lose");
      const { conversions } = await stands(ttr, owner, lost, { state: "Dispute lost", net: 0 });
      expect(conversions).toMatchObject([{ refundedValue: 40, disputedValue: 59 }]);

      const followed = await stands(ttr, owner, won, { state: "Partly refunded", net: 59 });
      const told = ["page_view", "buy_button_clicked", "checkout_started", "payment_refunded", "payment_disputed"];
      expect(namesOf(followed)).toEqual(expect.arrayContaining(told));
    });
  });
}

for (const provider of ["whop", "stripe", "polar"]) {
  test.describe(`${provider} by its link`, () => {
    test.use({ mode: "link", env: played(provider) });

    test(`ids of 64 characters come back by ${provider}'s link`, async ({ page, ttr }) => {
      const ids = longIds();
      await givenIds(page, ids);
      await goAndBuy(page, ttr);
      expect(await idsAboard(ttr)).toEqual({ ...ids, startedAt: expect.stringMatching(/^\d{13}$/) });
      await payThere(page, ttr, provider);
      expect(await storedIds(page), "the way back leads to the same session").toEqual(ids);
      const session = await isLeft(ttr, ids.sessionId, 99);
      expect(session.anonymousId).toBe(ids.anonymousId);
    });
  });

  test.describe(`a subscription at ${provider}`, () => {
    test.use({ env: played(provider, { TTR__SIMULATOR__SUBSCRIPTION: "true" }) });

    test(`the first payment of a subscription at ${provider} converts, and its renewals add to it`, async ({ page, ttr }) => {
      await goAndBuy(page, ttr);
      const { sessionId } = await idsAboard(ttr);
      await payThere(page, ttr, provider);
      await isLeft(ttr, sessionId, 99);
      const [first] = await paid(ttr);
      await happens(ttr, "renew");
      const session = await isLeft(ttr, sessionId, 198);
      expect(session.conversions).toMatchObject([{ renewals: 1, renewalValue: 99 }]);
      await happens(ttr, "renew", { to: first });
      await isLeft(ttr, sessionId, 297);
      await happens(ttr, "refund-rest"); // of the second renewal
      await isLeft(ttr, sessionId, 198);
      expect(await ttr.payments()).toHaveLength(3);
      expect(await ttr.sessions()).toHaveLength(1);
    });
  });
}

/** How often the providers' lists are compared in tests that lose deliveries, in seconds. */
const every = 3;

/** Does what no delivery tells of, and waits until it is found: at the next comparison but one at the latest. */
async function isFound(ttr, sessionId, netValue, act) {
  const dropped = Date.now();
  const [found] = await Promise.all([isLeft(ttr, sessionId, netValue).then(() => Date.now()), act()]);
  expect(found - dropped, `ms until it was found, with a comparison every ${every} s`).toBeLessThan(2 * every * 1000);
}

for (const provider of ["whop", "stripe"]) {
  test.describe(`lost renewals of ${provider}`, () => {
    test.use({ env: played(provider, { TTR__SIMULATOR__SUBSCRIPTION: "true", TTR__RECONCILE__EVERY: `${every}s` }) });

    test(`a renewal that ${provider} could not deliver is found in its list`, async ({ page, ttr }) => {
      await goAndBuy(page, ttr);
      const { sessionId } = await idsAboard(ttr);
      await payThere(page, ttr, provider);
      await isLeft(ttr, sessionId, 99);
      await switched(ttr, "drop", true);
      await isFound(ttr, sessionId, 198, () => happens(ttr, "renew"));
      const { conversions } = await ttr.session(sessionId);
      expect(conversions).toMatchObject([{ renewals: 1, renewalValue: 99 }]);
      const renewals = (await ttr.payments()).filter(({ kind }) => kind === "renewal");
      expect(renewals).toMatchObject([{ provider, amount: 99, reconciled: true, deliveries: [] }]);
    });
  });
}

for (const provider of ["whop", "stripe", "polar", "shopify"]) {
  test.describe(`lost deliveries of ${provider}`, () => {
    test.use({ env: played(provider, { TTR__RECONCILE__EVERY: `${every}s` }) });

    test(`what ${provider} could not deliver is found in its list`, async ({ page, ttr }) => {
      await switched(ttr, "drop", true);
      await goAndBuy(page, ttr);
      const { sessionId } = await idsAboard(ttr);
      await isFound(ttr, sessionId, 99, () => payThere(page, ttr, provider));
      expect(await ttr.payments()).toMatchObject([{ provider, sessionId, reconciled: true, deliveries: [] }]);
      await expect.poll(() => ttr.log).toContain("no delivery had brought it, it is kept: payment");
      await isFound(ttr, sessionId, 59, () => happens(ttr, "refund-part", { form: { amount: 4000 } }));
      await switched(ttr, "drop", false);
      await happens(ttr, "send-again"); // a delivery that comes late changes nothing
      await happens(ttr, "refund-rest");
      await isLeft(ttr, sessionId, 0);
    });
  });

  test.describe(`deliveries of ${provider} as they come`, () => {
    test.use({ env: played(provider, { TTR__RECONCILE__EVERY: "0s" }) });

    test(`what ${provider} delivers twice and newest first ends in the same money`, async ({ page, ttr }) => {
      await switched(ttr, "reorder", true);
      await goAndBuy(page, ttr);
      const { sessionId } = await idsAboard(ttr);
      await payThere(page, ttr, provider);
      await happens(ttr, "refund-part", { form: { amount: 1000 } });
      await happens(ttr, "refund-part", { form: { amount: 3000 } });
      await switched(ttr, "duplicate", true);
      await switched(ttr, "reorder", false);
      await isLeft(ttr, sessionId, 59);
      await happens(ttr, "refund-part", { form: { amount: 900 } });
      await isLeft(ttr, sessionId, 50);
    });
  });
}

for (const [provider, right, wrong] of [
  ["stripe", "whsec_0123456789abcdef0123456789abcdef", "whsec_fedcba9876543210fedcba9876543210"],
  ["polar", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"],
]) {
  test.describe(`a wrong secret of ${provider}`, () => {
    const name = `${provider.toUpperCase()}_WEBHOOK_SECRET`;
    test.use({ env: played(provider, { SIMULATOR_SECRET: right, [name]: wrong, TTR__RECONCILE__EVERY: "0s" }) });

    test(`under a wrong secret ${provider}'s deliveries are kept aside, and convert once it is mended`, async ({ page, browser, ttr }) => {
      await goAndBuy(page, ttr);
      const { sessionId } = await idsAboard(ttr);
      await payThere(page, ttr, provider);
      for (let time = 0; time < 5; time++) await happens(ttr, "send-again");

      const owner = await (await browser.newContext({ baseURL: ttr.origin })).newPage();
      const told = owner.getByRole("alert").filter({ hasText: new RegExp(`Deliveries of ${provider} are refused`, "i") });
      await expect(async () => {
        await owner.goto(`/aurea/login?token=${adminToken}`);
        await expect(told).toContainText("kept, and recorded as soon as the secret fits", { timeout: 500 });
      }).toPass();
      expect((await ttr.session(sessionId)).converted).toBe(false);

      await page.close(); // a page that is open would miss the site
      await ttr.kill();
      ttr.env[name] = right;
      await ttr.run();
      await isLeft(ttr, sessionId, 99);
      await expect(async () => {
        await owner.goto("/aurea");
        await expect(told).toHaveCount(0, { timeout: 500 });
      }).toPass();
      await owner.context().close();
    });
  });
}
