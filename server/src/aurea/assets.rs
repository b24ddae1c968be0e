//! The screens' stylesheet and script: part of the program, named by their content and cached for ever.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::site::kept::Kept;

const STYLESHEET: &str =
    concat!(include_str!("../../../style/tokens.css"), include_str!("../../../style/aurea.css"));

/// The files, ready to send.
pub struct Assets {
    stylesheet: (String, Kept),
    script: (String, Kept),
}

impl Default for Assets {
    fn default() -> Self {
        let file = |kind: &str, content_type, text: &str| {
            let name = format!("aurea.{}.{kind}", hex::encode(&Sha256::digest(text)[..6]));
            (name, Kept::new(content_type, "public, max-age=31536000, immutable", text.to_owned()))
        };
        Self {
            stylesheet: file("css", "text/css; charset=utf-8", STYLESHEET),
            script: file("js", "text/javascript; charset=utf-8", app::aurea::LIVE_SCRIPT),
        }
    }
}

impl Assets {
    /// Path of the stylesheet.
    pub fn stylesheet(&self) -> String {
        format!("/aurea/assets/{}", self.stylesheet.0)
    }

    /// Path of the script.
    pub fn script(&self) -> String {
        format!("/aurea/assets/{}", self.script.0)
    }
}

/// `GET /aurea/assets/{name}`: open to all, as the login is dressed too.
pub async fn asset(
    State(assets): State<Arc<Assets>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let known = [&assets.stylesheet, &assets.script].into_iter().find(|(known, _)| *known == name);
    known.map_or_else(|| StatusCode::NOT_FOUND.into_response(), |(_, file)| file.respond(&headers))
}
