// The inlined script as it is shipped (boot.min.js), in a window made of plain objects: the table of starts that it shares
// with the Rust rules, everything it does before the WASM is there, and the two scripts beside it (clicks, vitals). `node --test end2end/boot/`; no dependencies.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import vm from "node:vm";
import { brotliCompressSync } from "node:zlib";

const tracking = new URL("../../app/src/tracking/", import.meta.url);
const script = readFileSync(new URL("boot.min.js", tracking), "utf8");
const { cases } = JSON.parse(readFileSync(new URL("cases.json", tracking), "utf8"));

const NOW = 1700000000000;
const ID = /^\d{13}_[0-9a-z]{16}$/;
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** A window of which the boot script has just run. */
function boot({ now = NOW, local = {}, session = {}, flags = {}, gpc, dnt = null, blocked, full, beaconFull, hidden = false, observed } = {}) {
  const listeners = {};
  const beacons = [];
  const loaded = [];
  const page = {
    now,
    local: { ...local },
    session: { ...session },
    beacons,
    loaded,
    /** Calls the listeners of `type`; gives what they return. */
    fire: (type, event = {}) => (listeners[type] ?? []).map((act) => act({ type, target: document, ...event })),
    /** The events in the beacons so far. */
    sent: () => beacons.flatMap((body) => JSON.parse(body).events),
    /** The events that leave when the page is hidden now. */
    hide: () => {
      document.hidden = true;
      page.fire("visibilitychange");
      document.hidden = false;
      return page.sent();
    },
  };
  const document = {
    documentElement: { dataset: { js: "/pkg/ttr.js", wasm: "/pkg/ttr.wasm", ...flags } },
    referrer: "https://search.example/",
    readyState: "loading",
    hidden,
    querySelectorAll: () => [],
  };
  const refuse = () => { throw new Error("SecurityError"); };
  const keep = (values, key, value) => ((values[key] = String(value)), true);
  const set = { true: refuse, almost: (values, key, value) => (key == "aurea_unsent" ? refuse() : keep(values, key, value)) };
  const area = (values) => new Proxy(values, { set: set[full] ?? keep });
  const window = {
    document,
    location: { href: "https://ttr.example/?utm_source=x", pathname: "/", origin: "https://ttr.example" },
    navigator: {
      globalPrivacyControl: gpc,
      doNotTrack: dnt,
      sendBeacon: (url, body) => {
        assert.equal(url, "/api/pulse");
        return !beaconFull && beacons.push(body) > 0;
      },
    },
    addEventListener: (type, act) => (listeners[type] ??= []).push(act),
    crypto: globalThis.crypto,
    Date: class extends Date { static now() { return page.now; } },
    get localStorage() { return blocked ? refuse() : area(page.local); },
    get sessionStorage() { return blocked ? refuse() : area(page.session); },
  };
  if (observed) Object.assign(window, observed);
  window.window = window;
  vm.runInContext(script, vm.createContext(window));
  return Object.assign(page, { window, document, sdk: window.aureaSDK });
}

/** A buy form as the page renders it. */
function buyForm() {
  const names = ["anonymous_id", "session_id", "click_id", "started_at", "location", "page_url", "referrer"];
  return { dataset: { buy: "" }, ...Object.fromEntries(names.map((name) => [name, { value: "" }])) };
}

const values = (form) => Object.fromEntries(Object.keys(form).filter((k) => k != "dataset").map((k) => [k, form[k].value]));

