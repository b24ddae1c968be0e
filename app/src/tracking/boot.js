// The start of the tracker. It runs inline in <head>, before anything else, and owns everything until the WASM is there:
// who this is (ids, private mode), which session this page belongs to, the page_view, a queue of complete events that it
// can send by itself and keeps for the next page, the hidden fields of an early buy click, and the SDK. Then `tracking::browser::start()` calls
// `__ttr(emit)`: it gets the state, and every listener here is silent.
//
// The rules are those of identity.rs and session.rs; cases.json is run against both. Small before all else, because it
// is in every page (under 1 KB in brotli; end2end/boot watches that): what can wait for the WASM (a session that grows
// old in an open page, consent, opting out, the return from a checkout) waits for it.
{
  const dataset = document.documentElement.dataset, now = Date.now;
  const { referrer } = document, page = { url: location.href, referrer };
  let local, session; // where things are kept: the browser's storage or, if that must not or cannot be used, this page
  let ignored, anonymousId, sessionId, clickId; // a visitor without an anonymousId is private
  let clock; // started, last activity, events so far, 1 if a checkout began
  let checkout; // anonymousId, sessionId, when it began
  let queue = []; // events as JSON; 0: nothing is told from here, or not any more

  // Every x becomes a digit by chance. What comes out is a name and no secret: it need only be nobody else's.
  const fill = (text, base) => text.replace(/x/g, () => ((Math.random() * base) | 0).toString(base));
  const newId = () => fill(now() + "_xxxxxxxxxxxxxxxx", 36);

  let emit = (eventName, properties = {}) => {
    const timestamp = (clock[1] = now()), hex = timestamp.toString(16);
    clock[2]++;
    session.aurea_session_clock = clock;
    const event = JSON.stringify({
      eventId: fill(`0${hex.slice(0, 7)}-${hex.slice(7)}-7xxx-8xxx-xxxxxxxxxxxx`, 16), // UUIDv7
      eventName,
      timestamp,
      properties,
      context: { page, user: { anonymousId }, session: { index: clock[2], sessionId } },
    });
    if (queue) {
      // Kept until the server has answered for it: nobody hears whether a beacon arrives.
      local.aurea_unsent = [local.aurea_unsent, event].join("\n").slice(-6e4);
      queue.push(event);
    }
  };
  const flush = () => {
    if (queue[0] && navigator.sendBeacon("/api/pulse", `{"sentAt":${now()},"events":[${queue}]}`)) queue = [];
  };
  // A checkout of this session began: its end is not the browser's to tell.
  const suspend = () => {
    local.aurea_checkout = checkout = [anonymousId, sessionId, now()];
    clock[3] = 1;
    session.aurea_session_clock = clock;
  };
  // This document owns the session now; a duplicate of the tab finds the mark.
  const view = () => {
    session.aurea_session_id = sessionId;
    session.aurea_session_open = 1;
    emit("page_view");
  };

  const start = () => {
    ignored = local.aurea_ignore;
    if (ignored) queue = 0;
    const wishes = [navigator.globalPrivacyControl, navigator.doNotTrack, local.aurea_consent || dataset.consent];
    if (ignored || /required|denied|true|yes|1/.test(wishes)) local = session = {};
    else anonymousId = local.aurea_anonymous_id = local.aurea_anonymous_id || newId();

    // The session that this page belongs to: its tab's own, the one that is at the checkout, or a new one.
    const t = now(), isReturn = dataset.return != null;
    clock = checkout = [];
    if (isReturn || !session.aurea_session_open) { // otherwise the tab was duplicated, and the original lives
      sessionId = session.aurea_session_id;
      clock = (session.aurea_session_clock || "").split(",");
      checkout = (local.aurea_checkout || "").split(",");
    }
    const away = t - checkout[2] < 864e5 && checkout[1];
    const own =
      sessionId && (sessionId == away || (!(isReturn && away) && t - clock[1] <= 18e5 && t - clock[0] <= 864e5));
    if (!own) {
      sessionId = away || newId();
      clock = away ? [checkout[2], t, 0, 1] : [t, t, 0];
    }
    view();
  };
  try {
    local = localStorage;
    session = sessionStorage;
    start();
  } catch {
    local = session = {}; // blocked or full
    start();
  }

  aureaSDK = {
    ready: new Promise((resolve) => {
      __ttr = (next) => {
        emit = next;
        // The last is for no reader: the queue is handed over and, from here on, 0.
        return [ignored, anonymousId, sessionId, clock, checkout, clickId, queue, resolve, (queue = 0)];
      };
    }),
    trackEvent(name, properties) {
      emit(name, properties);
    },
    checkoutStarted(properties) {
      emit("checkout_started", properties);
      suspend();
    },
    getAnonymousId: () => anonymousId,
    getSessionId: () => sessionId,
  };

  const on = (type, act) => addEventListener(type, (event) => queue && act(event), true);
  on("toggle", ({ target: { dataset: { question }, open } }) =>
    question && emit(open ? "faq_opened" : "faq_closed", { question }));
  on("submit", ({ target: form }) => {
    if (form.dataset.buy == null) return;
    clickId = clickId || newId(); // until the page is left, it is one click
    const fields = {
      anonymous_id: anonymousId || "",
      session_id: sessionId,
      click_id: clickId,
      started_at: parseInt(clickId),
      location: location.pathname,
      page_url: page.url,
      referrer,
    };
    for (const name in fields) form[name].value = fields[name];
    suspend();
  });
  on("pagehide", () => {
    clickId = 0;
    delete session.aurea_session_open;
    clock[3] || emit("session_end", { provisional: true });
    flush();
  });
  on("visibilitychange", flush); // when it becomes visible, too: sooner is no worse
  on("pageshow", ({ persisted }) => persisted && view());
}
