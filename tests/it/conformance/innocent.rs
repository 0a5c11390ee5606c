//! Receivers that do as they may, and receivers of no use: no false accusation, no false praise.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use bytes::Bytes;
use reelhook::clock::Clock;
use reelhook::simulator::conformance::{
    Channel, Grade, Level, Observer, Outcome, Patience, Place, Setting, Told, grade,
};
use reelhook::simulator::{Graph, Identity, Paths};
use tokio::task::JoinSet;

use super::receiver::{Running, graph, start};

type Servers = JoinSet<std::io::Result<()>>;

fn serve(servers: &mut Servers, routes: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static) -> SocketAddr {
    let server = HttpServer::new(move || App::new().configure(routes.clone())).workers(1).disable_signals();
    let server = server.bind("127.0.0.1:0").unwrap();
    let address = server.addrs()[0];
    servers.spawn(server.run());
    address
}

fn towards(address: SocketAddr) -> Graph {
    graph(address, Identity::new(Clock::system()).unwrap())
}

fn failed(grade: &Grade) -> Vec<&'static str> {
    grade.verdicts.iter().filter(|verdict| verdict.has_failed()).map(|verdict| verdict.name).collect()
}

async fn graded(graph: &Graph, channel: Channel, observer: Option<Observer>) -> Grade {
    let mut setting = Setting::new(channel, 1);
    setting.observer = observer;
    grade(graph, &mut setting, |_| {}).await.unwrap()
}

fn yes_to_everything(servers: &mut Servers) -> SocketAddr {
    serve(servers, |routes| {
        routes.default_service(web::to(|_: HttpRequest| async { HttpResponse::Accepted().finish() }));
    })
}

#[tokio::test]
async fn a_receiver_that_answers_202_to_everything_gets_an_f() {
    let mut servers = Servers::new();
    let graph = towards(yes_to_everything(&mut servers));
    let both = graded(&graph, Channel::Both, None).await;
    assert_eq!(both.letter(), 'F', "{}", both.reason());
    for name in ["calls-refuses-no-token", "handshake-echoes-the-decoded-token"] {
        assert!(failed(&both).contains(&name), "{name}");
    }
    assert!(both.not_seen.iter().any(|text| text.contains("stored")), "{:?}", both.not_seen);
    let musts = both.counts(Level::Must);
    assert!(musts.n_failed == 2 && musts.n_following > 12, "what was not judged is counted: {musts:?}");
    assert!(both.hints.iter().any(|hint| hint.contains("run again")), "{:?}", both.hints);
    assert_eq!(graded(&graph, Channel::Calls, None).await.letter(), 'F');
    assert_eq!(graded(&graph, Channel::Subscriptions, None).await.letter(), 'F');
    let folder = tempfile::tempdir().unwrap();
    let (mut observer, _) = Observer::start(Place::File(folder.path().join("nothing"))).unwrap();
    (observer.patience, observer.grace) = Default::default();
    let observed = graded(&graph, Channel::Both, Some(observer)).await;
    let found = failed(&observed);
    assert!(found.contains(&"calls-delivers-recordings"), "{found:?}");
    assert!(found.contains(&"calls-refuses-no-token"), "what is delivered nowhere proves no refusal: {found:?}");
    assert!("DF".contains(observed.letter()), "{}", observed.reason());
}

#[tokio::test]
async fn a_receiver_that_stores_nothing_gets_neither_an_a_nor_a_b() {
    let running = start("calls-delivers-recordings");
    let unseen = graded(&running.graph, Channel::Calls, None).await;
    assert_eq!((failed(&unseen), unseen.letter(), unseen.is_conformant()), (vec![], 'C', true));
    assert!(unseen.reason().starts_with("no better than C without --observe, because"), "{}", unseen.reason());
    let seen = graded(&running.graph, Channel::Calls, Some(running.observer())).await;
    assert_eq!((failed(&seen), seen.letter()), (vec!["calls-delivers-recordings"], 'D'));
}