for (const { name, ...given } of cases) {
  test(`start: ${name}`, () => {
    const id = given.id ?? "s";
    const local = { aurea_anonymous_id: "a" }, session = {};
    if (given.consent) local.aurea_consent = given.consent;
    if (given.ignored) local.aurea_ignore = "1";
    if (given.checkout) local.aurea_checkout = ["a", given.checkout[0], NOW + given.checkout[1]].join(",");
    if (given.clock || given.id) session.aurea_session_id = id;
    if (given.clock) {
      const [started, last, ...rest] = given.clock;
      session.aurea_session_clock = [NOW + started, NOW + last, ...rest].join(",");
    }
    if (given.open) session.aurea_session_open = "1";
    const flags = { ...(given.return && { return: "" }), ...(given.consentRequired && { consent: "required" }) };
    const before = { local: { ...local }, session: { ...session } };
    const page = boot({ local, session, flags, gpc: given.gpc, dnt: given.dnt ?? null, blocked: given.blocked });

    const sessionId = page.sdk.getSessionId();
    const expected = { kept: id, adopted: given.checkout?.[0] }[given.expect];
    if (expected) assert.equal(sessionId, expected);
    else assert.match(sessionId, ID);

    const [view, ...more] = page.hide();
    if (given.silent) return assert.equal(view, undefined);
    assert.equal(more.length, 0);
    assert.equal(view.eventName, "page_view");
    assert.equal(view.context.session.sessionId, sessionId);
    if (given.private || given.blocked) {
      assert.deepEqual({ local: page.local, session: page.session }, before, "nothing is stored, not even unsent events");
      if (given.private) assert.deepEqual(view.context.user, {});
      else assert.match(view.context.user.anonymousId, ID);
      return;
    }
    const clock = {
      kept: () => [NOW + given.clock[0], NOW, given.clock[2] + 1, ...given.clock.slice(3)],
      adopted: () => [NOW + given.checkout[1], NOW, 1, 1],
      new: () => [NOW, NOW, 1],
    }[given.expect]();
    assert.equal(page.session.aurea_session_id, sessionId);
    assert.equal(page.session.aurea_session_clock, clock.join(","));
    assert.equal(page.session.aurea_session_open, "1");
    assert.equal(view.context.user.anonymousId, "a");
    assert.equal(view.context.session.index, clock[2]);
  });
}

test("the page_view is a complete event", () => {
  const page = boot();
  const [event] = page.hide();
  assert.match(event.eventId, UUID_V7);
  assert.equal(parseInt(event.eventId.replace("-", "").slice(0, 12), 16), NOW);
  assert.match(page.local.aurea_anonymous_id, ID);
  assert.deepEqual(event, {
    eventId: event.eventId,
    eventName: "page_view",
    properties: {},
    context: {
      user: { anonymousId: page.local.aurea_anonymous_id },
      session: { sessionId: page.session.aurea_session_id, index: 1 },
      page: { url: "https://ttr.example/?utm_source=x", referrer: "https://search.example/" },
    },
    timestamp: NOW,
  });
  assert.equal(JSON.parse(page.beacons[0]).sentAt, NOW);
});

test("early questions and calls are kept with their time, ids and index", () => {
  const page = boot();
  page.now += 100;
  page.fire("toggle", { target: { dataset: { question: "Is it?" }, open: true } });
  page.fire("toggle", { target: { dataset: {}, open: true } });
  page.now += 100;
  page.sdk.trackEvent("custom", { n: 1 });
  const [, opened, custom] = page.hide();
  assert.deepEqual([opened.eventName, opened.properties, opened.timestamp], ["faq_opened", { question: "Is it?" }, NOW + 100]);
  assert.deepEqual([custom.eventName, custom.properties, custom.timestamp], ["custom", { n: 1 }, NOW + 200]);
  assert.deepEqual([opened.context.session.index, custom.context.session.index], [2, 3]);
  assert.equal(page.session.aurea_session_clock, [NOW, NOW + 200, 3].join(","));
});

