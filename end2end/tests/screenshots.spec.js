// Pictures of the page in docs/screenshots, full length. Taken when one is missing or UPDATE_SCREENSHOTS=1 (make screenshots).
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "../support/test.js";
import { hydrated } from "../support/visit.js";

const folder = join(import.meta.dirname, "../../docs/screenshots");

for (const width of [390, 1440]) {
  for (const colorScheme of ["light", "dark"]) {
    const path = join(folder, `landing-${width}-${colorScheme}.png`);

    test(`landing page at ${width} px, ${colorScheme}`, async ({ page }) => {
      test.skip(existsSync(path) && !process.env.UPDATE_SCREENSHOTS, "the picture is there");
      await page.setViewportSize({ width, height: width === 390 ? 844 : 900 });
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.goto("/");
      await hydrated(page);
      await page.screenshot({ path, fullPage: true });
      expect(existsSync(path)).toBe(true);
    });
  }
}
