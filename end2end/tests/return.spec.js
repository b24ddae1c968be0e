// The way back from the checkout: what the buyer is told of their payment, and when.
import { confirmed, goAndComeBack, neutral, title, waiting } from "../support/back.js";
import { expect, test } from "../support/test.js";
import { buy, namesOf, pay, sessionOnce } from "../support/visit.js";
import { metadataOf, paymentSucceeded, signed, whopEnv } from "../support/whop.js";

test.describe("a Whop whose deliveries the test sends", () => {
  test.use({ env: whopEnv });

  test("an open return page says confirmed as soon as the payment has arrived", async ({ page, ttr }) => {
    const carried = await goAndComeBack(page, ttr);
    await expect(title(page)).toHaveText(waiting);
    await page.reload();
    await expect(title(page)).toHaveText(waiting);
    await page.evaluate(() => (window.stillThere = true));

    await ttr.delivery(signed(paymentSucceeded({ metadata: metadataOf(carried) })));
    await expect(title(page)).toHaveText(confirmed);
    expect(await page.evaluate(() => window.stillThere), "without loading the page again").toBe(true);

    await page.reload();
    await expect(title(page)).toHaveText(confirmed);
    const session = await sessionOnce(ttr, carried.sessionId, (it) => namesOf(it).includes("checkout_returned"));
    expect(session.conversions).toHaveLength(1);
    expect(namesOf(session).filter((name) => name === "checkout_returned")).toHaveLength(1);
    expect(session.checkouts).toMatchObject([{ provider: "whop", carried: "link" }]);
  });
});

test("whoever comes without a checkout is told nothing of a payment", async ({ page }) => {
  await page.goto("/thank-you?status=success");
  await expect.poll(() => page.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => name)))
    .toContainEqual(expect.stringContaining("/api/checkout/return"));
  await expect(title(page)).toHaveText(neutral);
});

for (const javaScriptEnabled of [true, false]) {
  test.describe(`JavaScript ${javaScriptEnabled ? "on" : "off"}`, () => {
    test.use({ javaScriptEnabled, mode: "api" });

    test("in api mode the return URL's token leads to confirmed", async ({ page, ttr }) => {
      await page.goto("/");
      await buy(page, ttr);
      await pay(page, ttr);
      expect(new URL(page.url()).searchParams.get("token")).toMatch(/^[0-9a-f]{32}$/);
      await expect(title(page)).toHaveText(confirmed);
    });
  });
}

test.describe("JavaScript off, by the link", () => {
  test.use({ javaScriptEnabled: false, mode: "link" });

  test("nobody knows which checkout it was, so the page says so in neutral words", async ({ page, ttr }) => {
    await page.goto("/");
    await buy(page, ttr);
    await pay(page, ttr);
    await expect(title(page)).toHaveText(neutral);
  });
});