test("an early buy click fills the form, keeps its burst together and suspends the session", () => {
  const page = boot();
  const form = buyForm();
  page.now += 500;
  page.fire("submit", { target: form });
  const first = values(form);
  assert.match(first.click_id, ID);
  assert.deepEqual(first, {
    anonymous_id: page.local.aurea_anonymous_id,
    session_id: page.session.aurea_session_id,
    click_id: first.click_id,
    started_at: NOW + 500,
    location: "/",
    page_url: "https://ttr.example/?utm_source=x",
    referrer: "https://search.example/",
  });
  assert.equal(page.local.aurea_checkout, [first.anonymous_id, first.session_id, NOW + 500].join(","));
  page.now += 300;
  page.fire("submit", { target: form });
  assert.deepEqual(values(form), first, "a double click is one click");

  page.fire("pagehide");
  assert.deepEqual(page.sent().map((event) => event.eventName), ["page_view"], "no session_end after a checkout began");
  page.fire("pageshow", { persisted: true });
  page.fire("submit", { target: form });
  assert.notEqual(values(form).click_id, first.click_id, "a click after a return is a new one");
});

test("other forms are left alone", () => {
  const form = { ...buyForm(), dataset: {} };
  boot().fire("submit", { target: form });
  assert.equal(form.session_id.value, "");
});

test("checkoutStarted tells the event and suspends the session", () => {
  const page = boot();
  page.sdk.checkoutStarted({ productId: "ttr" });
  page.fire("pagehide");
  assert.deepEqual(page.sent().map((event) => event.eventName), ["page_view", "checkout_started"]);
  assert.equal(page.local.aurea_checkout.split(",")[1], page.session.aurea_session_id);
});

test("a page left before the WASM came sends everything once, with a provisional end", () => {
  const page = boot();
  page.now += 5999;
  page.hide();
  page.fire("pagehide");
  page.hide();
  const events = page.sent();
  assert.deepEqual(events.map((event) => event.eventName), ["page_view", "session_end"]);
  assert.deepEqual(events[1].properties, { provisional: true });
  assert.equal(page.beacons.length, 2);
  assert.equal("aurea_session_open" in page.session, false, "the tab no longer claims the session");
});

test("a refused beacon loses nothing", () => {
  const page = boot({ beaconFull: true });
  page.hide();
  assert.equal(page.window.__ttr(() => {})[6].length, 1);
});

const unsentOf = (page) => page.local.aurea_unsent.split("\n").filter(Boolean).map((line) => JSON.parse(line));

test("every event is kept for the next page until the server has answered for it", () => {
  const page = boot({ local: { aurea_unsent: '{"of":"an earlier page"}' } });
  page.sdk.trackEvent("custom");
  page.fire("pagehide");
  const [earlier, ...kept] = unsentOf(page);
  assert.deepEqual(earlier, { of: "an earlier page" });
  assert.deepEqual(kept.map((event) => event.eventName), ["page_view", "custom", "session_end"]);
  assert.deepEqual(kept, page.sent(), "with the ids that were sent by beacon");
});

test("a browser that never gets the WASM keeps only so much", () => {
  const page = boot();
  for (let n = 0; n < 500; n++) page.sdk.trackEvent("custom", { n });
  assert.ok(page.local.aurea_unsent.length <= 60_000);
  assert.equal(JSON.parse(page.local.aurea_unsent.split("\n").at(-1)).properties.n, 499);
});

test("a page from the back/forward cache is viewed again and claims its session", () => {
  const page = boot();
  page.fire("pageshow", { persisted: false });
  page.fire("pagehide");
  page.fire("pageshow", { persisted: true });
  assert.equal(page.session.aurea_session_open, "1");
  assert.deepEqual(page.hide().map((event) => event.eventName), ["page_view", "session_end", "page_view"]);
});

test("full storage breaks nothing", () => {
  for (const full of [true, "almost"]) {
    const page = boot({ full });
    assert.deepEqual(page.hide().map((event) => event.eventName), ["page_view"]);
  }
});

test("an ignored browser's buy click carries no ids", () => {
  const form = buyForm();
  const page = boot({ local: { aurea_ignore: "1" } });
  page.fire("submit", { target: form });
  assert.equal(form.session_id.value, "");
  assert.equal(page.local.aurea_checkout, undefined);
});

