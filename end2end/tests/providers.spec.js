// A purchase at each provider, from landing to what happens to its money later. The simulator plays them: their ways to
// carry the ids, their deliveries in their own words and signatures, their lists.
import { adminToken } from "../support/ttr.js";
import { givenIds, goAndBuy, happens, idsAboard, longIds, paid, payThere, switched } from "../support/provider.js";
import { expect, test } from "../support/test.js";
import { namesOf, sessionOnce, storedIds } from "../support/visit.js";

const played = (provider, more = {}) => ({ TTR__SIMULATOR__PROVIDER: provider, ...more });

/** Buys in a browser of its own, without JavaScript: a visitor that the others don't know. */
async function purchase(browser, ttr, provider) {
  const context = await browser.newContext({ baseURL: ttr.origin, javaScriptEnabled: false });
  const page = await context.newPage();
  await goAndBuy(page, ttr);
  const { sessionId } = await idsAboard(ttr);
  await payThere(page, ttr, provider);
  await context.close();
  await sessionOnce(ttr, sessionId, ({ netValue }) => netValue === 99);
  return sessionId;
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

for (const [provider, mode] of [["whop", "api"], ["stripe", "api"], ["polar", "api"], ["shopify", "link"]]) {
  test.describe(`${provider} by its ${mode}`, () => {
    // Polar delivers nothing about disputes: they are found in its list.
    test.use({ mode, env: played(provider, { TTR__RECONCILE__EVERY: "1s" }) });

    test(`a purchase at ${provider} converts, and its refunds and disputes are followed`, async ({ page, browser, ttr }) => {
      const ids = longIds();
      await givenIds(page, ids);
      await goAndBuy(page, ttr);
      expect(await idsAboard(ttr)).toEqual({ ...ids, startedAt: expect.stringMatching(/^\d{13}$/) });
      await payThere(page, ttr, provider);
      const session = await isLeft(ttr, ids.sessionId, 99);
      expect(session.anonymousId).toBe(ids.anonymousId);
      const [{ paymentId }] = await paid(ttr);
      expect(session.conversions).toMatchObject([{ provider, orderId: paymentId, value: 99 }]);
      expect(await ttr.payments()).toMatchObject([{ provider, paymentId, sessionId: ids.sessionId, unattributed: false }]);

      await happens(ttr, "refund-part", { form: { amount: 4000 } });
      await isLeft(ttr, ids.sessionId, 59);
      await happens(ttr, "refund-rest");
      await isLeft(ttr, ids.sessionId, 0);

      const lost = await purchase(browser, ttr, provider);
      await happens(ttr, "dispute");
      await isLeft(ttr, lost, 0);
      await happens(ttr, "lose");
      await sessionOnce(ttr, lost, (it) => it.conversions[0].disputedValue === 99);

      const won = await purchase(browser, ttr, provider);
      await happens(ttr, "dispute");
      await isLeft(ttr, won, 0);
      await happens(ttr, "win");
      await isLeft(ttr, won, 99);
      await isLeft(ttr, lost, 0);
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

for (const provider of ["whop", "stripe", "polar", "shopify"]) {
  test.describe(`lost deliveries of ${provider}`, () => {
    test.use({ env: played(provider, { TTR__RECONCILE__EVERY: "1s" }) });

    test(`what ${provider} could not deliver is found in its list`, async ({ page, ttr }) => {
      await switched(ttr, "drop", true);
      await goAndBuy(page, ttr);
      const { sessionId } = await idsAboard(ttr);
      await payThere(page, ttr, provider);
      await isLeft(ttr, sessionId, 99);
      await expect.poll(() => ttr.log).toContain("no delivery had brought it, it is kept: payment");
      await happens(ttr, "refund-part", { form: { amount: 4000 } });
      await isLeft(ttr, sessionId, 59);
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
      const told = owner.getByRole("alert").filter({ hasText: `Deliveries of ${provider} are refused` });
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
