// The page is a document first: without JavaScript it reads, its questions open, and it sells.
import { expect, test } from "../support/test.js";
import { buy, expectInOrder, idsAtProvider, namesOf, openQuestion, pay, sessionOnce } from "../support/visit.js";

test.use({ javaScriptEnabled: false });

for (const mode of ["link", "api"]) {
  test.describe(`Whop in ${mode} mode`, () => {
    test.use({ mode });

    test("Buy works, and session and conversion are recorded", async ({ page, ttr }) => {
      await page.goto("/");
      await openQuestion(page);
      await buy(page, ttr);
      const { anonymousId, sessionId, startedAt } = await idsAtProvider(page, ttr);
      expect(startedAt).toMatch(/^\d{13}$/);
      await pay(page, ttr);
      const session = await sessionOnce(ttr, sessionId, ({ converted }) => converted);
      expect(session).toMatchObject({ anonymousId, conversionValue: 99, conversionType: "purchase" });
      expectInOrder(namesOf(session), ["buy_button_clicked", "checkout_started", "checkout_completed", "session_end"]);
      expect(await ttr.sessions()).toHaveLength(1);
    });
  });
}