test("after the take-over every listener is silent and calls go to the WASM", () => {
  const page = boot();
  const early = page.sdk.trackEvent;
  page.sdk.consent(true);
  const told = [];
  const state = page.window.__ttr((...call) => told.push(call));
  const [ignored, anonymousId, sessionId, clock, checkout, clickId, queue] = state;
  const { calls } = page.window.__ttr;
  assert.deepEqual([ignored, clickId], [undefined, undefined]);
  assert.deepEqual([anonymousId, sessionId], [page.local.aurea_anonymous_id, page.session.aurea_session_id]);
  assert.deepEqual([clock.join(","), checkout.join(",")], [page.session.aurea_session_clock, ""]);
  assert.deepEqual(Array.from(queue, (event) => JSON.parse(event).eventName), ["page_view"]);
  assert.deepEqual(Array.from(calls, (call) => [...call]), [["consent", true]]);

  const form = buyForm();
  page.fire("toggle", { target: { dataset: { question: "?" }, open: true } });
  page.fire("submit", { target: form });
  page.fire("pagehide");
  page.fire("pageshow", { persisted: true });
  assert.deepEqual([page.hide(), form.session_id.value, queue.length], [[], "", 1]);
  early("late", { n: 1 });
  assert.deepEqual(told, [["late", { n: 1 }]]);
});

const esbuild = await import("esbuild").catch(() => null);
test("boot.min.js is made from its sources", { skip: !esbuild && "esbuild is not installed" }, () => {
  const sources = ["vitals.js", "clicks.js", "boot.js", "loader.js"].map((name) => readFileSync(new URL(name, tracking), "utf8"));
  assert.equal(script, esbuild.transformSync(sources.join(""), { minify: true, target: "es2020" }).code);
});

test("a module that cannot be fetched is no error, and the boot script goes on sending", async () => {
  const page = boot();
  page.document.readyState = "complete";
  const fetches = page.fire("scroll"); // import() fails in this window
  assert.equal(fetches.length, 1);
  await Promise.all(fetches); // rejects if the loader does
  assert.deepEqual(page.hide().map((event) => event.eventName), ["page_view"]);
});

test("inlined, all four scripts stay small", () => {
  const compressed = brotliCompressSync(script).length;
  assert.ok(compressed <= 1950, `${compressed} bytes`);
});

test("the boot script alone is under 1 KB", { skip: !esbuild && "esbuild is not installed" }, () => {
  const source = readFileSync(new URL("boot.js", tracking), "utf8");
  const compressed = brotliCompressSync(esbuild.transformSync(source, { minify: true, target: "es2020" }).code).length;
  assert.ok(compressed < 1024, `${compressed} bytes`);
});

// clicks.js

/** A link as clicks.js sees it, and something in it that is clicked. */
function link(href, { cta, text = "  Read on " } = {}) {
  const { origin, href: whole } = new URL(href, "https://ttr.example/");
  const it = { origin, href: whole, textContent: text, dataset: { cta }, getAttribute: () => href };
  return { closest: (selector) => (selector == "a[href]" ? it : null) };
}

/** What a click tells. */
function told(target, { type = "click", button = 0 } = {}) {
  const page = boot();
  page.fire(type, { target, button });
  return page.hide().slice(1).map(({ eventName, properties }) => [eventName, properties]);
}

test("a click on a call to action tells where it stands, what it says and where it leads", () => {
  const cta = link("#pricing", { cta: "hero" });
  const expected = [["cta_clicked", { label: "Read on", target: "#pricing", location: "hero" }]];
  assert.deepEqual(told(cta), expected);
  assert.deepEqual(told(cta, { type: "auxclick", button: 1 }), expected, "the middle button");
  assert.deepEqual(told(cta, { type: "auxclick", button: 2 }), [], "the right one only opens a menu");
});

test("a click on a link that leads away tells where to, without what may name people", () => {
  for (const [href, url] of [
    ["https://other.example/a/b?email=me@x.example#token", "https://other.example/a/b"],
    ["http://ttr.example/", "http://ttr.example/"],
    ["mailto:hello@ttr.example?subject=me", "mailto:hello@ttr.example"],
    ["tel:+49123", "tel:+49123"],
  ]) assert.deepEqual(told(link(href)), [["outbound_clicked", { url }]], href);
});

