// Whop's deliveries: what is believed, what is not, and that money counts once. Signed by the standardwebhooks package.
import { expect, serverTest as test } from "../support/test.js";
import { batch, newIds } from "../support/events.js";
import { send } from "../support/http.js";
import { expectInOrder, namesOf } from "../support/visit.js";
import { metadataOf, paymentSucceeded, paymentSucceededV5, secret, signed, signedV5, whopEnv } from "../support/whop.js";

test.use({ env: whopEnv });

const minutes = (n) => n * 60_000;

/** The ids of a visit that pressed Buy two minutes ago, with the browser's events of it. */
function visit(name, now = Date.now()) {
  const startedAt = now - minutes(2);
  const ids = { ...newIds(name, now), startedAt };
  const events = batch(
    ids,
    { eventName: "page_view", timestamp: startedAt - minutes(1) },
    { eventName: "faq_opened", timestamp: startedAt - 30_000, properties: { question: "Is it a subscription?" } },
    { eventName: "buy_button_clicked", timestamp: startedAt - 1 },
    { eventName: "checkout_started", timestamp: startedAt },
  );
  return { ids, events };
}

test("a signed payment converts the session that its metadata names", async ({ ttr }) => {
  const { ids, events } = visit("signed");
  await ttr.keyedEvents(events);
  const paidAt = ids.startedAt + 100_000;
  const body = paymentSucceeded({ id: "pay_signed", metadata: metadataOf(ids), paidAt });
  expect((await ttr.delivery(signed(body))).status).toBe(200);

  const session = await ttr.session(ids.sessionId);
  expect(session).toMatchObject({
    anonymousId: ids.anonymousId, converted: true, conversionType: "purchase", conversionValue: 99, currency: "USD",
  });
  expect(namesOf(session).slice(-2)).toEqual(["checkout_completed", "session_end"]);
  const [completed, end] = session.events.slice(-2).map(({ properties }) => properties);
  expect(completed).toMatchObject({
    conversionType: "purchase", revenue: 99, currency: "USD", orderId: "pay_signed", checkoutDuration: 100,
    source: "whop_webhook", sessionEnd: true,
  });
  expect(end).toMatchObject({
    converted: true, conversionType: "purchase", revenue: 99, currency: "USD", orderId: "pay_signed", duration: 100,
    source: "whop_webhook",
  });
});

test("the ids are found in data.checkout_session.metadata first", async ({ ttr }) => {
  const { ids } = visit("first");
  const other = visit("second").ids;
  const body = paymentSucceeded({ checkout_session: { metadata: metadataOf(ids) }, metadata: metadataOf(other) });
  expect((await ttr.delivery(signed(body))).status).toBe(200);
  expect((await ttr.session(ids.sessionId)).converted).toBe(true);
  expect(await ttr.session(other.sessionId)).toBeUndefined();
});

test("the older scheme, x-whop-signature, is believed too", async ({ ttr }) => {
  const { ids } = visit("older");
  const delivery = signedV5(paymentSucceededV5({ metadata: metadataOf(ids) }));
  expect((await ttr.delivery(delivery)).status).toBe(200);
  expect(await ttr.session(ids.sessionId)).toMatchObject({ converted: true, conversionValue: 99 });
});

const body = paymentSucceeded({ metadata: metadataOf(visit("unbelieved").ids) });
const good = signed(body);
const goodV5 = signedV5(body);
const withHeader = (name, change) => ({ body, headers: { ...good.headers, [name]: change(good.headers[name]) } });
const without = (name) => ({ body, headers: Object.fromEntries(Object.entries(good.headers).filter(([key]) => key !== name)) });

for (const [why, delivery] of Object.entries({
  "no signature at all": { body, headers: {} },
  "no webhook-signature": without("webhook-signature"),
  "no webhook-timestamp": without("webhook-timestamp"),
  "no webhook-id": without("webhook-id"),
  "another secret": signed(body, { key: "ws_another" }),
  "an empty secret": signed(body, { key: "\0" }), // as HMAC pads keys with zeros
  "the secret without its prefix": signed(body, { key: secret.slice(3) }),
  "a truncated signature": withHeader("webhook-signature", (it) => it.slice(0, -8)),
  "only the version of a signature": withHeader("webhook-signature", () => "v1,"),
  "an empty signature": withHeader("webhook-signature", () => ""),
  "a signature that is not base64": withHeader("webhook-signature", () => "v1,%%%"),
  "an unknown version": withHeader("webhook-signature", (it) => it.replace("v1,", "v9,")),
  "another id than the signed one": withHeader("webhook-id", () => "msg_2"),
  "another time than the signed one": withHeader("webhook-timestamp", (it) => String(Number(it) - 1)),
  "a time that is not one": withHeader("webhook-timestamp", () => "yesterday"),
  "a delivery of six minutes ago": signed(body, { at: Date.now() - minutes(6) }),
  "a delivery from the future": signed(body, { at: Date.now() + minutes(6) }),
  "a changed body": { ...good, body: body.replace('"total":99', '"total":9900') },
  "the older scheme with another secret": signedV5(body, { key: "ws_another" }),
  "the older scheme of six minutes ago": signedV5(body, { at: Date.now() - minutes(6) }),
  "the older scheme with any v1": { body, headers: { "x-whop-signature": goodV5.headers["x-whop-signature"].replace(/v1=.*/, "v1=00") } },
})) {
  test(`401 for ${why}`, async ({ ttr }) => {
    const { status, text } = await ttr.delivery(delivery);
    expect(status).toBe(401);
    expect(text).not.toContain("ws_");
    expect(await ttr.payments()).toEqual([]);
    expect(await ttr.sessions()).toEqual([]);
  });
}

