//! The Content-Security-Policy: nothing inline but the scripts whose text we know, by hash.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// What the policy depends on.
pub struct Policy<'a> {
    /// Texts of the inline scripts that may run.
    pub scripts: &'a [String],
    /// Origins that the checkout redirects through; without them Chromium blocks the buy button's redirect.
    pub form_origins: &'a [String],
    /// The reload port of `cargo leptos watch`.
    pub reload_port: Option<u16>,
}

/// The header's value.
pub fn header(policy: &Policy<'_>) -> String {
    let hashes =
        policy.scripts.iter().map(|script| format!(" 'sha256-{}'", STANDARD.encode(Sha256::digest(script))));
    let form_origins: String = policy.form_origins.iter().map(|origin| format!(" {origin}")).collect();
    let reload = policy.reload_port.map(|port| format!(" ws://127.0.0.1:{port} ws://localhost:{port}"));
    [
        "default-src 'none'".to_owned(),
        format!("script-src 'self' 'wasm-unsafe-eval'{}", hashes.collect::<String>()),
        "style-src 'self'".to_owned(),
        "img-src 'self'".to_owned(),
        "media-src 'self'".to_owned(),
        "font-src 'self'".to_owned(),
        format!("connect-src 'self'{}", reload.unwrap_or_default()),
        "manifest-src 'self'".to_owned(),
        "base-uri 'none'".to_owned(),
        "frame-ancestors 'none'".to_owned(),
        format!("form-action 'self'{form_origins}"),
    ]
    .join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_scripts_by_hash_and_the_checkouts_origins() {
        let value = header(&Policy {
            scripts: &["alert(1)".to_owned()],
            form_origins: &["https://whop.com".to_owned(), "https://*.whop.com".to_owned()],
            reload_port: None,
        });
        assert!(value.contains(
            "script-src 'self' 'wasm-unsafe-eval' 'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='"
        ));
        assert!(value.ends_with("form-action 'self' https://whop.com https://*.whop.com"));
        assert!(!value.contains("unsafe-inline"));
    }
}
