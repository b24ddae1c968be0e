//! Who is let in to the owner's screens, and who is not.

use reqwest::{RequestBuilder, Response, StatusCode};
use server::aurea::Access;
use server::store::Store;
use server::store::sqlite::SqliteStore;

use crate::support::{TOKEN, TestApp};

fn cookies(response: &Response) -> String {
    let set = response.headers().get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
    set.map(|cookie| cookie.split(';').next().unwrap()).collect::<Vec<_>>().join("; ")
}

pub(crate) async fn logged_in(app: &TestApp) -> String {
    let answer = app.get(&format!("/aurea/login?token={TOKEN}")).send().await.unwrap();
    assert_eq!(
        (answer.status(), &answer.headers()["location"]),
        (StatusCode::SEE_OTHER, &"/aurea".parse().unwrap())
    );
    cookies(&answer)
}

async fn status(request: RequestBuilder) -> StatusCode {
    request.send().await.unwrap().status()
}

#[tokio::test]
async fn the_printed_link_opens_every_screen() {
    let app = TestApp::start().await;
    let cookie = logged_in(&app).await;
    for path in
        ["/aurea", "/aurea/funnels/ttr", "/aurea/funnels/ttr/sessions", "/api/aurea/funnels/ttr/sessions"]
    {
        assert_eq!(status(app.get(path).header("cookie", &cookie)).await, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn the_cookie_is_for_this_host_only_and_no_script_reads_it() {
    let app = TestApp::start().await;
    let answer = app.get(&format!("/aurea/login?token={TOKEN}")).send().await.unwrap();
    let set: Vec<&str> =
        answer.headers().get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect();
    let host = set.iter().find(|cookie| cookie.starts_with("__Host-aurea=")).unwrap();
    for part in ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
        assert!(host.contains(part), "{host}");
    }
    assert!(!host.contains(TOKEN) && set.iter().all(|cookie| cookie.contains("HttpOnly")));

    let secure = TestApp::start_with(&[("SITE_URL", "https://ttr.example")]).await;
    let answer = secure.get(&format!("/aurea/login?token={TOKEN}")).send().await.unwrap();
    let set: Vec<_> = answer.headers().get_all("set-cookie").iter().collect();
    assert_eq!(set.len(), 1, "on https there is no other cookie than the __Host- one");
}

#[tokio::test]
async fn without_a_login_the_form_stands_in_the_place_of_every_screen() {
    let app = TestApp::start().await;
    for path in
        ["/aurea", "/aurea/funnels/ttr", "/aurea/funnels/ttr/sessions?state=active", "/aurea/nonsense"]
    {
        let answer = app.get(path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
        let html = answer.text().await.unwrap();
        assert!(
            html.contains("name=\"token\"") && html.contains(path),
            "the way back to {path} is in the form"
        );
    }
    let live = "/aurea/funnels/ttr/sessions/s1/live";
    assert_eq!(status(app.get(live)).await, StatusCode::UNAUTHORIZED);
    assert_eq!(
        status(app.get("/aurea").header("cookie", "__Host-aurea=made-up")).await,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn a_wrong_token_is_refused_and_after_ten_of_them_a_right_one_too() {
    let app = TestApp::start().await;
    for _ in 0..10 {
        assert_eq!(status(app.get("/aurea/login?token=wrong")).await, StatusCode::UNAUTHORIZED);
    }
    let answer = app.get(&format!("/aurea/login?token={TOKEN}")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(cookies(&answer).is_empty());
    let json = app.get("/api/aurea/funnels/ttr/sessions").bearer_auth(TOKEN);
    assert_eq!(status(json).await, StatusCode::TOO_MANY_REQUESTS, "nor is the JSON a way to guess on");
}

#[tokio::test]
async fn the_form_is_taken_from_our_own_pages_only() {
    let app = TestApp::start().await;
    let form = [("token", TOKEN), ("next", "/aurea/funnels/ttr/sessions")];
    let foreign = app.post("/aurea/login").header("sec-fetch-site", "cross-site").form(&form);
    assert_eq!(status(foreign).await, StatusCode::FORBIDDEN);
    let foreign = app.post("/aurea/login").header("origin", "https://evil.example").form(&form);
    assert_eq!(status(foreign).await, StatusCode::FORBIDDEN);
    let own =
        app.post("/aurea/login").header("sec-fetch-site", "same-origin").form(&form).send().await.unwrap();
    assert_eq!(own.status(), StatusCode::SEE_OTHER);
    assert_eq!(own.headers()["location"], "/aurea/funnels/ttr/sessions");
}

#[tokio::test]
async fn the_way_on_never_leads_to_another_site() {
    let app = TestApp::start().await;
    for next in ["https://evil.example", "//evil.example", "/\\evil.example", "/aurea-evil", "/"] {
        let form = [("token", TOKEN), ("next", next)];
        let own = app
            .post("/aurea/login")
            .header("sec-fetch-site", "same-origin")
            .form(&form)
            .send()
            .await
            .unwrap();
        assert_eq!(own.headers()["location"], "/aurea", "{next}");
    }
}

#[tokio::test]
async fn a_logout_ends_the_login_for_whoever_kept_the_cookie() {
    let app = TestApp::start().await;
    let cookie = logged_in(&app).await;
    let logout = || app.post("/aurea/logout").header("cookie", &cookie);
    assert_eq!(status(logout().header("sec-fetch-site", "cross-site")).await, StatusCode::FORBIDDEN);
    assert_eq!(status(app.get("/aurea").header("cookie", &cookie)).await, StatusCode::OK);
    assert_eq!(status(logout().header("sec-fetch-site", "same-origin")).await, StatusCode::SEE_OTHER);
    assert_eq!(status(app.get("/aurea").header("cookie", &cookie)).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_token_is_made_once_and_only_its_hash_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ttr.db");
    let store = SqliteStore::open(&path).unwrap();
    let made = Access::prepare(&store, None).await.unwrap().unwrap();
    assert!(Access::prepare(&store, None).await.unwrap().is_none(), "it is shown at the first start only");
    let configured = "configured-token".to_owned().into();
    assert!(Access::prepare(&store, Some(&configured)).await.unwrap().is_none());
    let hash = store.admin_token().await.unwrap();
    assert!(Access::prepare(&store, Some(&configured)).await.unwrap().is_none());
    assert_eq!(store.admin_token().await.unwrap(), hash);
    store.close().await;
    let made = secrecy::ExposeSecret::expose_secret(&made).to_owned();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for secret in [made.as_str(), "configured-token"] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
        }
    }
}

#[tokio::test]
async fn guesses_of_others_never_lock_out_whoever_has_a_token_that_cannot_be_guessed() {
    let long = "a-token-that-nobody-finds-by-trying";
    let app = TestApp::start_with(&[("AUREA_ADMIN_TOKEN", long)]).await;
    for _ in 0..12 {
        status(app.get("/aurea/login?token=wrong")).await;
    }
    assert_eq!(status(app.get("/aurea/login?token=wrong")).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(status(app.get(&format!("/aurea/login?token={long}"))).await, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_header_for_somebody_else_does_not_hide_the_cookie() {
    let app = TestApp::start().await;
    let cookie = logged_in(&app).await;
    let behind_a_proxy = app.get("/aurea").header("cookie", &cookie).header("authorization", "Basic dTpw");
    assert_eq!(status(behind_a_proxy).await, StatusCode::OK);
    let lower_case = app.get("/aurea").header("authorization", format!("bearer {TOKEN}"));
    assert_eq!(status(lower_case).await, StatusCode::OK);
}

#[tokio::test]
async fn after_a_login_in_the_place_of_a_change_the_owner_is_at_home() {
    let app = TestApp::start().await;
    let expired = app.post("/aurea/forward").header("sec-fetch-site", "same-origin").send().await.unwrap();
    assert_eq!(expired.status(), StatusCode::UNAUTHORIZED);
    assert!(!expired.text().await.unwrap().contains("/aurea/forward"));
}
