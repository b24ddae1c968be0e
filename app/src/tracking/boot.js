// The start of the tracker. It runs inline in <head>, before anything else, and owns everything until the WASM is there:
// who this is (ids, private mode), which session this page belongs to, the page_view, a queue of complete events that it
// can send by itself, the hidden fields of an early buy click, and the SDK. Then `tracking::browser::start()` calls
// `__ttr(emit)`: it gets the state, and every listener here is silent.
//
// The rules are those of identity.rs and session.rs; cases.json is run against both. Small before all else, because it
// is in every page: what can wait for the WASM (a session that grows old in an open page, consent, opting out, the
// return from a checkout) waits for it.
(() => {
  const { dataset } = document.documentElement, now = Date.now;
  const page = { url: location.href, referrer: document.referrer }, calls = [];
  let local, session; // where things are kept: the browser's storage or, if that must not or cannot be used, this page
  let ignored, isPrivate, anonymousId, sessionId, clickId, queue = [];
  let clock; // started, last activity, events so far, 1 if a checkout began
  let checkout; // anonymousId, sessionId, startedAt

  const random = (length, base = 16) =>
    crypto.getRandomValues(new Uint8Array(length)).reduce((text, byte) => text + (byte % base).toString(base), "");
  const newId = () => now() + "_" + random(16, 36);

  const save = () => {
    session.aurea_session_id = sessionId;
    session.aurea_session_clock = clock.join(".");
  };
  let emit = (eventName, properties = {}) => {
    const timestamp = now(), hex = timestamp.toString(16);
    clock[1] = timestamp;
    clock[2]++;
    save();
    queue.push(
      JSON.stringify({
        eventId: `0${hex.slice(0, 7)}-${hex.slice(7)}-7${random(3)}-8${random(3)}-${random(12)}`, // UUIDv7
        eventName,
        properties,
        context: { user: { anonymousId }, session: { sessionId, index: clock[2] }, page },
        timestamp,
      }),
    );
  };
  const flush = () => {
    if (queue[0] && navigator.sendBeacon("/api/pulse", `{"sentAt":${now()},"events":[${queue}]}`)) queue = [];
  };
  // A checkout of this session began: its end is not the browser's to tell.
  const suspend = (startedAt) => {
    checkout = [anonymousId, sessionId, startedAt];
    clock[3] = 1;
    save();
    local.aurea_checkout = checkout.join(".");
  };
  // This document owns the session now; a duplicate of the tab finds the mark.
  const view = () => {
    session.aurea_session_open = 1;
    emit("page_view");
  };

  const start = (visitorStorage, tabStorage) => {
    local = visitorStorage;
    session = tabStorage;
    ignored = local.aurea_ignore;
    if (ignored) emit = () => {};
    const consent = local.aurea_consent || dataset.consent;
    isPrivate =
      ignored || /true|1|yes|denied|required/.test([navigator.globalPrivacyControl, navigator.doNotTrack, consent]);
    if (isPrivate) local = session = {};
    else anonymousId = local.aurea_anonymous_id = local.aurea_anonymous_id || newId();

    // The session that this page belongs to: its tab's own, the one that is at the checkout, or a new one.
    const t = now(), DAY = 864e5, isReturn = dataset.return != null;
    const copied = !isReturn && session.aurea_session_open; // the tab was duplicated: the original lives
    sessionId = session.aurea_session_id;
    clock = (session.aurea_session_clock || "").split(".");
    checkout = (local.aurea_checkout || "").split(".");
    const away = t - checkout[2] < DAY && checkout[1];
    const own = sessionId && !copied && (sessionId == away || (t - clock[1] <= 18e5 && t - clock[0] <= DAY));
    if (away && away != sessionId && (isReturn || !(own || copied))) {
      sessionId = away;
      clock = [checkout[2], t, 0, 1];
    } else if (!own) {
      sessionId = newId();
      clock = [t, t, 0];
    }
    view();
  };
  try {
    start(localStorage, sessionStorage);
  } catch {
    start({}, {}); // blocked or full
  }

  const later = (name) => (argument) => { calls.push([name, argument]); };
  aureaSDK = {
    ready: new Promise((resolve) => {
      __ttr = (next) => {
        const state = [isPrivate, ignored, anonymousId, sessionId, clock, checkout, clickId, queue, calls, resolve];
        emit = next;
        queue = 0;
        return state;
      };
    }),
    trackEvent: (name, properties) => emit(name, properties),
    checkoutStarted(properties) {
      emit("checkout_started", properties);
      suspend(now());
    },
    getAnonymousId: () => anonymousId,
    getSessionId: () => sessionId,
    endSession: later("endSession"),
    consent: later("consent"),
    optOut: later("optOut"),
  };

  const on = (type, act) => addEventListener(type, (event) => queue && act(event.target, event), true);
  on("toggle", ({ dataset: { question }, open }) => question && emit(open ? "faq_opened" : "faq_closed", { question }));
  on("submit", (form) => {
    if (ignored || form.dataset.buy == null) return;
    clickId = clickId || newId(); // until the page is left, it is one click
    const fields = {
      anonymous_id: anonymousId || "",
      session_id: sessionId,
      click_id: clickId,
      started_at: parseInt(clickId),
      location: location.pathname,
      page_url: page.url,
      referrer: page.referrer,
    };
    for (const name in fields) form[name].value = fields[name];
    suspend(parseInt(clickId));
  });
  on("visibilitychange", () => document.hidden && flush());
  on("pagehide", () => {
    clickId = 0;
    delete session.aurea_session_open;
    clock[3] || emit("session_end", { provisional: true });
    flush();
  });
  on("pageshow", (_, { persisted }) => persisted && view());
})();