test.describe("while the secret is rotated", () => {
  test.use({ env: { ...whopEnv, WHOP_WEBHOOK_SECRET: "ws_new,ws_old" } });

  test("both secrets are believed, and no third", async ({ ttr }) => {
    for (const [key, status] of [["ws_new", 200], ["ws_old", 200], ["ws_older", 401], ["ws_new,ws_old", 401]]) {
      const delivery = signed(paymentSucceeded({ id: `pay_${key.length}` }), { key, id: `msg_${key}` });
      expect((await ttr.delivery(delivery)).status, key).toBe(status);
    }
  });
});

for (const method of ["GET", "PUT", "DELETE"]) {
  test(`405 for ${method}`, async ({ ttr }) => {
    expect((await send(`${ttr.origin}/api/webhooks/whop`, { method })).status).toBe(405);
  });
}

test("413 over 2 MiB, not at 2 MiB", async ({ ttr }) => {
  const sized = (bytes) => ttr.delivery({ headers: {}, body: Buffer.alloc(bytes, " ") });
  expect((await sized((2 << 20) + 1)).status).toBe(413);
  expect((await sized(2 << 20)).status).toBe(401);
});

test("ten copies at once are one conversion", async ({ ttr }) => {
  const { ids, events } = visit("copies");
  await ttr.keyedEvents(events);
  const delivery = signed(paymentSucceeded({ metadata: metadataOf(ids) }));
  const answers = await Promise.all(Array.from({ length: 10 }, () => ttr.delivery(delivery)));
  expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
  const session = await ttr.session(ids.sessionId);
  expect(session).toMatchObject({ conversionValue: 99, conversions: [expect.anything()] });
  expect(namesOf(session).filter((name) => name === "checkout_completed")).toHaveLength(1);
  expect(namesOf(session).filter((name) => name === "session_end")).toHaveLength(1);
  expect(await ttr.payments()).toHaveLength(1);
});

test("the same payment under other delivery ids and in both versions is one conversion", async ({ ttr }) => {
  const { ids } = visit("resent");
  const metadata = metadataOf(ids);
  for (const id of ["msg_a", "msg_b"]) await ttr.delivery(signed(paymentSucceeded({ metadata }), { id }));
  await ttr.delivery(signedV5(paymentSucceededV5({ metadata })));
  expect(await ttr.session(ids.sessionId)).toMatchObject({ conversionValue: 99, conversions: [expect.anything()] });
});

test("a payment without metadata is kept and shown as unattributed", async ({ ttr }) => {
  expect((await ttr.delivery(signed(paymentSucceeded({ id: "pay_stranger" })))).status).toBe(200);
  expect(await ttr.payments()).toMatchObject([
    { provider: "whop", paymentId: "pay_stranger", currency: "USD", sessionId: null, unattributed: true },
  ]);
  expect(await ttr.sessions()).toEqual([]);
});

test("whether the payment or the browser's events come first makes no difference", async ({ ttr }) => {
  const now = Date.now();
  const told = async (name, order) => {
    const { ids, events } = visit(name, now);
    const delivery = signed(paymentSucceeded({ id: `pay_${name}`, metadata: metadataOf(ids), paidAt: now }), { id: `msg_${name}` });
    const say = { events: () => ttr.keyedEvents(events), payment: () => ttr.delivery(delivery) };
    for (const what of order) expect((await say[what]()).status).toBe(200);
    return JSON.parse(JSON.stringify(await ttr.session(ids.sessionId)).replaceAll(name, "name"));
  };
  const paymentFirst = await told("early", ["payment", "events"]);
  const eventsFirst = await told("later", ["events", "payment"]);
  expect(paymentFirst).toEqual(eventsFirst);
  expectInOrder(namesOf(paymentFirst), [
    "page_view", "faq_opened", "buy_button_clicked", "checkout_started", "checkout_completed", "session_end",
  ]);
});

test("what is signed but makes no sense is kept, and answered 200", async ({ ttr }) => {
  const bodies = ["", "no JSON", "{}", "[]", '{"type":"entry.created","data":{}}', '{"type":"payment.succeeded","data":null}'];
  for (const [i, text] of bodies.entries()) {
    expect((await ttr.delivery(signed(text, { id: `msg_${i}` }))).status, text).toBe(200);
  }
  expect(await ttr.sessions()).toEqual([]);
});
