//! The keys of the simulator: at all addresses of Microsoft's, rotated and taken down on demand, and what reelhook makes of
//! keys that rotate.

use std::time::Duration;

use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use parking_lot::Mutex;
use reelhook::clock::Clock;
use reelhook::simulator::scenario::{Channels, Play, Scenario, play};
use reelhook::simulator::{DEMO_APP_ID, DEMO_OTHER_TENANT, DEMO_TENANT, Graph, Identity, Provider, Reach};
use reqwest::Method;
use serde_json::{Value, json};

use crate::process::eventually;
use crate::test_app::{TestApp, install_crypto, start};

/// The time between the steps of an outage.
const SECONDS_5: SignedDuration = SignedDuration::from_secs(5);

fn provider() -> Provider {
    install_crypto();
    let identity = Identity::new(Clock::system()).unwrap();
    let (provider, server) = Provider::start("127.0.0.1:0".parse().unwrap(), identity).unwrap();
    start(server);
    provider
}

async fn asked(provider: &Provider, method: Method, path: &str) -> reqwest::Response {
    let url = format!("http://{}{path}", provider.address());
    reqwest::Client::new().request(method, url).send().await.unwrap()
}

async fn get(provider: &Provider, path: &str) -> Value {
    let answer = asked(provider, Method::GET, path).await;
    assert_eq!(answer.status(), 200, "{path}");
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

async fn post(provider: &Provider, path: &str) -> Value {
    let answer = asked(provider, Method::POST, path).await;
    assert_eq!(answer.status(), 200, "{path}");
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

fn verify(token: &str, keys: &Value, issuer: &str) -> jsonwebtoken::errors::Result<Value> {
    let keys: JwkSet = serde_json::from_value(keys.clone()).unwrap();
    let key = keys.find(&decode_header(token)?.kid.unwrap_or_default());
    let key = key.ok_or(jsonwebtoken::errors::ErrorKind::InvalidKeyFormat)?;
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[DEMO_APP_ID]);
    validation.set_issuer(&[issuer]);
    Ok(decode(token, &DecodingKey::from_jwk(key)?, &validation)?.claims)
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_published_at_every_address_of_microsofts_and_each_says_whose_tokens_they_sign() {
    let provider = provider();
    let (v1, v2) = ("https://sts.windows.net/{tenantid}/", "https://login.microsoftonline.com/{tenantid}/v2.0");
    for tenant in ["common", "organizations", DEMO_TENANT] {
        for (path, template, keys_at) in [
            (format!("/{tenant}/.well-known/openid-configuration"), v1, format!("/{tenant}/discovery/keys")),
            (format!("/{tenant}/v2.0/.well-known/openid-configuration"), v2, format!("/{tenant}/discovery/v2.0/keys")),
        ] {
            let document = get(&provider, &path).await;
            let is_of_one = tenant == DEMO_TENANT;
            let expected = if is_of_one { template.replace("{tenantid}", tenant) } else { template.to_owned() };
            assert_eq!(document["issuer"], expected, "{path}");
            assert_eq!(document["jwks_uri"], format!("http://{}{keys_at}", provider.address()), "{path}");
            for member in ["token_endpoint", "authorization_endpoint", "userinfo_endpoint", "cloud_instance_name"] {
                assert!(document[member].is_string(), "{path}: {member}");
            }
            let keys = get(&provider, &keys_at).await;
            // Those of v2.0 name the issuer; those of v1 do not.
            let named = keys["keys"][0].get("issuer").and_then(Value::as_str);
            assert_eq!(named, (template == v2).then_some(expected.as_str()), "{keys_at}");
            let identity = provider.identity();
            let token = match template == v1 {
                true => identity.validation_token_v1(DEMO_APP_ID, DEMO_TENANT),
                false => identity.validation_token_v2(DEMO_APP_ID, DEMO_TENANT),
            };
            verify(&token.sign().unwrap(), &keys, &template.replace("{tenantid}", DEMO_TENANT)).unwrap();
        }
    }
    for path in ["/v1/.well-known/OpenIdConfiguration", "/v1/.well-known/openidconfiguration"] {
        let document = get(&provider, path).await;
        assert_eq!(document["issuer"], "https://api.botframework.com");
        assert_eq!(document["jwks_uri"], format!("http://{}/v1/keys", provider.address()));
    }
    let token = provider.identity().calls_token(DEMO_APP_ID, DEMO_TENANT).sign().unwrap();
    verify(&token, &get(&provider, "/v1/keys").await, "https://api.botframework.com").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_a_running_provider_rotate_and_go_down_on_demand() {
    let provider = provider();
    let first = provider.identity().kid();
    let kids = |keys: &Value| -> Vec<String> {
        keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    };
    let told = post(&provider, "/rotate").await;
    let second = provider.identity().kid();
    assert_ne!(first, second);
    assert_eq!(told, json!({ "signs": second, "published": [second, first], "keys": "up" }));
    assert_eq!(kids(&get(&provider, "/common/discovery/keys").await), [second.clone(), first.clone()]);
    assert_eq!(post(&provider, "/retire").await["published"], json!([second]));
    let told = post(&provider, "/rotate?former=gone").await;
    assert_eq!(told["published"], json!([provider.identity().kid()]));
    assert_eq!(kids(&get(&provider, "/v1/keys").await), [provider.identity().kid()]);

    assert_eq!(post(&provider, "/down").await["keys"], "down");
    for path in ["/v1/keys", "/common/discovery/v2.0/keys", "/v1/.well-known/OpenIdConfiguration"] {
        assert_eq!(asked(&provider, Method::GET, path).await.status(), 503, "{path}");
    }
    assert_eq!(post(&provider, "/down?answer=none").await["keys"], "silent");
    let silent = tokio::time::timeout(Duration::from_millis(200), asked(&provider, Method::GET, "/v1/keys")).await;
    assert!(silent.is_err(), "{silent:?}");
    assert_eq!(post(&provider, "/up").await["keys"], "up");
    get(&provider, "/v1/keys").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_in_a_browser_changes_no_keys_and_neither_does_a_word_that_is_not_known() {
    let provider = provider();
    let first = provider.identity().kid();
    for path in ["/rotate", "/retire", "/down", "/up"] {
        let url = format!("http://{}{path}", provider.address());
        let answer = reqwest::Client::new().post(url).header("origin", "https://example.com").send().await.unwrap();
        assert_eq!(answer.status(), 403, "{path}");
    }
    for (path, expected) in [
        ("/rotate?former=kept", "found former=kept, expected former=published or former=gone, once"),
        ("/rotate?fromer=gone", "found fromer=gone, expected former=published or former=gone, once"),
        ("/rotate?former=gone&former=gone", "found former=gone, expected former=published or former=gone, once"),
        ("/down?answer=404", "found answer=404, expected answer=503 or answer=none, once"),
        ("/up?answer=none", "found ?answer=none, expected no parameters"),
        ("/retire?x", "found ?x, expected no parameters"),
    ] {
        let answer = asked(&provider, Method::POST, path).await;
        assert_eq!(answer.status(), 400, "{path}");
        let told: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(told, json!({ "error": expected }), "{path}");
    }
    for path in ["/rotate", "/retire", "/down", "/up"] {
        let answer = asked(&provider, Method::GET, path).await;
        assert_eq!((answer.status().as_u16(), answer.headers()["allow"].to_str().unwrap()), (405, "POST"), "{path}");
    }
    assert_eq!(provider.identity().kids(), [first]);
    get(&provider, "/v1/keys").await;
}

/// Plays a scenario; every POST must be answered 2xx at the first try.
async fn played(app: &TestApp, name: &str) -> Vec<String> {
    let scenarios = [Scenario::find(name).unwrap().unwrap()];
    let channels = Channels { calls: true, subscriptions: true };
    let mut told = Vec::new();
    let all_well = play(&app.graph, Play { scenarios: &scenarios, channels, seed: 1 }, |step| {
        let status = step.outcome.as_ref().map_or(0, |answer| answer.status);
        told.push(format!("{status} {}", step.what));
    });
    assert!(all_well.await.unwrap(), "{name}: {told:?}");
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_by_a_new_key_are_accepted_once_it_is_fetched_while_the_former_one_stays_published() {
    let app = TestApp::start().await;
    let (first, n_before) = (app.provider.identity().kid(), app.provider.n_key_sets());
    let told = played(&app, "rotation").await;
    assert_eq!(
        told,
        [
            "202 a recording, by the first key",
            "202 an encrypted change, by the first key",
            "202 a recording, by the new key",
            "202 an encrypted change, by the new key",
            "202 a recording, by the first key, which is still published",
            "202 a recording, by the new key; the first one is gone",
            "202 an encrypted change, by the new key; the first one is gone",
        ]
    );
    assert_eq!(app.first.wait_for(7).await.len(), 7);
    assert!(app.quarantine().await.is_empty());
    assert!(app.provider.n_key_sets() > n_before, "the new key was fetched");
    assert_ne!(app.provider.identity().kids(), [first]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_by_a_new_key_are_accepted_once_it_is_fetched_when_the_former_one_goes_at_once() {
    let app = TestApp::start().await;
    let former = app.graph.calls_token().unwrap();
    let told = played(&app, "rotation-at-once").await;
    assert_eq!(told.len(), 4, "{told:?}");
    assert_eq!(app.first.wait_for(4).await.len(), 4);
    assert!(app.quarantine().await.is_empty());
    // The former key is gone: reelhook fetched the new set, in which it is not.
    let refused = app.send(app.graph.calls_with(&format!("Bearer {former}"), "{\"value\":[]}")).await;
    assert_eq!(refused.status, 401);
    app.stop().await;
}

/// docs/graph.md, "When the keys cannot be fetched".
#[tokio::test(flavor = "multi_thread")]
async fn while_the_keys_are_down_the_key_that_is_known_proves_and_a_new_one_only_once_it_can_be_fetched() {
    let app = TestApp::start().await;
    let clock = app.clock.clone();
    let scenarios = [Scenario::find("keys-down").unwrap().unwrap()];
    let channels = Channels { calls: true, subscriptions: true };
    let mut told = Vec::new();
    let playing = play(&app.graph, Play { scenarios: &scenarios, channels, seed: 1 }, |step| {
        let status = step.outcome.as_ref().map_or(0, |answer| answer.status);
        told.push(format!("{status} {}", step.what.split(", after ").next().unwrap()));
        // reelhook asks for unknown keys every 5 minutes at most.
        if step.what.contains("not known yet") {
            clock.advance(jiff::SignedDuration::from_mins(5));
        }
    });
    let all_well = while_time_passes(&app.clock, app.provider.identity(), playing).await;
    assert!(all_well.unwrap(), "{told:?}");
    let by = |status: u16, key: &str, when: &str| {
        [
            format!("{status} a recording, by the {key} key{when}"),
            format!("202 an encrypted change, by the {key} key{when}"),
        ]
    };
    let (down, silent) = (", while the keys are answered 503", ", while the keys are not answered at all");
    let again = ", which can be fetched again";
    let asked_for = format!("503 a recording, by the new key{again}: not known yet, sent again for up to 6 minutes");
    let expected = [by(202, "first", ""), by(202, "first", down), by(503, "new", down), by(202, "first", silent)];
    let expected = expected.into_iter().chain([by(503, "new", silent)]).flatten().chain([asked_for]);
    assert_eq!(told, expected.chain(by(202, "new", again)).collect::<Vec<_>>());
    // Both changes by the new key waited: nobody could say whether the key was new or invented.
    assert_eq!(app.first.wait_for(10).await.len(), 10);
    assert!(app.quarantine().await.is_empty());
    get(&app.provider, "/v1/keys").await;
    app.stop().await;
}

/// Lets 5 s pass on a clock as soon as the keys are answered 503, and as soon as they are not answered at all.
async fn while_time_passes<T>(clock: &Clock, identity: &Identity, playing: impl Future<Output = T>) -> T {
    let passing = async {
        for reach in [Reach::Down, Reach::Silent] {
            eventually("the keys went down", async || identity.reach() == reach).await;
            clock.advance(SECONDS_5);
        }
        std::future::pending().await
    };
    tokio::select! {
        biased;
        played = playing => played,
        never = passing => never,
    }
}

/// The keys that a receiver of a test has fetched, and when.
struct Fetched {
    identity: Identity,
    clock: Clock,
    kept_for: SignedDuration,
    keys: Mutex<(Vec<String>, Option<Timestamp>)>,
}

impl Fetched {
    /// Whether it knows the key of a token. It fetches keys when it has kept them for as long as it does.
    fn knows(&self, token: &str) -> bool {
        let now = self.clock.now();
        let mut keys = self.keys.lock();
        if keys.1.is_none_or(|at| now.duration_since(at) >= self.kept_for) {
            let is_up = self.identity.reach() == Reach::Up;
            *keys = if is_up { (self.identity.kids(), Some(now)) } else { (Vec::new(), None) };
        }
        keys.0.contains(&decode_header(token).unwrap().kid.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_keeps_keys_for_seconds_only_is_found_out_while_they_are_down() {
    let when = ["while the keys are answered 503", "while the keys are not answered at all"];
    for (seconds, expected) in [(8, &when[1..]), (2, &when[..])] {
        let clock = Clock::manual("2026-11-24T08:00:00Z".parse().unwrap());
        let identity = Identity::new(clock.clone()).unwrap();
        let kept_for = SignedDuration::from_secs(seconds);
        let fetched = Fetched { identity: identity.clone(), clock: clock.clone(), kept_for, keys: Mutex::default() };
        let fetched = Data::new(fetched);
        let app = move || {
            let answer = |fetched: Data<Fetched>, request: HttpRequest| async move {
                let token = request.headers().get("authorization").unwrap().to_str().unwrap().replace("Bearer ", "");
                match fetched.knows(&token) {
                    true => HttpResponse::Accepted().finish(),
                    false => HttpResponse::Unauthorized().finish(),
                }
            };
            App::new().app_data(fetched.clone()).default_service(web::to(answer))
        };
        let server = HttpServer::new(app).workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
        let graph = Graph { identity, ..crate::simulator::graph(server.addrs()[0]) };
        start(server.run());
        let scenarios = [Scenario::find("keys-down").unwrap().unwrap()];
        let mut faults = Vec::new();
        let play_of = Play { scenarios: &scenarios, channels: Channels { calls: true, subscriptions: false }, seed: 1 };
        let playing = play(&graph, play_of, |step| {
            if step.fault().is_some() {
                faults.push(step.what.clone());
            }
        });
        while_time_passes(&clock, &graph.identity, playing).await.unwrap();
        let expected = expected.iter().map(|when| format!("a recording, by the first key, {when}")).collect::<Vec<_>>();
        assert_eq!(faults, expected, "kept for {seconds} s");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tenants_in_one_post_are_believed_by_their_own_tokens() {
    let app = TestApp::start().await;
    assert_eq!(played(&app, "two-tenants").await, ["202 two tenants in one POST, a token each"]);
    let delivered = app.first.wait_for(2).await;
    let mut tenants: Vec<String> =
        delivered.iter().filter_map(|it| it.event.envelope.tenant_id.clone()).map(|it| it.to_string()).collect();
    tenants.sort();
    assert_eq!(tenants, [DEMO_TENANT, DEMO_OTHER_TENANT]);
    assert!(app.quarantine().await.is_empty());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_bodies_of_the_old_skype_format_are_answered_204() {
    let app = TestApp::start().await;
    let told = played(&app, "legacy").await;
    assert_eq!(told, ["204 incoming call, old Skype format", "204 old Skype format"]);
    assert!(app.first.delivered().is_empty() && app.quarantine().await.is_empty());
    app.stop().await;
}
