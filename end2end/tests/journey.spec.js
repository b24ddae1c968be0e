// The seed's test steps: one session from landing to purchase, in a real browser, paid at a provider of another origin.
import { expect, test } from "../support/test.js";
import {
  buy, expectInOrder, hydrated, idsAtProvider, namesOf, openQuestion, pay, scrollToTheEnd, sessionOnce, storedIds,
  watchAQuarter,
} from "../support/visit.js";

for (const mode of ["link", "api"]) {
  test.describe(`Whop in ${mode} mode`, () => {
    test.use({ mode });

    test("a visit, a checkout and a payment are one session", async ({ page, ttr }) => {
      const lines = [];
      page.on("console", (message) => lines.push(message.text()));

      // browse
      await page.goto("/?utm_source=newsletter&utm_campaign=launch");
      await hydrated(page);
      await scrollToTheEnd(page);
      await watchAQuarter(page);
      const question = await openQuestion(page);

      // the ids in the storage
      const { anonymousId, sessionId } = await storedIds(page);
      expect(anonymousId).toMatch(/^\d{13}_[0-9a-z]{16}$/);
      expect(sessionId).toMatch(/^\d{13}_[0-9a-z]{16}$/);
      expect(await page.evaluate(() => [window.aureaSDK.getAnonymousId(), window.aureaSDK.getSessionId()]))
        .toEqual([anonymousId, sessionId]);

      // buy
      await buy(page, ttr);
      expect(lines).toContain("[TTR] Tracking checkout initiation (session stays alive)...");
      expect(lines).toContain(`[TTR] Redirecting to Whop with anonymousId: ${anonymousId}`);
      const atProvider = await idsAtProvider(page, ttr);
      expect(atProvider).toEqual({ anonymousId, sessionId, startedAt: expect.stringMatching(/^\d{13}$/) });
      expect(new URL(page.url()).searchParams.has("checkout_session_metadata[aurea_session_id]")).toBe(mode === "link");

      // pay
      await pay(page, ttr);

      // the server's log
      await expect.poll(() => ttr.log).toContain("Tracked session_end in Aurea");
      expect(ttr.log).toContain(`Aurea tracking - anonymousId: ${anonymousId}, sessionId: ${sessionId}`);
      expect(ttr.log).toContain(`Tracked checkout_completed in Aurea with anonymousId: ${anonymousId}`);

      // one session
      const session = await sessionOnce(ttr, sessionId, ({ converted }) => converted);
      expect(session).toMatchObject({
        sessionId, anonymousId, state: "converted", conversionType: "purchase", conversionValue: 99, currency: "USD",
      });
      expectInOrder(namesOf(session), [
        "page_view", "scroll_depth_25", "scroll_depth_50", "scroll_depth_75", "scroll_depth_90", "scroll_depth_100", "video_started",
        "video_progress_25", "video_paused", "faq_opened", "buy_button_clicked", "checkout_started", "checkout_completed",
        "session_end",
      ]);
      const propertiesOf = (name) => session.events.find(({ eventName }) => eventName === name).properties;
      expect(propertiesOf("faq_opened")).toMatchObject({ question });
      expect(propertiesOf("buy_button_clicked")).toMatchObject({ sessionId, anonymousId, location: "/" });
      expect(propertiesOf("checkout_completed")).toMatchObject({
        conversionType: "purchase", revenue: 99, currency: "USD", source: "whop_webhook", sessionEnd: true,
      });
      expect(propertiesOf("session_end")).toMatchObject({ converted: true, revenue: 99, source: "whop_webhook" });
      for (const once of ["faq_opened", "buy_button_clicked", "checkout_started", "checkout_completed", "session_end"]) {
        expect(namesOf(session).filter((name) => name === once), once).toHaveLength(1);
      }
      expect((await ttr.sessions({ anonymousId })).map((it) => it.sessionId)).toEqual([sessionId]);
      expect(await ttr.payments()).toMatchObject([{ provider: "whop", currency: "USD", sessionId, unattributed: false }]);
    });
  });
}

test("a visitor who declines and comes back is still the same session", async ({ page, ttr }) => {
  await page.goto("/");
  await hydrated(page);
  const { sessionId } = await storedIds(page);
  await buy(page, ttr);
  await page.getByRole("button", { name: /^leave/i }).click();
  await page.waitForURL(`${ttr.origin}/**`);
  await hydrated(page);
  expect((await storedIds(page)).sessionId).toBe(sessionId);
  await buy(page, ttr);
  await pay(page, ttr);
  const session = await sessionOnce(ttr, sessionId, ({ converted }) => converted);
  expect(namesOf(session).filter((name) => name === "checkout_started")).toHaveLength(2);
  expect(await ttr.sessions()).toHaveLength(1);
});

test("pressing Buy twice is one checkout", async ({ page, ttr }) => {
  await page.goto("/");
  await hydrated(page);
  const { sessionId } = await storedIds(page);
  await page.locator("form[data-buy] button").first().dblclick();
  await page.waitForURL(`${ttr.simulator}/checkout/**`);
  await pay(page, ttr);
  const session = await sessionOnce(ttr, sessionId, ({ converted }) => converted);
  expect(namesOf(session).filter((name) => name === "checkout_started")).toHaveLength(1);
  expect(namesOf(session).filter((name) => name === "buy_button_clicked")).toHaveLength(1);
});
