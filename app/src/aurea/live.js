// Keeps an open timeline up to date. The server says `changed`; the page asks for itself again and takes over what is in
// its `#live`, so that the first answer and every later one are drawn by the same code. What the reader has opened, where
// the focus is and where the page stands stay as they are. Without this script the page is the same, and has a link.
const live = document.getElementById("live");
const mark = document.getElementById("live-mark");
const news = document.getElementById("live-news");

const events = () => Number(live.querySelector("[data-events]")?.dataset.events ?? 0);

const show = (connected) => {
  mark.hidden = false;
  mark.textContent = connected ? "Live" : "Not connected";
  mark.classList.toggle("on", connected);
};

// An element that will be there again after the exchange: the nearest one with an id, and the how-manieth inside it.
const focusable = "a, button, summary, pre, input";
const placeOf = (element) => {
  const home = element.closest("#live [id]") ?? live;
  return { home: home.id, at: [...home.querySelectorAll(focusable)].indexOf(element) };
};
const focusOn = ({ home, at }) =>
  document.getElementById(home)?.querySelectorAll(focusable)[at]?.focus({ preventScroll: true });

const exchange = (fresh) => {
  const opened = new Set([...live.querySelectorAll("details[open][id]")].map((details) => details.id));
  const closed = new Set([...live.querySelectorAll("details[id]:not([open])")].map((details) => details.id));
  const focused = live.contains(document.activeElement) && document.activeElement !== live;
  const place = focused && placeOf(document.activeElement);
  const scrolled = scrollY;
  live.replaceChildren(...fresh.childNodes);
  for (const details of live.querySelectorAll("details[id]")) {
    if (opened.has(details.id)) details.open = true;
    if (closed.has(details.id)) details.open = false;
  }
  if (place) focusOn(place);
  scrollTo({ top: scrolled, behavior: "instant" });
};

let asking = false;
let again = false;
const refresh = async () => {
  if (asking) return void (again = true);
  asking = true;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "error" });
    const fresh = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
    if (!fresh) throw new Error(`status ${answer.status}`);
    const before = events();
    exchange(fresh);
    const added = events() - before;
    if (added > 0) news.textContent = added === 1 ? "1 new event" : `${added} new events`;
  } catch {
    show(false);
  } finally {
    asking = false;
  }
  if (again) {
    again = false;
    await refresh();
  }
};

// Only while somebody looks: over plain http a browser has six connections for a site, and each stream holds one. At every
// opening the page is asked for once more, as something may have happened since it was drawn.
let source;
const watch = () => {
  source = new EventSource(live.dataset.live);
  source.addEventListener("open", () => (show(true), refresh()));
  source.addEventListener("error", () => show(false));
  source.addEventListener("changed", refresh);
};
const rest = () => {
  source?.close();
  source = undefined;
};
const follow = () => (document.visibilityState === "visible" ? (source ?? watch()) : rest());
document.addEventListener("visibilitychange", follow);
addEventListener("pagehide", rest);
addEventListener("pageshow", follow);
follow();
// Time alone changes what is shown, too: "3 min ago", or that a session is over.
setInterval(() => source?.readyState === 1 && refresh(), 60_000);
