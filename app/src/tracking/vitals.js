// How the page felt: `web_vitals`, told once, when the page is first hidden. lcp, fcp, ttfb and inp are whole ms, cls is in
// thousandths; what the browser does not measure is left out. A page opened in the background is not told of: nobody
// waited for it. Runs inline before boot.js, so that what it tells at the very end still leaves with the rest.
if (!document.hidden) {
  const vitals = {}, slowest = {}, takes = [];
  let began, last, sum; // of a burst of layout shifts: at most 5 s long, without a pause of 1 s
  const interaction = ({ interactionId: id, duration }) => id && (slowest[id] = Math.max(slowest[id] || 0, duration));
  const looks = {
    "largest-contentful-paint": ({ startTime }) => (vitals.lcp = startTime),
    paint: ({ name, startTime }) => name == "first-contentful-paint" && (vitals.fcp = startTime),
    "layout-shift": ({ startTime: at, value, hadRecentInput }) => {
      if (hadRecentInput) return;
      if (!(at - last < 1e3 && at - began < 5e3)) (began = at), (sum = 0);
      last = at;
      sum += value * 1e3;
      vitals.cls = Math.max(vitals.cls, sum);
    },
    event: interaction,
    "first-input": interaction,
  };
  for (const type of window.PerformanceObserver?.supportedEntryTypes || []) {
    const look = looks[type];
    if (!look) continue;
    if (type == "layout-shift") vitals.cls = 0;
    const observer = new PerformanceObserver((list) => list.getEntries().forEach(look));
    observer.observe({ type, buffered: true, durationThreshold: 16 });
    takes.push(() => observer.takeRecords().forEach(look));
  }
  const tell = ({ type }) => {
    if (!takes.length || (type != "pagehide" && !document.hidden)) return;
    for (const take of takes.splice(0)) take();
    const durations = Object.values(slowest).sort((a, b) => b - a);
    vitals.inp = durations[(durations.length / 50) | 0]; // one interaction in fifty may be an accident
    vitals.ttfb = performance.getEntriesByType("navigation")[0]?.responseStart;
    for (const name in vitals) vitals[name] = vitals[name] == null ? void 0 : Math.round(vitals[name]);
    aureaSDK.trackEvent("web_vitals", vitals);
  };
  for (const type of ["pagehide", "visibilitychange"]) addEventListener(type, tell, true);
}