test("other clicks tell nothing", () => {
  assert.deepEqual(told(link("/privacy")), []);
  assert.deepEqual(told({ closest: () => null }), []);
  assert.deepEqual(told({}), [], "the document itself");
  assert.deepEqual(told({ closest: () => ({ href: { baseVal: "#" }, dataset: {} }) }), [], "a link in a drawing");
});

// vitals.js

/** A browser that observed `entries`; those of `late` it has not reported yet. */
function observing(entries, late = {}, supported = ["event", "first-input", "largest-contentful-paint", "layout-shift", "paint"]) {
  class PerformanceObserver {
    static supportedEntryTypes = supported;
    constructor(report) { this.report = report; }
    observe({ type, buffered }) {
      assert.equal(buffered, true);
      this.type = type;
      this.report({ getEntries: () => entries[type] ?? [] });
    }
    takeRecords() { return late[this.type] ?? []; }
  }
  return { PerformanceObserver, performance: { getEntriesByType: () => [{ responseStart: 12.4 }] } };
}

const vitalsOf = (page) => page.sent().filter(({ eventName }) => eventName == "web_vitals").map(({ properties }) => properties);

test("web vitals are whole numbers, told once when the page is first hidden, before its end", () => {
  const page = boot({ observed: observing({
    paint: [{ name: "first-paint", startTime: 90 }, { name: "first-contentful-paint", startTime: 101.6 }],
    "largest-contentful-paint": [{ startTime: 150.2 }, { startTime: 300.7 }],
    "layout-shift": [{ startTime: 100, value: 0.05 }, { startTime: 200, value: 0.01, hadRecentInput: true }],
    event: [{ interactionId: 1, duration: 48 }, { interactionId: 1, duration: 24 }, { interactionId: 0, duration: 900 }],
  }, { event: [{ interactionId: 2, duration: 104 }] }) });
  page.fire("visibilitychange");
  assert.deepEqual(vitalsOf(page), [], "still in view");
  page.fire("pagehide");
  page.hide();
  assert.deepEqual(vitalsOf(page), [{ cls: 50, fcp: 102, lcp: 301, inp: 104, ttfb: 12 }]);
  assert.deepEqual(page.sent().map(({ eventName }) => eventName), ["page_view", "web_vitals", "session_end"]);
});

test("layout shifts count in bursts of at most five seconds, and the worst burst counts", () => {
  const shifts = [[0, 0.01], [900, 0.02], [2500, 0.01], ...Array.from({ length: 8 }, (_, n) => [4000 + n * 900, 0.01])];
  const page = boot({ observed: observing({ "layout-shift": shifts.map(([startTime, value]) => ({ startTime, value })) }) });
  page.fire("pagehide");
  assert.equal(vitalsOf(page)[0].cls, 60); // six within 5 s
});

test("one slow interaction in fifty is forgiven", () => {
  const event = Array.from({ length: 50 }, (_, n) => ({ interactionId: n + 1, duration: n == 7 ? 900 : 40 }));
  const page = boot({ observed: observing({ event }) });
  page.fire("pagehide");
  assert.equal(vitalsOf(page)[0].inp, 40);
});

test("what the browser does not measure is left out", () => {
  const page = boot({ observed: observing({}, {}, ["paint"]) });
  page.fire("pagehide");
  assert.deepEqual(vitalsOf(page), [{ ttfb: 12 }]);
  assert.deepEqual(vitalsOf(boot()), []);
});

test("a page opened in the background has no vitals", () => {
  const page = boot({ hidden: true, observed: observing({ paint: [{ name: "first-contentful-paint", startTime: 9e5 }] }) });
  page.fire("pagehide");
  assert.deepEqual(vitalsOf(page), []);
});
