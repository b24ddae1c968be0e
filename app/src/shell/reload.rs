//! Shows a change in the open browser under `cargo leptos watch`.

use super::Site;

/// The script that listens to `cargo leptos watch`, exactly as it stands in the page; none elsewhere.
///
/// It reloads only once the server answers: the page stays while `Leptos.toml` is at fault and nothing is served.
/// Own text instead of leptos's `AutoReload`, whose text cannot be had for a CSP hash.
pub fn reload_script(site: &Site) -> Option<String> {
    let port = site.reload_port?;
    Some(RELOAD.trim().replace("RELOAD_PORT", &port.to_string()))
}

const RELOAD: &str = r#"
(function connect() {
  const reload = () => fetch("", { method: "HEAD" }).then(() => location.reload(), () => setTimeout(reload, 500));
  const socket = new WebSocket(`ws://${location.hostname}:RELOAD_PORT/live_reload`);
  socket.onmessage = (message) => {
    const change = JSON.parse(message.data);
    if (!change.css) return reload();
    for (const link of document.querySelectorAll("link[rel=stylesheet]")) {
      link.href = link.href.split("?")[0] + "?" + Date.now();
    }
  };
  socket.onclose = () => setTimeout(connect, 1000);
})();
"#;
