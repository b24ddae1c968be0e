// Whatever visitors, providers and a remote Aurea send is shown to the owner as text: no script runs, no layout breaks.
import { beginning, naughty, plain } from "../support/naughty.js";
import { ownersPage, sessionPath } from "../support/owner.js";
import { forwardingTest } from "../support/remote.js";
import { complaintsOf, expect } from "../support/test.js";
import { paymentSucceeded, signed, whopEnv } from "../support/whop.js";

/** What the remote Aurea says of an event of the n-th `raw` session: it refuses all in its own words, the first for now. */
const refusal = ({ context: { session } }) => {
  const nth = Number(session.sessionId.replace("raw-", ""));
  const text = naughty[nth].slice(0, 1000);
  return { result: nth === 0 ? "retry" : text, detail: text };
};

const test = forwardingTest((events) => ({ results: events.map(refusal) }), { AUREA_ADMIN_TOKEN: "", ...whopEnv });

test.use({ trace: "off" }); // of so many and so large pages it takes longer than the pages do

const funnel = "/aurea/funnels/ttr";
const payments = `${funnel}/payments`;
const resultsOf = ({ json }) => json.results.map(({ result }) => result);

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

/** Addresses with the text as it is, nothing of it encoded; the last are longer than any that is kept. */
function rawPages(text) {
  const long = `https://t.example/\u0000${text}`.padEnd(10_000, text).toWellFormed();
  const raw = { url: `https://t.example/${text}?utm_source=${text}#${text}`, referrer: `https://r.example/${text}` };
  return [raw, { url: text, referrer: text }, { url: `https://${text}`, referrer: `//${text}` }, { url: long, referrer: long }];
}

/** Events of a visitor on such pages, and amid them one whose name is too long. */
function rawEvents(text, nth) {
  const context = (page) => ({ user: { anonymousId: "raw" }, session: { sessionId: `raw-${nth}` }, page });
  const events = rawPages(text).map((page) => ({ eventName: text.slice(0, 200), context: context(page) }));
  events.splice(2, 0, { eventName: text.padEnd(10_000, text), context: context() });
  return events.map((it, i) => ({ ...it, timestamp: Date.now() - 60_000 + i * 1000 }));
}

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

/** What a browser says of a page that was refused, as some are here. */
const mayBeSaid = /the server responded with a status of 4\d\d/;

/** The owner at that width, and whatever a screen does beside showing text. */
async function watched(browser, ttr, width) {
  const owner = await ownersPage(browser, ttr, { viewport: { width, height: 900 } });
  const done = complaintsOf(owner.context());
  owner.on("dialog", (dialog) => (done.push(`dialog: ${dialog.message()}`), dialog.dismiss()));
  return { owner, done: () => done.filter((complaint) => !mayBeSaid.test(complaint)) };
}

/** The open screen, with everything opened, is text and nothing more. */
async function isText(owner, where) {
  const found = await owner.evaluate(() => {
    for (const details of document.querySelectorAll("details")) details.open = true;
    const links = [...document.links].map(({ protocol }) => protocol);
    return { sideways: document.documentElement.scrollWidth - innerWidth, links, attacked: window.attacked };
  });
  expect(found.attacked, where).toBeUndefined();
  expect(found.sideways, `${where} scrolls sideways`).toBeLessThanOrEqual(0);
  expect(found.links.filter((scheme) => !/^https?:$/.test(scheme)), where).toEqual([]);
  await expect(owner.locator("main")).toBeVisible();
}

async function isTextAt(owner, path) {
  await owner.goto(path);
  await isText(owner, path.slice(0, 200));
}

/** The addresses of all payments' own screens. */
async function eachPayment(owner) {
  await owner.goto(payments);
  const each = await owner.locator("a.whole").evaluateAll((all) => all.map((link) => link.getAttribute("href")));
  expect(each.length).toBeGreaterThanOrEqual(naughty.length - 1); // NUL is no part of an id
  return each;
}

test("each event with a naughty address or name is answered on its own", async ({ ttr, browser }) => {
  for (const [nth, text] of naughty.entries()) {
    const answer = await ttr.browserEvents({ events: rawEvents(text, nth) });
    expect(resultsOf(answer), text.slice(0, 60)).toEqual(["ok", "ok", "dropped", "ok", "ok"]);
    expect(answer.json.results[2].detail).toBe("eventName must have 1 to 200 characters");
  }
  const { owner, done } = await watched(browser, ttr, 1440);
  for (const nth of naughty.keys()) {
    await isTextAt(owner, sessionPath(`raw-${nth}`));
    await expect(owner.getByRole("region", { name: "Timeline" })).toContainText("4 events");
  }
  expect(done()).toEqual([]);
  await owner.context().close();
});

