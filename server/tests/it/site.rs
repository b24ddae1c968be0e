//! The site as a browser gets it.

use crate::support::TestApp;
use reqwest::{StatusCode, header};

#[tokio::test]
async fn every_page_is_there_with_its_headers() {
    let app = TestApp::start().await;
    for (path, cache) in [
        ("/", "no-cache, no-transform"),
        ("/thank-you", "no-store"),
        ("/privacy", "no-cache, no-transform"),
        ("/terms", "no-cache, no-transform"),
    ] {
        let answer = app.get(path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert_eq!(answer.headers()[header::CACHE_CONTROL], cache, "{path}");
        let csp = answer.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        assert!(
            csp.contains("form-action 'self' https://whop.com https://*.whop.com")
                && !csp.contains("unsafe-inline")
        );
        assert_eq!(answer.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert!(answer.text().await.unwrap().starts_with("<!DOCTYPE html><html"), "{path}");
    }
}

#[tokio::test]
async fn robots_and_sitemap_name_the_public_origin() {
    let app = TestApp::start_with(&[("SITE_URL", "https://ttr.example"), ("TTR_MODE", "production")]).await;
    let robots = app.get("/robots.txt").send().await.unwrap().text().await.unwrap();
    assert!(robots.contains("https://ttr.example/sitemap.xml"), "{robots}");
    let sitemap = app.get("/sitemap.xml").send().await.unwrap().text().await.unwrap();
    assert!(
        sitemap.contains("<loc>https://ttr.example/</loc>") && !sitemap.contains("thank-you"),
        "{sitemap}"
    );
    let page = app.get("/").send().await.unwrap();
    assert!(page.headers().contains_key(header::STRICT_TRANSPORT_SECURITY));
    assert!(!page.text().await.unwrap().contains("data-development"));
}

#[tokio::test]
async fn a_person_who_is_lost_gets_a_page_and_a_program_a_line() {
    let app = TestApp::start().await;
    let person = app.get("/nowhere").header("accept", "text/html").send().await.unwrap();
    assert_eq!(person.status(), StatusCode::NOT_FOUND);
    assert!(person.text().await.unwrap().contains("<h1"));
    let again =
        app.get("/nowhere").header("accept", "text/html").header("if-none-match", "*").send().await.unwrap();
    assert!(again.text().await.unwrap().contains("<h1"), "a reload shows it again");
    let program = app.get("/wp-login.php").send().await.unwrap();
    assert_eq!(program.status(), StatusCode::NOT_FOUND);
    assert!(program.text().await.unwrap().len() < 20);
}

#[tokio::test]
async fn a_page_comes_compressed_and_only_once() {
    let app = TestApp::start().await;
    let first = app.get("/").header("accept-encoding", "gzip, br").send().await.unwrap();
    assert_eq!(first.headers()[header::CONTENT_ENCODING], "br");
    let etag = first.headers()[header::ETAG].clone();
    let again = app
        .get("/")
        .header("accept-encoding", "gzip, br")
        .header("if-none-match", etag)
        .send()
        .await
        .unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn health_tells_that_it_is_alive_and_ready() {
    let app = TestApp::start().await;
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(app.get(path).send().await.unwrap().status(), StatusCode::OK, "{path}");
    }
}
