// The page as a document: small, accessible, narrow, reachable by keyboard, safe, and readable by machines.
import { AxeBuilder } from "@axe-core/playwright";
import { expect, test } from "../support/test.js";
import { send } from "../support/http.js";
import { hydrated } from "../support/visit.js";

const pages = ["/", "/thank-you", "/privacy", "/terms", "/no-such-page"];
const notFound = /no-such-page: Failed to load resource: the server responded with a status of 404/;

test.use({ allowed: notFound });

test("the first load stays within its budget", async ({ page, context, ttr }) => {
  const network = await context.newCDPSession(page);
  const requests = new Map();
  await network.send("Network.enable");
  network.on("Network.responseReceived", ({ requestId, type, response }) => {
    if (response.url.startsWith("data:")) return; // Chromium's own player
    const encoding = Object.entries(response.headers).find(([name]) => name.toLowerCase() === "content-encoding")?.[1];
    const path = response.url.replace(ttr.origin, "");
    requests.set(requestId, { path, type, mime: response.mimeType, encoding, headers: response.encodedDataLength });
  });
  network.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    const request = requests.get(requestId);
    if (request) request.bytes = encodedDataLength - request.headers;
  });
  await page.goto("/");
  await hydrated(page);
  const poster = await page.locator("video").getAttribute("poster");
  const isMedia = ({ path, type }) => type === "Media" || type === "TextTrack" || path === poster;
  const withoutMedia = () => [...requests.values()].filter((request) => !isMedia(request));
  await expect.poll(() => withoutMedia().filter(({ bytes }) => bytes === undefined)).toEqual([]);

  const loaded = withoutMedia();
  const bytesOf = (pattern) => loaded.filter(({ mime }) => pattern.test(mime)).reduce((sum, { bytes = 0 }) => sum + bytes, 0);
  console.log(loaded.map(({ path, bytes, encoding }) => `${path} ${bytes} ${encoding ?? ""}`).join("\n"));

  for (const kind of [/text\/html/, /text\/css/, /javascript/, /wasm/]) {
    const [request] = loaded.filter(({ mime }) => kind.test(mime));
    expect(request, String(kind)).toMatchObject({ encoding: "br" });
  }
  expect(bytesOf(/javascript|wasm/), "JS and WASM").toBeLessThanOrEqual(60_000);
  expect(bytesOf(/html|css/), "HTML and CSS").toBeLessThanOrEqual(16_000);
  expect(loaded.length, loaded.map(({ path }) => path).join(" ")).toBeLessThanOrEqual(9);
  expect(loaded.every(({ path }) => path.startsWith("/")), "nothing from elsewhere").toBe(true);
});

