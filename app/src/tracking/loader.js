// Fetches the WASM at the first idle moment after load, or at the first touch once the document is whole, and hydrates
// the islands as leptos's own script does. It runs inline after boot.js (leptos's script preloads everything at once).
{
  // What only the WASM can do is called then, in order.
  const calls = (__ttr.calls = []);
  for (const name of ["consent", "optOut", "endSession"]) aureaSDK[name] = (argument) => { calls.push([name, argument]); };

  let loading;
  const go = async () => {
    if (loading || document.readyState > "l") return; // "loading" is the last in the alphabet
    loading = 1;
    const { js, wasm } = document.documentElement.dataset;
    let module;
    try {
      module = await import(js);
      await module.default({ module_or_path: wasm });
    } catch {
      return; // it cannot be fetched: the page works without, and boot.js goes on sending
    }
    module.hydrate();
    for (const island of document.querySelectorAll("leptos-island")) {
      // An island among another island's children belongs to that island.
      island.closest("leptos-children")?.$$on_hydrate?.();
      module[island.dataset.component](island);
    }
  };
  for (const type of ["pointerdown", "keydown", "scroll"]) addEventListener(type, go);
  addEventListener("load", () => (window.requestIdleCallback || setTimeout)(go, { timeout: 2e3 }));
}
