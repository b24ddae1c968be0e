// The owner's screens in a real browser: from the printed link to the conversion in an open timeline.
import { ownersPage, printedLink, sessionPath } from "../support/owner.js";
import { complaintsOf, expect, test } from "../support/test.js";
import { buy, hydrated, openQuestion, pay, storedIds } from "../support/visit.js";
import { paymentSucceeded, signed, whopEnv } from "../support/whop.js";

test.use({ env: { AUREA_ADMIN_TOKEN: "" } });

test("the owner follows a visit live, from landing to conversion, finds it by a filter and reads its JSON", async ({ page, ttr, browser }) => {
  const owner = await ownersPage(browser, ttr);
  const complaints = complaintsOf(owner.context());

  // a visitor comes
  await page.goto("/?utm_source=newsletter");
  await hydrated(page);
  const { sessionId } = await storedIds(page);

  // the owner finds the session by the screens alone
  await expect(async () => {
    await owner.goto("/aurea");
    await owner.getByRole("link", { name: "ttr", exact: true }).first().click();
    await owner.getByRole("link", { name: /sessions/i }).first().click();
    await owner.locator(`a[href$="${sessionPath(sessionId)}"]`).first().click({ timeout: 1000 });
  }).toPass();
  const timeline = owner.locator("#live");
  await expect(timeline).toContainText("newsletter");
  await expect(owner.locator("#live-mark")).toHaveText("Live");

  // what the visitor does shows up by itself
  let loads = 0;
  owner.on("load", () => (loads += 1));
  const question = await openQuestion(page);
  await expect(timeline).toContainText(question);
  await buy(page, ttr);
  await expect(timeline).toContainText("At the checkout");
  await pay(page, ttr);
  await expect(timeline).toContainText("Paid");
  await expect(timeline).toContainText("99.00");
  await expect(timeline).toContainText("Converted");
  expect(loads, "the open screen was never loaded again").toBe(0);

  // filter to it
  await owner.goto("/aurea/funnels/ttr/sessions");
  await owner.getByLabel("State").selectOption("converted");
  await owner.getByLabel("Event").fill("faq_opened");
  await owner.getByRole("button", { name: /filter|apply|show/i }).click();
  await expect(owner).toHaveURL(/state=converted/);
  await expect(owner.locator(`a[href$="${sessionPath(sessionId)}"]`).first()).toBeVisible();
  await owner.reload(); // the filter is in the address
  await expect(owner.locator(`a[href$="${sessionPath(sessionId)}"]`).first()).toBeVisible();

  // read its JSON
  await owner.goto(sessionPath(sessionId));
  const json = owner.locator("details:has(pre)", { hasText: `"sessionId": "${sessionId}"` }).last();
  await json.locator("summary").first().click();
  expect(JSON.parse(await json.locator("pre").textContent())).toMatchObject({ sessionId, converted: true, conversionValue: 99 });
  await owner.goto(`/api/aurea/funnels/ttr/sessions/${sessionId}`);
  expect(JSON.parse(await owner.locator("body").textContent())).toMatchObject({ sessionId, state: "converted" });
  expect(complaints).toEqual([]);
});

test("without JavaScript the timeline reads the same and has a link to look again", async ({ page, ttr, browser }) => {
  await page.goto("/");
  await hydrated(page);
  const { sessionId } = await storedIds(page);
  const owner = await ownersPage(browser, ttr, { javaScriptEnabled: false });
  await expect(async () => {
    await owner.goto(sessionPath(sessionId));
    await expect(owner.locator("#live")).toContainText("/", { timeout: 500 });
  }).toPass();
  const question = await openQuestion(page);
  await expect(async () => {
    await owner.getByRole("link", { name: "Refresh" }).click();
    await expect(owner.locator("#live")).toContainText(question, { timeout: 500 });
  }).toPass();
});