for (const colorScheme of ["light", "dark"]) {
  for (const path of pages) {
    test(`axe finds nothing on ${path} in ${colorScheme}`, async ({ page }) => {
      await page.emulateMedia({ colorScheme });
      await page.goto(path);
      await page.evaluate(() => document.querySelectorAll("details").forEach((it) => (it.open = true)));
      const { violations } = await new AxeBuilder({ page }).analyze();
      expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`)).toEqual([]);
    });
  }
}

for (const width of [360, 390, 768, 1440]) {
  test(`nothing scrolls sideways at ${width} px`, async ({ page }) => {
    await page.setViewportSize({ width, height: 800 });
    for (const path of pages) {
      await page.goto(path);
      expect(await page.evaluate(() => document.documentElement.scrollWidth), path).toBeLessThanOrEqual(width);
    }
  });
}

test("everything that can be used is reached by the keyboard, and shows it", async ({ page }) => {
  await page.goto("/");
  await hydrated(page);
  const usable = "a[href], button, summary, video[controls], input:not([type=hidden])";
  const wanted = await page.locator(usable).evaluateAll((all) =>
    all.filter((it) => it.checkVisibility()).map((it, i) => (it.dataset.reach = String(i))),
  );
  const focused = [];
  for (let i = 0; i < wanted.length * 3; i++) {
    await page.keyboard.press("Tab"); // a video's controls take several
    const focus = await page.evaluate(() => {
      const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(document.activeElement);
      const shown = (outlineStyle !== "none" && outlineWidth !== "0px") || boxShadow !== "none";
      return { reach: document.activeElement.dataset.reach, shown, html: document.activeElement.outerHTML.slice(0, 80) };
    });
    focused.push(focus);
  }
  expect(wanted.filter((it) => !focused.some(({ reach }) => reach === it))).toEqual([]);
  expect(focused.filter(({ reach, shown }) => reach && !shown).map(({ html }) => html)).toEqual([]);

  const question = page.locator("details[data-question]").first();
  await question.locator("summary").focus();
  await page.keyboard.press("Enter");
  await expect(question).toHaveAttribute("open", "");
  await page.keyboard.press("Space");
  await expect(question).not.toHaveAttribute("open", "");
});

test("with reduced motion nothing moves", async ({ page }) => {
  await page.emulateMedia({ reducedMotion: "reduce" });
  await page.goto("/");
  await hydrated(page);
  await page.locator("details[data-question] summary").first().click();
  const moving = () => document.getAnimations().filter((it) => it.playState === "running" && it.effect.getTiming().duration > 10).length;
  expect(await page.evaluate(moving)).toBe(0);
});

test("nothing shifts while the page loads", async ({ page }) => {
  await page.addInitScript(() => {
    window.shifts = 0;
    new PerformanceObserver((list) => list.getEntries().forEach(({ value }) => (window.shifts += value)))
      .observe({ type: "layout-shift", buffered: true });
  });
  for (const width of [390, 1440]) {
    await page.setViewportSize({ width, height: 800 });
    await page.goto("/");
    await hydrated(page);
    expect(await page.evaluate(() => window.shifts), `at ${width} px`).toBeLessThan(0.01);
  }
});

for (const path of pages) {
  test(`${path} is sent with the headers that protect it`, async ({ ttr }) => {
    const { headers } = await send(ttr.origin + path, { method: "GET", headers: { accept: "text/html" } });
    const csp = headers["content-security-policy"];
    expect(csp).not.toMatch(/'unsafe-inline'|'unsafe-eval'/);
    expect(csp).toMatch(/default-src 'none'|default-src 'self'/);
    for (const directive of ["script-src", "form-action 'self'", "base-uri", "frame-ancestors"]) expect(csp).toContain(directive);
    expect(csp).toContain(ttr.simulator); // the only other place that a form may lead to
    expect(headers["x-content-type-options"]).toBe("nosniff");
    expect(headers["referrer-policy"]).toBeTruthy();
    expect(headers["content-type"]).toBe("text/html; charset=utf-8");
  });
}

test("an unchanged page is answered 304, hashed files are kept for ever", async ({ page, ttr }) => {
  const first = await send(`${ttr.origin}/`, { method: "GET" });
  const again = await send(`${ttr.origin}/`, { method: "GET", headers: { "if-none-match": first.headers.etag } });
  expect(again.status).toBe(304);
  await page.goto("/");
  const script = await page.locator("html").getAttribute("data-js");
  const { headers, status } = await send(ttr.origin + script, { method: "GET" });
  expect(status).toBe(200);
  expect(headers["cache-control"]).toMatch(/max-age=31536000.*immutable/);
});

test("a page that is not there says so, and leads home", async ({ page }) => {
  const answer = await page.goto("/no-such-page");
  expect(answer.status()).toBe(404);
  await expect(page.locator('a[href="/"]').first()).toBeVisible();
});

test("search engines and link previews are told what it is", async ({ page, ttr }) => {
  await page.goto("/");
  const content = (selector) => page.locator(selector).first().getAttribute("content");
  await expect(page).toHaveTitle(/TTR/);
  expect((await content('meta[name="description"]')).length).toBeGreaterThan(50);
  for (const property of ["og:title", "og:description", "og:image", "og:url"]) {
    expect(await content(`meta[property="${property}"]`), property).toBeTruthy();
  }
  expect((await send(await content('meta[property="og:image"]'), { method: "GET" })).status).toBe(200);
  await expect(page.locator('link[rel="canonical"]')).toHaveAttribute("href", `${ttr.origin}/`);
  await expect(page.locator("html")).toHaveAttribute("lang", /^en/);
  await expect(page.locator("h1")).toHaveCount(1);

  const texts = await page.locator('script[type="application/ld+json"]').allTextContents();
  const things = texts.flatMap((text) => JSON.parse(text)).flatMap((it) => it["@graph"] ?? it);
  const thing = (type) => things.find((it) => it["@type"] === type);
  const [offer] = [thing("Product").offers].flat();
  expect(offer.priceCurrency).toBe("USD");
  expect(Number(offer.price)).toBe(99);
  const asked = await page.locator("details[data-question]").evaluateAll((all) => all.map((it) => it.dataset.question));
  expect(thing("FAQPage").mainEntity.map(({ name }) => name)).toEqual(asked);
  expect(asked.length).toBeGreaterThanOrEqual(6);
});

test("robots.txt leads to a sitemap, and the sitemap to pages that are there", async ({ ttr }) => {
  const robots = await send(`${ttr.origin}/robots.txt`, { method: "GET" });
  expect(robots.text).toContain(`Sitemap: ${ttr.origin}/sitemap.xml`);
  const sitemap = await send(`${ttr.origin}/sitemap.xml`, { method: "GET" });
  const urls = [...sitemap.text.matchAll(/<loc>([^<]+)<\/loc>/g)].map(([, url]) => url);
  expect(urls).toContain(`${ttr.origin}/`);
  for (const url of urls) expect((await send(url, { method: "GET" })).status, url).toBe(200);
});

test("everything that the page links to is there", async ({ page }) => {
  for (const path of pages.slice(0, 4)) {
    await page.goto(path);
    const urls = await page.locator("link[href], a[href], img[src], source[src], track[src], video[poster]").evaluateAll((all) =>
      all.map((it) => it.href || it.src || it.poster).filter((url) => url.startsWith(location.origin)),
    );
    for (const url of new Set(urls.map((it) => it.split("#")[0]))) {
      expect((await send(url, { method: "GET" })).status, url).toBe(200);
    }
    const fragments = await page.locator('a[href^="#"]').evaluateAll((all) => all.map((it) => it.getAttribute("href").slice(1)));
    for (const id of fragments) await expect(page.locator(`[id="${id}"]`), id).toHaveCount(1);
  }
});
