// Every island comes to life, and the test that says so would notice if one did not.
import { expect, test } from "../support/test.js";
import { hydrated, islands } from "../support/visit.js";

for (const island of islands) {
  test(`${island} is hydrated`, async ({ page }) => {
    await page.goto("/");
    const all = page.locator(`[data-island="${island}"]`);
    await expect(page.locator(`[data-island="${island}"][data-hydrated]`)).not.toHaveCount(0);
    await expect(page.locator(`[data-island="${island}"]:not([data-hydrated])`)).toHaveCount(0);
    expect(await all.count()).toBeGreaterThan(0);
  });
}

test("the module is fetched within 2 s of load, untouched", async ({ page }) => {
  await page.goto("/");
  await hydrated(page);
  const waited = await page.evaluate(() => {
    const [navigation] = performance.getEntriesByType("navigation");
    const module = performance.getEntriesByType("resource").find(({ name }) => name.endsWith(".wasm"));
    return module.startTime - navigation.loadEventEnd;
  });
  expect(waited).toBeLessThan(2500); // 2 s and a busy machine
});

test.describe("without the module", () => {
  test.use({ allowed: /^error at \S*\.wasm: / }); // the request that failed, and nothing uncaught

  test("no island claims to be hydrated, and the page still works", async ({ page, ttr }) => {
    const gone = page.waitForEvent("requestfailed", (request) => request.url().endsWith(".wasm"));
    await page.route("**/*.wasm", (route) => route.abort());
    await page.goto("/");
    await gone;
    await expect(page.locator("[data-hydrated]")).toHaveCount(0);
    await page.locator("details[data-question] summary").first().click();
    await page.locator("form[data-buy] button").first().click();
    await page.waitForURL(`${ttr.simulator}/checkout/**`);
  });
});
