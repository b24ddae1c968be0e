// Whatever visitors send is shown to the owner as text: no script runs, no layout breaks.
import { ownersPage, sessionPath } from "../support/owner.js";
import { expect, test } from "../support/test.js";
import { paymentSucceeded, signed, whopEnv } from "../support/whop.js";

const attack = (code) => `window.attacked = ${JSON.stringify(code)}`;
const naughty = [
  `<script>${attack("script")}</script>`,
  `"><img src=x onerror='${attack("img")}'>`,
  `'-alert(1)-' onmouseover="${attack("over")}" autofocus onfocus="${attack("focus")}"`,
  `</pre></details></main><svg/onload=${attack("svg")}>`,
  `<!-- <noscript> ]]> --> <style>*{display:none}</style>`,
  "javascript:window.attacked=1",
  "{{constructor.constructor('window.attacked=1')()}} ${window.attacked=1}",
  "\u202Egnp.exe\u2066 العربية עברית \u200F",
  "👩‍👩‍👧‍👦🏳️‍🌈 Ｔｅｓｔ ﷽ Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!",
  "NUL\u0000 bell\u0007 escape\u001b[31m tab\t line\nfeed",
  "x".repeat(10_000),
  "=cmd|' /C calc'!A0, +1, -1, @SUM(A1)",
  "﻿undefined null NaN -1 1e309 ../../../etc/passwd%00",
];

const event = (text, i) => ({
  eventName: text.slice(0, 200) || "empty",
  properties: { [text.slice(0, 500)]: text, question: text.slice(0, 2000), nested: { list: [text] }, price: text.slice(0, 100), currency: text.slice(0, 100) },
  context: {
    user: { anonymousId: "naughty" },
    session: { sessionId: "naughty" },
    page: {
      url: `https://t.example/${encodeURI(text.slice(0, 1500).toWellFormed())}?utm_source=${encodeURIComponent(text.slice(0, 200).toWellFormed())}&utm_campaign=${encodeURIComponent(text.slice(0, 200).toWellFormed())}`,
      referrer: `https://r.example/${encodeURIComponent(text.slice(0, 300).toWellFormed())}`,
    },
  },
  timestamp: Date.now() - 60_000 + i * 1000,
});

test.use({ env: { AUREA_ADMIN_TOKEN: "", ...whopEnv } });

/** A payment whose every text is this one, a delivery of a type that nobody knows, and one that can't be read. */
async function deliver(ttr, text, i) {
  const id = text.slice(0, 300).toWellFormed();
  const paid = JSON.parse(paymentSucceeded({ id, metadata: { [id]: id }, [id]: [text], membership: { id } }));
  const strange = { ...paid, type: id, data: { ...paid.data, payment: { id } } };
  const refund = { type: "refund.updated", data: { id, status: "succeeded", amount: 5, currency: "usd", payment: { id: `no ${id}` } } };
  const bodies = [JSON.stringify(paid), JSON.stringify(strange), JSON.stringify(refund), text];
  for (const [nth, body] of bodies.entries()) {
    expect((await ttr.delivery(signed(body, { id: `msg_${i}_${nth}` }))).status, `${i}, ${nth}`).toBe(200);
  }
}

test("naughty strings are shown as text on every screen", async ({ ttr, browser }) => {
  // one session with all of it, and one for each string, so that each is once a source and a campaign
  const alone = naughty.map((text, i) => {
    const own = event(text, i);
    own.context.session = { sessionId: `naughty-${i}` };
    return own;
  });
  const answer = await ttr.keyedEvents({ events: [...naughty.map(event), ...alone] });
  expect(answer.json.results.map(({ result }) => result)).toEqual(answer.json.results.map(() => "ok"));

  for (const [i, text] of naughty.entries()) await deliver(ttr, text, i);

  for (const width of [390, 1440]) {
    const owner = await ownersPage(browser, ttr, { viewport: { width, height: 900 } });
    const ran = [];
    owner.on("dialog", (dialog) => (ran.push(dialog.message()), dialog.dismiss()));
    const screens = [
      "/aurea", "/aurea/funnels/ttr", "/aurea/funnels/ttr/sessions", sessionPath("naughty"), sessionPath("naughty-10"),
      `/aurea/funnels/ttr/sessions?${new URLSearchParams({ source: naughty[0], event: naughty[1] })}`,
      `/aurea/funnels/ttr/sessions?${new URLSearchParams({ from: naughty[1] })}`,
    ];
    const payments = "/aurea/funnels/ttr/payments";
    await owner.goto(payments);
    const each = await owner.locator("a.whole").evaluateAll((all) => all.map((link) => link.getAttribute("href")));
    expect(each.length).toBeGreaterThanOrEqual(naughty.length - 1); // NUL is no part of an id
    screens.push(payments, `${payments}?${new URLSearchParams({ state: naughty[0] })}`, ...each);
    for (const path of screens) {
      await owner.goto(path);
      await owner.locator("details").evaluateAll((all) => all.forEach((details) => (details.open = true)));
      expect(await owner.evaluate(() => window.attacked), path).toBeUndefined();
      const overflow = await owner.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(overflow, `${path} at ${width} px scrolls sideways`).toBeLessThanOrEqual(0);
      await expect(owner.locator("main")).toBeVisible();
    }
    await owner.goto(sessionPath("naughty"));
    await expect(owner.locator("#live")).toContainText("<script>");
    expect(ran).toEqual([]);
    await owner.context().close();
  }
});
