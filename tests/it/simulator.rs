//! The simulator over real sockets: what it publishes, what it sends, and how it judges receivers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use bytes::Bytes;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use reelhook::clock::Clock;
use reelhook::simulator::client::Post;
use reelhook::simulator::conformance::{Channel, Grade, Outcome, Setting, Verdict, grade};
use reelhook::simulator::load::{Bodies, Load, Plan, Report};
use reelhook::simulator::payload::Seed;
use reelhook::simulator::scenario::{Channels, Part, Play, Scenario, play};
use reelhook::simulator::{
    Certificate, Client, DEMO_APP_ID, DEMO_TENANT, Graph, Identity, Mode, Paths, Provider, noop,
};
use serde_json::Value;
use tokio::task::JoinSet;

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
const BOTH: Channels = Channels { calls: true, subscriptions: true };

type Servers = JoinSet<std::io::Result<()>>;

fn serve(servers: &mut Servers, routes: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static) -> SocketAddr {
    let server = HttpServer::new(move || App::new().configure(routes.clone())).workers(1).disable_signals();
    let server = server.bind(ANY_PORT).unwrap();
    let address = server.addrs()[0];
    servers.spawn(server.run());
    address
}

/// Graph, towards an address.
pub fn graph(address: SocketAddr) -> Graph {
    Graph {
        client: Client::new(&format!("http://{address}")).unwrap(),
        identity: Identity::new(Clock::system()).unwrap(),
        app_id: DEMO_APP_ID.into(),
        tenant: DEMO_TENANT.into(),
        client_state: Some("secret".into()),
        certificate: Some(Certificate::new("cert-1").unwrap()),
        paths: Paths::default(),
    }
}

fn provider(servers: &mut Servers) -> Provider {
    let (provider, server): (Provider, Server) =
        Provider::start(ANY_PORT, Identity::new(Clock::system()).unwrap()).unwrap();
    servers.spawn(server);
    provider
}

async fn get(url: &str) -> (u16, Bytes) {
    let (base, path) = url.split_at(url[8..].find('/').unwrap() + 8);
    let post = Post { method: hyper::Method::GET, ..Post::new(path, "") };
    let answer = Client::new(base).unwrap().send(post).await.unwrap();
    (answer.status, answer.body)
}

async fn json(url: &str) -> Value {
    serde_json::from_slice(&get(url).await.1).unwrap()
}

/// Follows a configuration to its keys.
async fn key_set(configuration: &str) -> JwkSet {
    let configuration = json(configuration).await;
    serde_json::from_value(json(configuration["jwks_uri"].as_str().unwrap()).await).unwrap()
}

fn verify(token: &str, keys: &JwkSet, issuer: &str) -> jsonwebtoken::errors::Result<Value> {
    let key = keys.find(&decode_header(token)?.kid.unwrap_or_default());
    let key = key.ok_or(jsonwebtoken::errors::ErrorKind::InvalidKeyFormat)?;
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[DEMO_APP_ID]);
    validation.set_issuer(&[issuer]);
    validation.set_required_spec_claims(&["exp", "nbf", "aud", "iss"]);
    validation.validate_nbf = true;
    Ok(decode(token, &DecodingKey::from_jwk(key)?, &validation)?.claims)
}

#[tokio::test]
async fn another_library_verifies_the_tokens_by_the_published_keys() {
    let mut servers = Servers::new();
    let provider = provider(&mut servers);
    let calls = key_set(&provider.calls_configuration()).await;
    let common = key_set(&provider.subscriptions_configuration()).await;
    let identity = provider.identity();
    let token = identity.calls_token(DEMO_APP_ID, DEMO_TENANT);
    let claims = verify(&token.sign().unwrap(), &calls, "https://api.botframework.com").unwrap();
    assert_eq!(claims["tid"], DEMO_TENANT);
    let version_1 = identity.validation_token_v1(DEMO_APP_ID, DEMO_TENANT).sign().unwrap();
    let claims = verify(&version_1, &common, &format!("https://sts.windows.net/{DEMO_TENANT}/")).unwrap();
    assert_eq!((&claims["appid"], claims.get("azp")), (&"0bf30f3b-4a52-48df-9a82-234910c4a086".into(), None));
    let version_2 = identity.validation_token_v2(DEMO_APP_ID, DEMO_TENANT).sign().unwrap();
    let issuer = format!("https://login.microsoftonline.com/{DEMO_TENANT}/v2.0");
    assert!(verify(&version_2, &common, &issuer).unwrap()["azp"].is_string());
    assert!(verify(&token.shifted("exp", -7200).sign().unwrap(), &calls, "https://api.botframework.com").is_err());
}

