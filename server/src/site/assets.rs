//! Names of the built files. `hash.txt` beside the program alone tells whether they carry hashes.

use std::path::Path;

/// Folder of the built files below the site's root, and in URLs.
const PKG: &str = "pkg";

/// Name that the build gives them.
const OUTPUT: &str = "ttr";

/// Where the built files are, as paths on the site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetNames {
    /// The stylesheet.
    pub css: String,
    /// The JavaScript that carries the WASM.
    pub js: String,
    /// The WASM.
    pub wasm: String,
    /// True if a file's name changes with its content, so that it may be cached for ever.
    pub hashed: bool,
}

impl AssetNames {
    /// The names that `cargo leptos watch` writes, whatever `hash.txt` an earlier build left beside the program.
    pub fn plain() -> Self {
        Self::parse(None)
    }

    /// Reads `hash.txt` in the program's folder; without it the names are plain.
    pub fn beside_the_program() -> Self {
        let folder = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_owned));
        let text = folder.and_then(|folder| std::fs::read_to_string(folder.join("hash.txt")).ok());
        Self::parse(text.as_deref())
    }

    /// Lines such as `js: A1b2`.
    fn parse(hashes: Option<&str>) -> Self {
        let hash = |kind: &str| {
            let line = hashes?.lines().find_map(|line| line.strip_prefix(kind)?.strip_prefix(':'));
            line.map(str::trim).filter(|hash| !hash.is_empty())
        };
        let path = |kind: &str| match hash(kind) {
            Some(hash) => format!("/{PKG}/{OUTPUT}.{hash}.{kind}"),
            None => format!("/{PKG}/{OUTPUT}.{kind}"),
        };
        Self { css: path("css"), js: path("js"), wasm: path("wasm"), hashed: hash("js").is_some() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_hashes_only_when_hash_txt_says_so() {
        let plain = AssetNames::plain();
        assert_eq!((plain.js.as_str(), plain.hashed), ("/pkg/ttr.js", false));
        let hashed = AssetNames::parse(Some("js: aB1\nwasm: cD2\ncss: eF3\n"));
        assert_eq!((hashed.wasm.as_str(), hashed.css.as_str()), ("/pkg/ttr.cD2.wasm", "/pkg/ttr.eF3.css"));
        assert!(hashed.hashed);
    }
}
