// In development only: the seed's two lines at a press of a buy button. It sees the form when whoever is in charge, boot.js
// or the WASM, has filled it.
addEventListener("submit", ({ target: form }) => {
  if (form.dataset.buy == null || !form.session_id.value) return;
  console.log("[TTR] Tracking checkout initiation (session stays alive)...");
  console.log("[TTR] Redirecting to Whop with anonymousId: " + form.anonymous_id.value);
});
