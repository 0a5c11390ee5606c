//! Who gets in and who may press: login, cookies, proofs of forms, hosts, scopes, headers.

use super::{Browser, start_with_tokens};
use crate::test_app::TestApp;
use reelhook::store::Newest;

const PAGES: [&str; 6] = ["/", "/operations", "/sinks", "/quarantine", "/unmatched", "/configuration"];

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_led_to_the_login_and_from_there_to_the_page() {
    let app = start_with_tokens().await;
    let browser = Browser::new(&app);
    for page in PAGES {
        let answer = browser.get(page).await;
        assert_eq!((answer.status, answer.body.as_str()), (303, ""), "{page}");
        assert_eq!(answer.location(), format!("/login?next={}", page.replace('/', "%2F")));
    }
    let login = browser.page("/login?next=%2Fsinks").await;
    assert!(login.has("login-form") && login.has("token"));
    let answer =
        browser.press("/login?next=%2Fsinks", "/login", &[("token", "reader-token"), ("next", "/sinks")]).await;
    assert_eq!((answer.status, answer.location()), (303, "/sinks"));
    let cookie = answer.header("set-cookie");
    assert!(cookie.ends_with("; HttpOnly; SameSite=Strict; Path=/"), "{cookie}");
    let page = browser.page("/sinks").await;
    assert!(page.has("logout") && page.body.contains(">reader<"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_leads_nowhere_else() {
    let app = start_with_tokens().await;
    let browser = Browser::new(&app);
    for next in ["//evil.example/", "https://evil.example/", "/\\evil.example"] {
        let answer = browser.press("/login", "/login", &[("token", "reader-token"), ("next", next)]).await;
        assert_eq!((answer.status, answer.location()), (303, "/"), "{next}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_refused_and_who_tries_many_is_told_to_wait() {
    let app = start_with_tokens().await;
    let browser = Browser::new(&app);
    let refused = browser.log_in("reader-tokem").await;
    assert_eq!(refused.status, 401);
    assert!(refused.has("problem") && !refused.body.contains("reader-tokem"));
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(browser.log_in("guess").await.status);
    }
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    assert_eq!(Browser::new(&app).log_in("reader-token").await.status, 303, "a right one is let in all the same");
    assert_eq!(browser.get("/").await.status, 303);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_gives_a_new_cookie_and_a_logout_ends_it() {
    let app = start_with_tokens().await;
    let browser = Browser::new(&app);
    let planted = format!("reelhook={}", "A".repeat(43));
    browser.set_cookie(&planted);
    assert_eq!(browser.log_in("reader-token").await.status, 303);
    let cookie = browser.cookie().unwrap();
    assert_ne!(cookie, planted);
    let other = Browser::new(&app);
    other.set_cookie(&planted);
    assert_eq!(other.get("/").await.status, 303, "the planted cookie opens nothing");
    assert_eq!(browser.press("/", "/logout", &[]).await.location(), "/login");
    other.set_cookie(&cookie);
    assert_eq!(other.get("/").await.status, 303, "the old cookie opens nothing");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_session_ends() {
    let app = start_with_tokens().await;
    let browser = Browser::logged_in(&app, "reader-token").await;
    app.advance(7 * 3600);
    assert_eq!(browser.get("/").await.status, 200);
    app.advance(8 * 3600 + 1);
    assert_eq!(browser.get("/").await.status, 303);
    assert_eq!(browser.get("/console/events").await.status, 401);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_logins_are_counted_by_whom_the_proxy_names() {
    let mut settings =
        crate::test_app::Settings { more: super::tokens(&[("a", "a-token", &["read"])]), ..Default::default() };
    settings.server = "trusted_proxies = [\"127.0.0.0/8\"]".into();
    let app = TestApp::start_with(settings).await;
    let browser = Browser::new(&app);
    let page = browser.page("/login").await;
    let proof = page.body.split("name=\"form\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let guess = async |source: &str| {
        let said = format!("198.51.100.7, {source}");
        browser.post("/login", (&proof, &[("token", "guess")]), &[("x-forwarded-for", &said)]).await.status
    };
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(guess("192.0.2.1").await);
    }
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    assert_eq!(guess("192.0.2.2").await, 401, "another source was not counted");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tokens_no_proxy_and_no_other_site_is_served() {
    let app = TestApp::start().await;
    let browser = Browser::new(&app);
    for header in [
        ("forwarded", "for=192.0.2.1"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-proto", "https"),
        ("via", "1.1 proxy"),
        ("sec-fetch-site", "cross-site"),
    ] {
        for page in PAGES {
            let answer = browser.get_with(page, &[header]).await;
            assert!(answer.status == 403 && answer.has("problem"), "{page} {header:?}: {}", answer.status);
        }
        for path in ["/metrics", "/v1.0/communications/recordOperations", "/openapi.json"] {
            assert_eq!(browser.get_with(path, &[header]).await.status, 403, "{path} {header:?}");
        }
        assert_eq!(browser.get_with("/livez", &[header]).await.status, 200, "it tells nothing");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_is_secure_where_the_proxy_says_that_https_is_spoken() {
    let app = start_with_tokens().await;
    let answer = Browser::new(&app).get_with("/login", &[("x-forwarded-proto", "https")]).await;
    assert!(answer.header("set-cookie").contains("; Secure"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_without_its_proof_or_from_elsewhere_does_nothing() {
    let app = TestApp::start().await;
    let (browser, other) = (Browser::new(&app), Browser::new(&app));
    let proof_of =
        |body: &str| body.split("name=\"form\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let own = proof_of(&browser.page("/sinks/first").await.body);
    let others = proof_of(&other.page("/sinks/first").await.body);
    for proof in ["", "AAAA", &others, &own[..own.len() - 2]] {
        assert_eq!(browser.post("/sinks/first/pause", (proof, &[]), &[]).await.status, 403, "{proof}");
    }
    for headers in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "https://evil.example")],
    ] {
        assert_eq!(browser.post("/sinks/first/pause", (&own, &[]), headers).await.status, 403, "{headers:?}");
    }
    let stranger = Browser::new(&app);
    assert_eq!(stranger.post("/sinks/first/pause", (&own, &[]), &[]).await.status, 403, "without the cookie");
    assert!(browser.page("/sinks/first").await.has("delivering"), "nothing was paused");
    let headers = [("sec-fetch-site", "same-origin"), ("origin", "null")];
    assert_eq!(browser.post("/sinks/first/pause", (&own, &[]), &headers).await.status, 303);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tokens_only_a_loopback_name_is_served() {
    let app = TestApp::start().await;
    let browser = Browser::new(&app);
    for page in PAGES {
        let answer = browser.get_with(page, &[("host", "rebound.example:8081")]).await;
        assert_eq!(answer.status, 403, "{page}");
        assert!(answer.has("problem"));
        assert_eq!(browser.get_with(page, &[("host", "localhost:8081")]).await.status, 200, "{page}");
    }
    assert_eq!(browser.get("/login").await.location(), "/", "there is nothing to log in to");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_its_scopes_only() {
    let app = start_with_tokens().await;
    let reader = Browser::logged_in(&app, "reader-token").await;
    let page = reader.page("/sinks/first").await;
    assert!(page.has("probe") && !page.has("pause"), "no buttons that would be refused");
    let refused = reader.press("/sinks/first", "/sinks/first/pause", &[]).await;
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("&#34;write&#34;"), "it says which scope: {}", refused.body);
    assert_eq!(reader.get("/sinks/first/replay").await.status, 403);

    app.post_calls_body("{").await;
    let id = app.store.quarantine(Newest::up_to(1)).await.unwrap().first().map(|entry| entry.id);
    if let Some(id) = id {
        assert!(reader.page(&format!("/quarantine/{id}")).await.has("body-withheld"));
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_forbids_what_is_not_ours() {
    let app = TestApp::start().await;
    let browser = Browser::new(&app);
    let asset = browser.page("/").await.links("/console/assets/").remove(0);
    let pages = ["/sinks/first", "/sinks/none", "/operations/none", "/quarantine/9", "/login", "/operations?older=x"];
    for page in PAGES.iter().chain(&pages).chain(&[asset.as_str()]) {
        let answer = browser.get(page).await;
        assert_eq!(
            answer.header("content-security-policy"),
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
             form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
            "{page}"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{page}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{page}");
        let kept = if *page == asset { "public, max-age=31536000, immutable" } else { "no-store" };
        assert_eq!(answer.header("cache-control"), kept, "{page}");
        for inline in [" style=", "<style", " onclick", " onload", "<script>", "javascript:", "//fonts", "src=\"http"] {
            assert!(!answer.body.contains(inline), "{page} holds {inline}");
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_address_has_a_page_for_people_and_a_line_for_programs() {
    let app = TestApp::start().await;
    let browser = Browser::new(&app);
    let page = browser.get_with("/nowhere", &[("accept", "text/html,*/*")]).await;
    assert_eq!(page.status, 404);
    assert!(page.has("problem") && page.has("nav-overview"));
    let line = browser.get("/nowhere").await;
    assert_eq!((line.status, line.body.as_str()), (404, "not found\n"));
    for missing in ["/operations/none", "/sinks/none", "/quarantine/99", "/quarantine/x"] {
        let answer = browser.get(missing).await;
        assert_eq!(answer.status, 404, "{missing}");
        assert!(answer.has("problem"), "{missing}");
    }
    app.stop().await;
}
