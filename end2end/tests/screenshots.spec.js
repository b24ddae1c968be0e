// Pictures of the pages in docs/screenshots, full length. Taken when one is missing or UPDATE_SCREENSHOTS=1 (make screenshots).
import { confirmed, goAndComeBack, title, waiting } from "../support/back.js";
import { axeFindsNothing, isPictured, isWanted, looks } from "../support/screens.js";
import { expect, test } from "../support/test.js";
import { hydrated } from "../support/visit.js";
import { metadataOf, paymentSucceeded, signed, whopEnv } from "../support/whop.js";

for (const look of looks) {
  test.describe(look.title, () => {
    const { viewport, colorScheme } = look;
    test.use({ viewport, colorScheme, contextOptions: { reducedMotion: "reduce" } });

    test(`landing page at ${look.title}`, async ({ page }) => {
      test.skip(!isWanted("landing", look), "the picture is there");
      await page.goto("/");
      await hydrated(page);
      await isPictured(page, "landing", look);
    });

    test.describe("a Whop whose deliveries the test sends", () => {
      test.use({ env: whopEnv });

      test(`the return page that waits, and that confirms, at ${look.title}`, async ({ page, ttr }) => {
        const carried = await goAndComeBack(page, ttr);
        await expect(title(page)).toHaveText(waiting);
        await axeFindsNothing(page, waiting);
        await isPictured(page, "thank-you-waiting", look);
        await ttr.delivery(signed(paymentSucceeded({ metadata: metadataOf(carried) })));
        await expect(title(page)).toHaveText(confirmed);
        await axeFindsNothing(page, confirmed);
        await isPictured(page, "thank-you-confirmed", look);
      });
    });
  });
}
