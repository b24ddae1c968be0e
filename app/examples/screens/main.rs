//! Writes every screen of Aurea, in many states, into a folder: for looking at them while working on `app/src/aurea` or
//! `style/aurea.css`, without a server or a store.
//!
//! ```text
//! cargo run -p app --features ssr --example screens -- /tmp/screens
//! python3 -m http.server --directory /tmp/screens 4173
//! ```
//!
//! The folder also gets the stylesheet, the script and the files of `public/` that the screens name. What the screens
//! show comes from `fixtures.rs`, which the tests of the screens share.

mod fixtures;

use std::path::Path;
use std::{env, fs, io, time::Instant};

fn main() -> io::Result<()> {
    let folder = env::args()
        .nth(1)
        .ok_or_else(|| io::Error::other("which folder shall the screens be written to?"))?;
    let folder = Path::new(&folder);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for name in ["fonts", "icons"] {
        fs::create_dir_all(folder.join(name))?;
    }
    for name in ["favicon.ico", "fonts/geist.woff2", "icons/icon.svg", "icons/apple-touch-icon.png"] {
        fs::copy(root.join("public").join(name), folder.join(name))?;
    }
    let style = |name| fs::read_to_string(root.join("style").join(name));
    fs::write(folder.join("aurea.css"), style("tokens.css")? + &style("aurea.css")?)?;
    fs::write(folder.join("aurea.js"), app::aurea::LIVE_SCRIPT)?;
    for (name, draw) in fixtures::screens() {
        let start = Instant::now();
        let html = draw();
        println!("{name:<24} {:>8} bytes {:>8.2} ms", html.len(), start.elapsed().as_secs_f64() * 1000.0);
        fs::write(folder.join(format!("{name}.html")), html)?;
    }
    Ok(())
}
