// Clicks on links, for as long as the page lives: `cta_clicked` on a[data-cta], `outbound_clicked` on a link that leads away
// (mailto: and tel: as well; without query or fragment, which may name people). Runs inline, because the first click
// usually comes before the WASM; the SDK hands it to whoever is in charge.
for (const type of ["click", "auxclick"]) {
  addEventListener(type, ({ target, button }) => {
    const link = button < 2 && target.closest?.("a[href]"); // left, middle, Enter
    if (!link?.origin) return;
    const label = link.textContent.trim(), { cta } = link.dataset;
    if (cta) aureaSDK.trackEvent("cta_clicked", { label, target: link.getAttribute("href"), location: cta });
    if (link.origin != location.origin) aureaSDK.trackEvent("outbound_clicked", { url: link.href.split(/[?#]/)[0] });
  }, true);
}
