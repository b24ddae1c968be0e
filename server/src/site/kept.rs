//! A text kept in memory as it is, as gzip and as brotli, with an `ETag` for each.

use std::io::Write;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// One answer, ready to send.
#[derive(Clone)]
pub(crate) struct Kept {
    content_type: &'static str,
    cache_control: &'static str,
    /// Best first; the last is the text itself.
    variants: Vec<Variant>,
}

#[derive(Clone)]
struct Variant {
    encoding: Option<&'static str>,
    body: Bytes,
    etag: HeaderValue,
}

impl Kept {
    pub(crate) fn new(content_type: &'static str, cache_control: &'static str, text: String) -> Self {
        let hash = hex::encode(&Sha256::digest(text.as_bytes())[..12]);
        let variant = |encoding: Option<&'static str>, body: Vec<u8>| Variant {
            encoding,
            body: body.into(),
            etag: HeaderValue::try_from(format!("\"{hash}-{}\"", encoding.unwrap_or("id")))
                .unwrap_or(HeaderValue::from_static("\"\"")),
        };
        let variants = [
            brotli_of(text.as_bytes()).map(|body| variant(Some("br"), body)),
            gzip_of(text.as_bytes()).map(|body| variant(Some("gzip"), body)),
            Ok(variant(None, text.into_bytes())),
        ];
        Self { content_type, cache_control, variants: variants.into_iter().flatten().collect() }
    }

    /// Picks the best encoding that the browser takes; 304 if it has it already.
    pub(crate) fn respond(&self, request: &HeaderMap) -> Response<Body> {
        let accepted =
            request.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let fits = |variant: &&Variant| variant.encoding.is_none_or(|encoding| accepts(accepted, encoding));
        let Some(variant) = self.variants.iter().find(fits) else {
            return Response::new(Body::empty());
        };
        let known = request.get(header::IF_NONE_MATCH).is_some_and(|value| names(value, &variant.etag));
        let mut response =
            Response::new(if known { Body::empty() } else { Body::from(variant.body.clone()) });
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(self.cache_control));
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        headers.insert(header::ETAG, variant.etag.clone());
        if let Some(encoding) = variant.encoding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        response
    }
}

/// Whether `If-None-Match` lists the tag, weakened by a proxy or not.
fn names(list: &HeaderValue, etag: &HeaderValue) -> bool {
    let (Ok(list), Ok(etag)) = (list.to_str(), etag.to_str()) else {
        return false;
    };
    list.split(',').any(|entry| entry.trim().trim_start_matches("W/") == etag)
}

/// Whether `Accept-Encoding` names the encoding and does not refuse it (`;q=0`).
fn accepts(accepted: &str, encoding: &str) -> bool {
    accepted.split(',').any(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        parts.next() == Some(encoding)
            && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

fn brotli_of(text: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut compressed = Vec::new();
    brotli::BrotliCompress(&mut &*text, &mut compressed, &brotli::enc::BrotliEncoderParams::default())?;
    Ok(compressed)
}

fn gzip_of(text: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_is_taken_when_it_is_named_and_not_refused() {
        assert!(accepts("gzip, deflate, br", "br") && accepts("br;q=0.5", "br"));
        assert!(!accepts("gzip", "br") && !accepts("br;q=0", "br") && !accepts("", "gzip"));
    }

    #[test]
    fn a_browser_that_has_the_page_gets_none_again() {
        let kept = Kept::new("text/html", "no-cache", "<p>hello</p>".repeat(100));
        let mut request = HeaderMap::new();
        request.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("br"));
        let first = kept.respond(&request);
        assert_eq!(first.headers()[header::CONTENT_ENCODING], "br");
        request.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
        assert_eq!(kept.respond(&request).status(), StatusCode::NOT_MODIFIED);
        let weak = format!("\"other\", W/{}", first.headers()[header::ETAG].to_str().unwrap());
        request.insert(header::IF_NONE_MATCH, weak.parse().unwrap());
        assert_eq!(kept.respond(&request).status(), StatusCode::NOT_MODIFIED);
        request.remove(header::ACCEPT_ENCODING);
        assert_eq!(kept.respond(&request).status(), StatusCode::OK, "another encoding is another thing");
    }
}
