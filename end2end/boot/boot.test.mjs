// The boot script as it is shipped (boot.min.js), in a window made of plain objects: the table of starts that it shares
// with the Rust rules, and everything it does before the WASM is there. `node --test end2end/boot/`; no dependencies.

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
function boot({ now = NOW, local = {}, session = {}, flags = {}, gpc, dnt = null, blocked, full, beaconFull } = {}) {
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
    fire: (type, event = {}) => (listeners[type] ?? []).map((act) => act({ target: document, ...event })),
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
    hidden: false,
    querySelectorAll: () => [],
  };
  const refuse = () => { throw new Error("SecurityError"); };
  const keep = (values, key, value) => ((values[key] = String(value)), true);
  const area = (values) => new Proxy(values, { set: full ? refuse : keep });
  const window = {
    document,
    location: { href: "https://ttr.example/?utm_source=x", pathname: "/" },
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
      assert.deepEqual({ local: page.local, session: page.session }, before, "nothing is stored");
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
  assert.equal(page.window.__ttr(() => {})[7].length, 1);
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
  assert.equal(boot({ full: true }).hide().length, 1);
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
  const [isPrivate, ignored, anonymousId, sessionId, clock, checkout, clickId, queue, calls] = state;
  assert.deepEqual([isPrivate, ignored, clickId], [false, undefined, undefined]);
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
  const sources = ["boot.js", "loader.js"].map((name) => readFileSync(new URL(name, tracking), "utf8"));
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

test("inlined, boot script and loader stay small", () => {
  const compressed = brotliCompressSync(script).length;
  assert.ok(compressed <= 1240, `${compressed} bytes`);
});

test("the boot script alone is under 1 KB", { skip: !esbuild && "esbuild is not installed" }, () => {
  const source = readFileSync(new URL("boot.js", tracking), "utf8");
  const compressed = brotliCompressSync(esbuild.transformSync(source, { minify: true, target: "es2020" }).code).length;
  assert.ok(compressed < 1024, `${compressed} bytes`);
});
