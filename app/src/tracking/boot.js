// The start of the tracker. It runs inline in <head>, before anything else, and owns everything until the WASM is there:
// who this is (ids, private mode), which session this page belongs to, the page_view, a queue of complete events that it
// can send by itself, the hidden fields of an early buy click, and the SDK. Then `tracking::browser::start()` calls
// `__ttr(emit)`: it gets the state, and every listener here is silent.
//
// The rules are those of identity.rs and session.rs; cases.json is run against both. Small before all else, because it
// is in every page: what can wait for the WASM (a session that grows old in an open page, consent, opting out, the
// return from a checkout) waits for it.
(() => {
  const { dataset } = document.documentElement, LOCAL = "localStorage", SESSION = "sessionStorage", DAY = 864e5;
  const now = Date.now, page = { url: location.href, referrer: document.referrer }, calls = [];
  let isPrivate, clickId, queue = [];

  // Reads, writes, or with null removes one key. Storage may be blocked or full, and is not touched in private mode.
  const store = (area, key, value) => {
    try {
      area = isPrivate || window[area];
      key = "aurea_" + key;
      if (value) area[key] = value;
      if (value === null) delete area[key];
      return area[key] || "";
    } catch {
      return "";
    }
  };
  const random = (length, base = 16) =>
    crypto.getRandomValues(new Uint8Array(length)).reduce((text, byte) => text + (byte % base).toString(base), "");
  const newId = (t) => t + "_" + random(16, 36);

  const save = () => {
    store(SESSION, "session_id", sessionId);
    store(SESSION, "session_clock", clock.join("."));
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

  const ignored = store(LOCAL, "ignore");
  if (ignored) emit = () => {};
  const consent = store(LOCAL, "consent") || dataset.consent;
  isPrivate = /true|1|yes|denied|required/.test([navigator.globalPrivacyControl, navigator.doNotTrack, consent]);
  const t = now();
  const anonymousId = isPrivate ? undefined : store(LOCAL, "anonymous_id") || newId(t);
  store(LOCAL, "anonymous_id", anonymousId);

  // The session that this page belongs to: its tab's own, the one that is at the checkout, or a new one.
  const isReturn = dataset.return != null;
  const copied = !isReturn && store(SESSION, "session_open"); // the tab was duplicated: the original lives
  let sessionId = store(SESSION, "session_id");
  let clock = store(SESSION, "session_clock").split("."); // started, last activity, events so far, 1 if a checkout began
  let checkout = store(LOCAL, "checkout").split("."); // anonymousId, sessionId, startedAt
  const away = t - checkout[2] < DAY && checkout[1];
  const own = sessionId && !copied && (sessionId == away || (t - clock[1] <= 18e5 && t - clock[0] <= DAY));
  if (away && away != sessionId && (isReturn || !(own || copied))) {
    sessionId = away;
    clock = [checkout[2], t, 0, 1];
  } else if (!own) {
    sessionId = newId(t);
    clock = [t, t, 0];
  }
  const open = () => {
    store(SESSION, "session_open", 1);
    emit("page_view");
  };
  open();

  // A checkout of this session began: its end is not the browser's to tell.
  const suspend = (started_at) => {
    clock[3] = 1;
    store(LOCAL, "checkout", (checkout = [anonymousId, sessionId, started_at]).join("."));
    save();
  };
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
    clickId = clickId || newId(now()); // until the page is left, it is one click
    const started_at = parseInt(clickId);
    suspend(started_at);
    const fields = {
      anonymous_id: anonymousId || "",
      session_id: sessionId,
      click_id: clickId,
      started_at,
      location: location.pathname,
      page_url: page.url,
      referrer: page.referrer,
    };
    for (const name in fields) form[name].value = fields[name];
  });
  on("visibilitychange", () => document.hidden && flush());
  on("pagehide", () => {
    clickId = 0;
    store(SESSION, "session_open", null);
    clock[3] || emit("session_end", { provisional: true, duration: ((now() - clock[0]) / 1e3) | 0 });
    flush();
  });
  on("pageshow", (_, { persisted }) => persisted && open());
})();