#[tokio::test]
async fn a_rotated_key_is_published_beside_the_former_one() {
    let mut servers = Servers::new();
    let provider = provider(&mut servers);
    let identity = provider.identity();
    let former = identity.calls_token(DEMO_APP_ID, DEMO_TENANT).sign().unwrap();
    identity.rotate().unwrap();
    let keys = key_set(&provider.calls_configuration()).await;
    assert_eq!(keys.keys.len(), 2);
    verify(&former, &keys, "https://api.botframework.com").unwrap();
    let current = identity.calls_token(DEMO_APP_ID, DEMO_TENANT).sign().unwrap();
    verify(&current, &keys, "https://api.botframework.com").unwrap();
}

#[tokio::test]
async fn the_provider_misbehaves_as_told_and_counts() {
    let mut servers = Servers::new();
    let provider = provider(&mut servers);
    let url = provider.calls_configuration();
    let keys = json(&url).await["jwks_uri"].as_str().unwrap().to_owned();
    provider.set(Mode::Status(500));
    assert_eq!(get(&url).await.0, 500);
    provider.set(Mode::KeySet(r#"{"keys":[]}"#.into()));
    assert!(json(&url).await["jwks_uri"].is_string());
    assert_eq!(&get(&keys).await.1[..], br#"{"keys":[]}"#);
    provider.set(Mode::Document("<html>".into()));
    assert_eq!(&get(&url).await.1[..], b"<html>");
    provider.set(Mode::Huge(100_000));
    assert!(get(&keys).await.1.len() >= 100_000);
    provider.set(Mode::Redirect("https://example.com".into()));
    assert_eq!(get(&keys).await.0, 302);
    provider.set(Mode::Healthy);
    assert!(json(&keys).await["keys"][0]["n"].is_string());
    assert_eq!((provider.n_configurations(), provider.n_key_sets()), (4, 4));
    provider.stop().await;
    assert!(Client::new(&format!("http://{}", provider.address())).unwrap().send(Post::new("/", "")).await.is_err());
}

async fn load(address: SocketAddr, plan: Plan) -> Report {
    let graph = graph(address);
    let head = graph.load_head(&graph.calls_token().unwrap());
    Load::new(graph.client.clone(), &head, Bodies::recordings(&mut Seed::new(1)), plan).unwrap().run().await
}

#[tokio::test]
async fn under_load_every_notification_arrives_once_and_no_two_are_alike() {
    let seen: Data<parking_lot::Mutex<Vec<Bytes>>> = Data::default();
    let (mut servers, kept) = (Servers::new(), seen.clone());
    let address = serve(&mut servers, move |routes| {
        routes.app_data(kept.clone()).default_service(web::to(
            |seen: Data<parking_lot::Mutex<Vec<Bytes>>>, body: Bytes| async move {
                seen.lock().push(body);
                HttpResponse::Accepted().finish()
            },
        ));
    });
    let plan = Plan { connections: 8, rate: None, count: Some(300), duration: None };
    let report = load(address, plan).await;
    assert_eq!((report.n_2xx(), report.n_errors(), report.n_answers()), (300, 0, 300));
    let mut bodies = seen.lock().clone();
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), 300);
}

#[tokio::test]
async fn a_receiver_that_closes_every_connection_costs_no_notification() {
    let mut servers = Servers::new();
    let address = serve(&mut servers, |routes| {
        routes.default_service(web::to(|body: Bytes| async move {
            drop(body);
            HttpResponse::Accepted().force_close().finish()
        }));
    });
    let report = load(address, Plan { connections: 2, rate: None, count: Some(40), duration: None }).await;
    assert_eq!((report.n_2xx(), report.n_errors()), (40, 0), "{report}");
}

#[tokio::test]
async fn a_receiver_that_stalls_is_charged_for_everything_that_was_due_meanwhile() {
    const STALL: Duration = Duration::from_millis(400);
    let n: Data<AtomicU64> = Data::default();
    let mut servers = Servers::new();
    let address = serve(&mut servers, move |routes| {
        routes.app_data(n.clone()).default_service(web::to(|n: Data<AtomicU64>| async move {
            if n.fetch_add(1, Ordering::SeqCst) == 0 {
                tokio::time::sleep(STALL).await;
            }
            HttpResponse::Accepted().finish()
        }));
    });
    let plan = Plan { connections: 1, rate: Some(100.0), count: None, duration: Some(STALL) };
    let report = load(address, plan).await;
    assert_eq!(report.n_2xx(), 40);
    // Those due in the first half of the stall waited for its second half at least.
    assert!(report.tally.latency.quantile(0.5) >= STALL / 2, "{report}");
}

#[tokio::test]
async fn where_nobody_listens_every_notification_is_an_error() {
    let mut servers = Servers::new();
    let address = serve(&mut servers, |_| {});
    servers.shutdown().await;
    let report = load(address, Plan { connections: 2, rate: None, count: Some(4), duration: None }).await;
    assert_eq!((report.n_answers(), report.n_errors()), (0, 4));
    assert!(report.to_string().contains("cannot connect"), "{report}");
}

#[tokio::test]
async fn the_friendly_day_finds_a_receiver_wanting_that_answers_no_handshake() {
    let mut servers = Servers::new();
    let (address, server) = noop::serve(ANY_PORT).unwrap();
    servers.spawn(server);
    let mut faults = Vec::new();
    let mut n_posts = 0;
    let graph = graph(address);
    let scenarios = Scenario::all().unwrap();
    let all_well = play(&graph, Play { scenarios: &scenarios, channels: BOTH, seed: 1 }, |step| {
        n_posts += 1;
        faults.extend(step.fault().map(|_| step.scenario.clone()));
    });
    assert!(!all_well.await.unwrap());
    assert_eq!(faults, [Part::Handshake.as_str(), Part::Handshake.as_str()]);
    assert!(n_posts > 40, "{n_posts}");
}

fn failed(grade: &Grade) -> Vec<&'static str> {
    let failed = grade.verdicts.iter().filter(|verdict| matches!(verdict.outcome, Outcome::Fail(_)));
    failed.map(|verdict| verdict.name).collect()
}