for (const [width, every] of [[1440, "every"], [390, "every narrow"]]) {
  test(`naughty strings are shown as text on ${every} screen`, async ({ ttr, browser }) => {
    // one session with all of it, and one for each string, so that each is once a source and a campaign
    const alone = naughty.map((text, i) => {
      const own = event(text, i);
      own.context.session = { sessionId: `naughty-${i}` };
      return own;
    });
    const answer = await ttr.keyedEvents({ events: [...naughty.map(event), ...alone] });
    expect(resultsOf(answer)).toEqual(resultsOf(answer).map(() => "ok"));
    for (const [nth, text] of naughty.entries()) await ttr.browserEvents({ events: rawEvents(text, nth) });
    for (const [i, text] of naughty.entries()) await deliver(ttr, text, i);

    const { owner, done } = await watched(browser, ttr, width);
    const screens = [
      "/aurea", funnel, `${funnel}/sessions`, sessionPath("naughty"), sessionPath("raw-0"), sessionPath("raw-10"),
      `${funnel}/sessions?${new URLSearchParams({ source: naughty[0], event: naughty[1] })}`,
      `${funnel}/sessions?${new URLSearchParams({ from: naughty[1] })}`,
      payments, `${payments}?${new URLSearchParams({ state: naughty[0] })}`, ...(await eachPayment(owner)),
    ];
    for (const path of screens) await isTextAt(owner, path);
    for (const [nth, text] of naughty.entries()) {
      await isTextAt(owner, sessionPath(`naughty-${nth}`));
      await expect(owner.getByRole("region", { name: "Timeline" })).toContainText(beginning(text));
    }
    expect(done()).toEqual([]);
    await owner.context().close();
  });

  test(`what a remote Aurea says against naughty events is shown as text on ${every} screen`, async ({ ttr, browser }) => {
    for (const [nth, text] of naughty.entries()) await ttr.browserEvents({ events: rawEvents(text, nth) });
    const { owner, done } = await watched(browser, ttr, width);
    const given = owner.getByRole("region", { name: "Forwarding to 127.0.0.1" });
    await expect(async () => {
      await owner.goto(funnel); // the last answer is of the row that was tried last
      await expect(given).toContainText(`${naughty.length - 1} requests were given up`, { timeout: 500 });
      await expect(given).toContainText(`Last answer: the event was answered retry: ${beginning(naughty[0])}`, { timeout: 500 });
    }).toPass();
    await isText(owner, funnel);
    await expect(given.getByRole("listitem")).toHaveCount(10);
    for (const text of plain.slice(-8)) await expect(given).toContainText(`the event was answered ${beginning(text)}`); // the newest
    expect(done()).toEqual([]);
    await owner.context().close();
  });

  test(`naughty addresses lead to ${every} screen that shows them as text, and nowhere else`, async ({ ttr, browser }) => {
    const { owner, done } = await watched(browser, ttr, width);
    for (const text of naughty) {
      await isTextAt(owner, `/aurea/${encodeURIComponent(text)}`);
      await expect(owner.getByRole("heading", { level: 1 })).toHaveText("There is no such page");
      for (const next of [text, `/aurea/${text}`]) {
        await isTextAt(owner, `/aurea/login?${new URLSearchParams({ next })}`);
        await expect(owner.locator('input[name="next"]')).toHaveValue(/^\/aurea(\/|$)/);
      }
    }
    expect(done()).toEqual([]);
    await owner.context().close();
  });

  test(`a naughty session id joins no payment and is shown as text on ${every} screen`, async ({ ttr, browser }) => {
    for (const [i, text] of naughty.entries()) await deliver(ttr, text, i);
    const { owner, done } = await watched(browser, ttr, width);
    for (const [nth, path] of (await eachPayment(owner)).entries()) {
      await owner.goto(path);
      await owner.getByRole("textbox").evaluate((field, text) => (field.value = text), naughty[nth]);
      await owner.getByRole("button", { name: "Join to this session" }).click();
      await expect(owner.getByRole("alert")).toContainText("Choose a session");
      await isText(owner, `${path} after a refused join`);
    }
    expect(done()).toEqual([]);
    await owner.context().close();
  });
}
