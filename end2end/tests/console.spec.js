// Nobody who opens the developer tools finds a complaint. Every browser test checks it; here every page is opened.
import { expect, test } from "../support/test.js";
import { hydrated, openQuestion, scrollToTheEnd } from "../support/visit.js";

test("the landing page complains about nothing while it is used", async ({ page }) => {
  await page.goto("/");
  await hydrated(page);
  await scrollToTheEnd(page);
  await openQuestion(page);
  await page.reload();
  await hydrated(page);
});

for (const path of ["/thank-you", "/privacy", "/terms"]) {
  test(`${path} complains about nothing`, async ({ page }) => {
    const answer = await page.goto(path);
    expect(answer.status()).toBe(200);
    await page.evaluate(() => window.aureaSDK?.ready);
  });
}

test("a complaint is noticed", async ({ page, complaints }) => {
  await page.goto("/");
  await page.evaluate(() => {
    console.error("an error");
    console.warn("a warning");
    setTimeout(() => {
      throw new Error("an exception");
    });
    const script = document.createElement("script");
    script.textContent = "window.injected = true";
    document.head.append(script);
  });
  await expect.poll(() => complaints.length).toBe(4);
  expect(complaints.join("\n")).toMatch(/an error[^]*a warning[^]*Content Security Policy[^]*an exception/);
  expect(await page.evaluate(() => window.injected)).toBeUndefined();
  complaints.length = 0;
});