test("eight open timelines leave the browser its connections to the site", async ({ page, ttr, browser }) => {
  await page.goto("/");
  const { sessionId } = await storedIds(page);
  const owner = await ownersPage(browser, ttr);
  await expect.poll(async () => (await owner.goto(sessionPath(sessionId))).status()).toBe(200);
  // a tab in the background is hidden; this browser shows all of its tabs, so that the test says it for them
  await owner.context().addInitScript(() => Object.defineProperty(document, "visibilityState", { get: () => window.shown ?? "hidden" }));
  const tabs = [];
  for (let tab = 0; tab < 8; tab += 1) {
    tabs.push(await owner.context().newPage());
    await tabs.at(-1).goto(sessionPath(sessionId));
  }
  await tabs[0].evaluate(() => {
    window.shown = "visible";
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await expect(tabs[0].locator("#live-mark")).toHaveText("Live");
  await hydrated(page);
  const question = await openQuestion(page);
  await expect(tabs[0].locator("#live")).toContainText(question);
});

test.describe("a payment that came without ids", () => {
  test.use({ env: { AUREA_ADMIN_TOKEN: "", ...whopEnv } });

  test("is joined by hand, without JavaScript, and its session has converted", async ({ page, ttr, browser }) => {
    await page.goto("/?utm_source=newsletter");
    await hydrated(page);
    const { anonymousId, sessionId } = await storedIds(page);
    const context = { user: { anonymousId }, session: { sessionId } };
    const started = { eventName: "checkout_started", properties: {}, timestamp: Date.now() - 1000, context };
    expect((await ttr.keyedEvents({ events: [started] })).status).toBe(200);
    const delivery = signed(paymentSucceeded({ id: "pay_lost", metadata: {} }), { id: "msg_lost" });
    expect((await ttr.delivery(delivery)).status).toBe(200);

    const owner = await ownersPage(browser, ttr, { javaScriptEnabled: false });
    const complaints = complaintsOf(owner.context());
    await owner.goto("/aurea/funnels/ttr");
    await owner.getByRole("link", { name: "Join to a session: pay_lost" }).click();
    await expect(owner.getByRole("radio")).toHaveCount(1);
    await owner.getByRole("radio").check();
    await owner.getByRole("button", { name: "Join to this session" }).click();
    await expect(owner.getByRole("status")).toContainText("Joined by hand");

    await owner.getByRole("link", { name: "Timeline" }).click();
    await expect(owner).toHaveURL(ttr.origin + sessionPath(sessionId));
    await expect(owner.locator("#live")).toContainText("Converted");
    await expect(owner.locator("#live")).toContainText("Paid · 99.00 USD");
    await owner.getByRole("navigation", { name: "Funnel" }).getByRole("link", { name: "Payments" }).click();
    const row = owner.getByRole("row", { name: /pay_lost/ });
    await expect(row).toContainText("joined by hand");
    await row.getByRole("link", { name: /99\.00 USD/ }).click();
    await expect(owner.getByRole("heading", { level: 1 })).toContainText("99.00 USD");
    await owner.locator("details", { hasText: "payment.succeeded" }).locator("summary").click();
    await expect(owner.getByLabel("Body of the delivery")).toContainText("pay_lost");
    await expect(owner.getByLabel("Body of the delivery")).not.toContainText("A buyer");
    expect(complaints).toEqual([]);
  });
});

test.describe("refusals", () => {
  test.use({ allowed: /status of (401|429)/ });

  test("a stranger sees the login only, and a wrong token opens nothing", async ({ page, ttr }) => {
    await printedLink(ttr);
    await page.goto("/aurea/funnels/ttr/sessions");
    await page.getByLabel(/token/i).fill("wrong");
    await page.getByRole("button", { name: /log in/i }).click();
    await expect(page.getByRole("alert")).toBeVisible();
    for (let tries = 0; tries < 10; tries += 1) await page.goto("/aurea/login?token=wrong");
    await expect(page.getByRole("alert")).toContainText("too many");
    expect((await page.context().cookies()).filter(({ name }) => name.includes("aurea"))).toEqual([]);
    await page.goto(await printedLink(ttr)); // a token that can't be guessed is not locked out by guesses
    await expect(page).toHaveURL(`${ttr.origin}/aurea`);
  });
});

test.describe("another site", () => {
  test.use({ allowed: /status of 403/ });

  const changing = ["login", "logout", "forward", "funnels/ttr/payments/whop/pay_1/send", "funnels/ttr/payments/whop/pay_1/join"];

  test("can do nothing in the owner's name", async ({ ttr, browser }) => {
    const owner = await ownersPage(browser, ttr);
    for (const path of [...changing.map((path) => `/aurea/${path}`), "/api/aurea/forward-conversions"]) {
      await owner.goto(`${ttr.simulator}/simulator/requests`); // another origin
      const answer = owner.waitForResponse(ttr.origin + path);
      await owner.evaluate((action) => {
        const form = Object.assign(document.createElement("form"), { method: "post", action });
        document.body.append(form);
        form.submit();
      }, ttr.origin + path);
      expect((await answer).status(), path).toBe(403);
      await owner.waitForURL(ttr.origin + path);
    }
    await owner.goto("/aurea");
    await expect(owner.getByRole("link", { name: "ttr", exact: true }).first()).toBeVisible();
    await owner.getByRole("button", { name: /log out/i }).click();
    await expect(owner).toHaveURL(/\/aurea\/login/);
    expect((await owner.goto("/aurea")).status()).toBe(401);
  });
});
