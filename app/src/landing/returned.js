// Shows on the return page that the payment has arrived, as soon as it has. By the token of the return URL, else by the
// session, which this browser alone knows. Nothing else in the URL is believed.
{
  const pauses = [250, 500, 500, 1000, 1000, 2000, 2000, 3000]; // ms; then the last one, again and again
  const token = new URLSearchParams(location.search).get("token");
  const show = (returned) => {
    document.documentElement.dataset.return = returned;
    for (const said of document.querySelectorAll("[data-said]")) said.hidden = said.dataset.said !== returned;
  };
  const ask = async () => {
    const by = token ? { token } : { sessionId: window.aureaSDK.getSessionId() };
    const answer = await fetch(`/api/checkout/return?${new URLSearchParams(by)}`, { cache: "no-store" });
    if (!answer.ok) throw new Error(`answered ${answer.status}`);
    return (await answer.json()).returned;
  };
  const follow = async () => {
    // offline, or the server is being restarted: asked again
    const returned = await ask().catch(() => undefined);
    if (returned) show(returned);
    if (!returned || returned === "waiting") setTimeout(follow, pauses.length > 1 ? pauses.shift() : pauses[0]);
  };
  follow();
}