async fn graded(graph: &Graph, channel: Channel) -> Grade {
    grade(graph, &mut Setting::new(channel, 1), |_| {}).await.unwrap()
}

#[tokio::test]
async fn a_receiver_that_says_yes_to_everything_fails_where_refusals_and_handshakes_begin() {
    let mut servers = Servers::new();
    let address = serve(&mut servers, |routes| {
        routes.default_service(web::to(|_: HttpRequest| async { HttpResponse::Ok().finish() }));
    });
    let grade = graded(&graph(address), Channel::Both).await;
    assert!(!grade.is_conformant());
    let failed = failed(&grade);
    for verdict in &grade.verdicts {
        let name = verdict.name;
        let may_not_pass = name.starts_with("calls-refuses") || name.starts_with("handshake-");
        assert!(!may_not_pass || verdict.outcome != Outcome::Pass, "{name}");
        let must_pass = name.contains("-accepts-") || name == "notifications-tells-strangers-nothing";
        assert!(!must_pass || !failed.contains(&name), "{name}");
    }
    for name in ["calls-refuses-no-token", "handshake-echoes-the-decoded-token", "calls-bounds-bodies"] {
        assert!(failed.contains(&name), "{name}");
    }
}

/// As a careful developer would write it with a common library.
async fn careful(
    keys: Data<(JwkSet, String)>,
    request: HttpRequest,
    body: Result<Bytes, actix_web::Error>,
) -> HttpResponse {
    if request.method() != actix_web::http::Method::POST {
        return HttpResponse::MethodNotAllowed().finish();
    }
    if request.headers().contains_key("content-encoding") {
        return HttpResponse::UnsupportedMediaType().finish();
    }
    let pairs: Vec<(String, String)> =
        url::form_urlencoded::parse(request.query_string().as_bytes()).into_owned().collect();
    if let Some((_, token)) = pairs.into_iter().find(|(key, _)| key == "validationToken") {
        if token.is_empty() || token.len() > 4096 || token.contains(char::is_control) {
            return HttpResponse::BadRequest().finish();
        }
        return HttpResponse::Ok()
            .content_type("text/plain")
            .insert_header(("x-content-type-options", "nosniff"))
            .body(token);
    }
    let Ok(body) = body else { return HttpResponse::PayloadTooLarge().finish() };
    if request.path() == "/graph/calls" {
        let header = request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let claims = header.strip_prefix("Bearer ").map(|token| verify(token, &keys.0, &keys.1));
        let Some(Ok(claims)) = claims else {
            return HttpResponse::Unauthorized().insert_header(("www-authenticate", "Bearer")).finish();
        };
        if claims["tid"].as_str().is_none_or(str::is_empty) {
            return HttpResponse::Unauthorized().insert_header(("www-authenticate", "Bearer")).finish();
        }
        return match serde_json::from_slice::<Value>(&body) {
            Ok(body) if body["value"].is_array() => HttpResponse::Accepted().finish(),
            Ok(_) => HttpResponse::NoContent().finish(),
            Err(_) => HttpResponse::BadRequest().finish(),
        };
    }
    HttpResponse::Accepted().finish()
}