#[tokio::test]
async fn without_a_client_state_the_proof_of_changes_is_not_seen() {
    let running = start("");
    let graph = Graph { client_state: None, certificate: None, ..graph_of(&running) };
    let grade = graded(&graph, Channel::Calls, Some(running.observer())).await;
    assert_eq!(grade.letter(), 'A', "{}", grade.reason());
    let unproven = graded(&graph, Channel::Subscriptions, Some(running.observer())).await;
    assert!(unproven.not_seen.iter().any(|text| text.contains("clientState")), "{:?}", unproven.not_seen);
    assert!(unproven.verdicts.iter().all(|verdict| verdict.channel != Channel::Calls));
    assert_eq!((failed(&unproven), unproven.letter()), (vec![], 'C'), "{}", unproven.reason());
}

pub fn graph_of(running: &Running) -> Graph {
    Graph { client: running.graph.client.clone(), ..graph(([127, 0, 0, 1], 1).into(), running.graph.identity.clone()) }
}

#[tokio::test]
async fn a_receiver_that_hangs_is_found_out_and_the_rest_is_skipped() {
    let mut servers = Servers::new();
    let address = serve(&mut servers, |routes| {
        routes.default_service(web::to(|_: HttpRequest| async {
            std::future::pending::<()>().await;
            HttpResponse::Accepted().finish()
        }));
    });
    let mut setting = Setting::new(Channel::Both, 1);
    setting.patience = Patience {
        first: Duration::from_millis(80),
        after_a_hang: Duration::from_millis(10),
        in_all: Duration::from_millis(85),
        in_time: Duration::from_millis(80),
        ..Patience::default()
    };
    let (mut n_told, mut n_sent) = (0, 0);
    let graph = towards(address);
    let grade = grade(&graph, &mut setting, |told| match told {
        Told::Begins { .. } => n_sent += 1,
        Told::Verdict(_) => n_told += 1,
        _ => {}
    });
    let grade = grade.await.unwrap();
    assert_eq!((grade.letter(), grade.is_conformant()), ('F', false));
    assert!(grade.reason().starts_with("the receiver hangs: 2 POSTs were not answered"), "{}", grade.reason());
    let skipped = grade
        .verdicts
        .iter()
        .filter(|verdict| matches!(&verdict.outcome, Outcome::Skip(why) if why.contains("hangs")) || verdict.follows());
    assert!(skipped.count() > 50, "{:#}", grade.json());
    assert!(n_told == grade.verdicts.len() && n_sent > 50);
    let real = Patience::default();
    let longest = real.first * 2 + real.after_a_hang + real.in_all;
    assert!(longest < Duration::from_secs(60), "with the first look for a receiver: {longest:?}");
}

#[tokio::test]
async fn a_receiver_that_dies_is_told_from_one_that_refuses() {
    let mut servers = Servers::new();
    let address = yes_to_everything(&mut servers);
    servers.shutdown().await;
    let grade = graded(&towards(address), Channel::Both, None).await;
    assert_eq!(failed(&grade), ["calls-accepts-a-genuine-token"]);
    assert!(grade.reason().contains("is gone since calls-accepts-a-genuine-token"), "{}", grade.reason());
    assert_eq!(grade.letter(), 'F');
}

/// In front of a receiver: changes answers as the innocent do.
#[derive(Clone)]
pub struct Front {
    pub to: reelhook::simulator::Client,
    pub change: fn(&HttpRequest, u16, Bytes) -> HttpResponse,
}

pub async fn pass(front: Data<Front>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let mut post = reelhook::simulator::client::Post::new(request.uri().to_string(), body);
    post.method = hyper::Method::from_bytes(request.method().as_str().as_bytes()).unwrap();
    for name in ["authorization", "content-type", "accept", "content-encoding"] {
        if let Some(value) = request.headers().get(name) {
            let value = hyper::header::HeaderValue::from_bytes(value.as_bytes()).unwrap();
            post.headers.insert(hyper::header::HeaderName::from_static(name), value);
        }
    }
    match front.to.send(post).await {
        Ok(answer) => (front.change)(&request, answer.status, answer.body),
        Err(_) => HttpResponse::BadGateway().finish(),
    }
}

pub fn answered(status: u16) -> actix_web::HttpResponseBuilder {
    HttpResponse::build(actix_web::http::StatusCode::from_u16(status).unwrap())
}

