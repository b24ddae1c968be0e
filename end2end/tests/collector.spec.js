// What the collector takes, from whom, and what it answers.
import { expect, serverTest as test } from "../support/test.js";
import { batch, newIds, seedSession } from "../support/events.js";
import { send } from "../support/http.js";
import { namesOf } from "../support/visit.js";
import { whopEnv } from "../support/whop.js";

test.use({ env: whopEnv });

const pageView = { eventName: "page_view" };
const onlySeedFields = ({ eventName, timestamp, properties }) => ({ eventName, timestamp, ...(properties && { properties }) });

test("the seed's eight events give the seed's session", async ({ ttr }) => {
  const body = batch(seedSession, ...seedSession.events);
  const answer = await ttr.keyedEvents(body);
  expect(answer.status).toBe(200);
  expect(answer.json.results.map(({ result }) => result)).toEqual(Array(8).fill("ok"));

  const session = await ttr.session(seedSession.sessionId);
  expect(session).toMatchObject({ ...seedSession, events: expect.any(Array) });
  expect(session.events.map(onlySeedFields)).toEqual(seedSession.events);
  expect(session).toMatchObject({ currency: "USD", netValue: 99, state: "converted" });

  const again = await ttr.keyedEvents(body);
  expect(again.json.results.map(({ result }) => result)).toEqual(Array(8).fill("duplicate"));
  expect(await ttr.session(seedSession.sessionId)).toEqual(session);
});

test("the seed's events in any order and split give the same session", async ({ ttr }) => {
  for (const it of seedSession.events.toReversed()) {
    expect((await ttr.keyedEvents(batch(seedSession, it))).status).toBe(200);
  }
  const session = await ttr.session(seedSession.sessionId);
  expect(session).toMatchObject({ ...seedSession, events: expect.any(Array) });
  expect(session.events.map(onlySeedFields)).toEqual(seedSession.events);
});

test("a browser cannot say that money came in", async ({ ttr }) => {
  const ids = newIds("cheat");
  expect((await ttr.browserEvents(batch(ids, pageView))).json.results).toMatchObject([{ result: "ok" }]);
  const before = await ttr.session(ids.sessionId);
  for (const eventName of ["checkout_completed", "checkout_failed", "payment_refunded", "payment_disputed", "subscription_renewed"]) {
    const answer = await ttr.browserEvents(batch(ids, { eventName, properties: { revenue: 99, orderId: "mine" } }));
    expect(answer.status).toBe(200);
    expect(answer.json.results, eventName).toMatchObject([{ result: "dropped", detail: expect.any(String) }]);
  }
  expect(await ttr.session(ids.sessionId)).toEqual(before);
  expect(before.converted).toBe(false);
  expect(await ttr.payments()).toEqual([]);
});

test("one bad event does not spoil its batch", async ({ ttr }) => {
  const ids = newIds("mixed");
  const body = batch(ids, pageView, { eventName: "checkout_completed" }, { eventName: "faq_opened" });
  body.events.push({ eventName: 7 });
  const answer = await ttr.browserEvents(body);
  expect(answer.status).toBe(200);
  expect(answer.json.results.map(({ result }) => result)).toEqual(["ok", "dropped", "ok", "dropped"]);
  expect(namesOf(await ttr.session(ids.sessionId)).toSorted()).toEqual(["faq_opened", "page_view"]);
});

test("a name that is not in the catalogue is a custom event", async ({ ttr }) => {
  const ids = newIds("custom");
  await ttr.browserEvents(batch(ids, { eventName: "owner_invented_this", properties: { n: 1 } }));
  expect((await ttr.session(ids.sessionId)).events).toMatchObject([{ eventName: "owner_invented_this", properties: { n: 1 } }]);
});

test("without a key only our own page may post", async ({ ttr }) => {
  const body = JSON.stringify(batch(newIds("origin"), pageView));
  const post = (headers, path = "/api/pulse") =>
    send(ttr.origin + path, { headers: { "content-type": "application/json", ...headers }, body });
  for (const path of ["/api/pulse", "/api/track/events"]) {
    for (const headers of [
      {},
      { origin: "https://elsewhere.example" },
      { origin: "null" },
      { origin: ttr.simulator },
      { "sec-fetch-site": "cross-site", origin: "https://elsewhere.example" },
      { "sec-fetch-site": "same-site", origin: "https://elsewhere.example" },
    ]) {
      const { status, json } = await post(headers, path);
      expect(status, `${path} ${JSON.stringify(headers)}`).toBe(403);
      expect(json).toMatchObject({ error: expect.stringMatching(/^[a-z_]+$/), message: expect.any(String) });
    }
  }
  expect(await ttr.sessions()).toEqual([]);
  expect((await post({ origin: ttr.origin })).status).toBe(200);
  expect((await post({ "sec-fetch-site": "same-origin" })).status).toBe(200);
});

test("a key opens the door from anywhere, a wrong one does not", async ({ ttr }) => {
  const body = batch(newIds("key"), pageView);
  expect((await ttr.keyedEvents(body, { origin: "https://elsewhere.example" })).status).toBe(200);
  expect((await ttr.keyedEvents(body, { "x-aurea-api-key": "wrong" })).status).toBe(401);
  expect((await ttr.keyedEvents(body, { "x-aurea-funnel-id": "another" })).status).toBe(401);
  expect((await ttr.keyedEvents(body, { "x-aurea-api-key": "" })).status).toBe(401);
});

test("what is not a batch of events is told so", async ({ ttr }) => {
  for (const body of ["", "no JSON", "[]", "{}", '{"events":{}}', '"text"', '{"events":[', "\u0000"]) {
    const { status, json } = await ttr.browserEvents(body);
    expect(status, body).toBe(400);
    expect(json, body).toMatchObject({ error: expect.stringMatching(/^[a-z_]+$/), message: expect.any(String) });
  }
});

test("JSON comes as application/json or as text/plain, else 415", async ({ ttr }) => {
  const as = (type) => ttr.browserEvents(batch(newIds("type"), pageView), { "content-type": type });
  expect((await as("application/json; charset=utf-8")).status).toBe(200);
  expect((await as("text/plain;charset=UTF-8")).status).toBe(200);
  expect((await as("text/html")).status).toBe(415);
  expect((await as("application/x-www-form-urlencoded")).status).toBe(415);
});

test("a body over 1 MiB is too large", async ({ ttr }) => {
  const body = JSON.stringify({ ...batch(newIds("large"), pageView), padding: "x".repeat(1 << 20) });
  expect((await ttr.browserEvents(body)).status).toBe(413);
});

test("the owner's JSON is for the owner", async ({ ttr }) => {
  const url = `${ttr.origin}/api/aurea/funnels/ttr/sessions`;
  for (const headers of [{}, { authorization: "Bearer wrong" }, { authorization: "Basic b3duZXI6" }]) {
    expect((await send(url, { method: "GET", headers })).status).toBe(401);
  }
});