#[tokio::test]
async fn a_careful_receiver_passes_every_check() {
    let mut servers = Servers::new();
    let provider = provider(&mut servers);
    let keys = key_set(&provider.calls_configuration()).await;
    let keys = Data::new((keys, "https://api.botframework.com".to_owned()));
    let address = serve(&mut servers, move |routes| {
        routes.app_data(keys.clone()).app_data(web::PayloadConfig::new(1024 * 1024)).default_service(web::to(careful));
    });
    let graph = Graph { identity: provider.identity().clone(), ..graph(address) };
    let grade_of = graded(&graph, Channel::Both).await;
    assert_eq!(failed(&grade_of), [""; 0], "{:#}", grade_of.json());
    assert!(grade_of.is_conformant());
    // It stores nothing, and answers do not show that.
    assert_eq!(grade_of.letter(), 'C');
    let skipped = |verdict: &&Verdict| matches!(verdict.outcome, Outcome::Skip(_));
    for verdict in grade_of.verdicts.iter().filter(skipped) {
        let Outcome::Skip(why) = &verdict.outcome else { continue };
        let is_unseen = ["needs --observe", "the lifecycle URL is another"].contains(&&**why);
        assert!(is_unseen, "{}: {why}", verdict.name);
    }
    let scenarios = Scenario::all().unwrap();
    assert!(play(&graph, Play { scenarios: &scenarios, channels: BOTH, seed: 1 }, |_| {}).await.unwrap());
    let graph = Graph { client_state: None, certificate: None, ..graph };
    let only = graded(&graph, Channel::Subscriptions).await;
    assert!(only.verdicts.iter().all(|verdict| verdict.channel != Channel::Calls));
    let for_lack_of = |means: &str| {
        let why = only
            .verdicts
            .iter()
            .filter(|verdict| matches!(&verdict.outcome, Outcome::Skip(why) if why.contains(means)));
        why.count()
    };
    // All that a check needs is named: of ten the clientState, of six of these the certificate too, of two that alone.
    assert_eq!((for_lack_of("clientState"), for_lack_of("needs --certificate-key")), (10, 2));
    assert_eq!(for_lack_of("needs --observe, --certificate-key and a clientState"), 6);
}

#[tokio::test]
async fn a_run_that_is_stopped_ends_early() {
    let mut servers = Servers::new();
    let (address, server) = noop::serve(ANY_PORT).unwrap();
    servers.spawn(server);
    let graph = graph(address);
    let plan = Plan { connections: 1, rate: None, count: Some(u64::MAX), duration: None };
    let head = graph.load_head(&graph.calls_token().unwrap());
    let load = Load::new(graph.client.clone(), &head, Bodies::changes(&graph, &mut Seed::new(1)), plan).unwrap();
    let stopping = Arc::clone(&load);
    let (report, ()) = tokio::join!(load.run(), async move { stopping.stop() });
    assert!(report.n_answers() <= 1);
}