/// Grades the small receiver behind answers that were changed.
async fn behind(change: fn(&HttpRequest, u16, Bytes) -> HttpResponse) -> (Grade, Running) {
    let running = start("");
    let front = Data::new(Front { to: running.graph.client.clone(), change });
    let mut servers = Servers::new();
    let address = serve(&mut servers, move |routes| {
        let front = front.clone();
        routes.app_data(front).app_data(web::PayloadConfig::new(16 * 1024 * 1024)).default_service(web::to(pass));
    });
    let client = reelhook::simulator::Client::new(&format!("http://{address}")).unwrap();
    let graph = Graph { client, certificate: None, ..graph_of(&running) };
    let grade = graded(&graph, Channel::Both, Some(running.observer())).await;
    (grade, running)
}

#[tokio::test]
async fn a_session_cookie_an_escaped_token_and_a_request_id_are_no_faults() {
    let (grade, _running) = behind(|_, status, body| {
        let text = String::from_utf8_lossy(&body).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let id = uuid::Uuid::new_v4().to_string();
        let text = if text.is_empty() && status == 202 { id.clone() } else { text };
        answered(status)
            .content_type("text/plain")
            .insert_header(("set-cookie", format!("connect.sid={id}; Path=/; HttpOnly")))
            .insert_header(("x-content-type-options", "nosniff"))
            .insert_header(("www-authenticate", "Bearer"))
            .body(text)
    })
    .await;
    assert_eq!((failed(&grade), grade.letter()), (vec![], 'A'), "{}", grade.reason());
}

#[tokio::test]
async fn a_receiver_that_answers_202_to_strangers_and_drops_them_is_no_believer() {
    let (grade, running) = behind(|request, status, body| {
        let is_stranger = request.path() == Paths::default().calls && status == 401;
        let mut answer = answered(if is_stranger { 202 } else { status });
        answer.content_type("text/plain").insert_header(("x-content-type-options", "nosniff")).body(body)
    })
    .await;
    assert_eq!((failed(&grade), grade.letter()), (vec!["calls-says-how-to-authenticate"], 'A'));
    drop(running);
}

#[tokio::test]
async fn a_receiver_that_redirects_to_another_region_is_followed() {
    for status in [302, 307] {
        let running = start("");
        let mut servers = Servers::new();
        let to = running.address;
        let address = serve(&mut servers, move |routes| {
            routes.default_service(web::to(move |request: HttpRequest| async move {
                answered(status).insert_header(("location", format!("http://{to}{}", request.uri()))).finish()
            }));
        });
        let client = reelhook::simulator::Client::new(&format!("http://{address}")).unwrap();
        let certificate = None;
        let graph = Graph { client, certificate, ..graph_of(&running) };
        let grade = graded(&graph, Channel::Both, Some(running.observer())).await;
        assert_eq!((failed(&grade), grade.letter()), (vec![], 'A'), "{status}: {}", grade.reason());
    }
}

#[tokio::test]
async fn an_observer_that_is_posted_to_sees_the_same() {
    let mut servers = Servers::new();
    let place = Place::read("http://127.0.0.1:0").unwrap();
    let (mut observer, server) = Observer::start(place).unwrap();
    let (address, server) = server.unwrap();
    servers.spawn(server);
    (observer.patience, observer.grace) = Default::default();
    // A receiver that posts what it takes to the observer, whoever sent it.
    let to = Data::new(reelhook::simulator::Client::new(&format!("http://{address}")).unwrap());
    let receiver = serve(&mut servers, move |routes| {
        routes.app_data(to.clone()).default_service(web::to(
            |to: Data<reelhook::simulator::Client>, body: Bytes| async move {
                let sent = to.send(reelhook::simulator::client::Post::new("/", body)).await;
                answered(sent.map_or(502, |answer| answer.status)).finish()
            },
        ));
    });
    let grade = graded(&towards(receiver), Channel::Calls, Some(observer)).await;
    let delivered = grade.verdicts.iter().find(|verdict| verdict.name == "calls-delivers-recordings").unwrap();
    assert_eq!(delivered.outcome, Outcome::Pass);
    let believed = grade.verdicts.iter().find(|verdict| verdict.name == "calls-refuses-no-token").unwrap();
    assert_eq!(believed.outcome, Outcome::Fail("it was delivered".into()));
}
