//! Tokens that reelhook gets by itself: a token endpoint beside the broker.

use std::sync::Arc;

use jiff::SignedDuration;
use reelhook::clock::Clock;
use reelhook::config::Section;
use reelhook::sinks::servicebus::ServicebusSink;
use reelhook::sinks::{Context, Sink};

use super::peer::{Door, Peer};
use super::tokens::WEB_TOKEN;
use crate::sinks::answering::Answering;
use crate::sinks::brokers::secret;
use crate::sinks::samples::{build, delivery, mistakes, retried, table};

/// The peer, which wants tokens, and where they come from.
struct Place {
    peer: Peer,
    entra: Answering,
}

impl Place {
    async fn new() -> Self {
        Self { peer: Peer::start(Door::Tokens).await, entra: Answering::with("") }
    }

    /// Entra gives this token from now on.
    fn give(&self, token: &str, expires_in: u32) {
        let body = format!("{{\"token_type\":\"Bearer\",\"access_token\":\"{token}\",\"expires_in\":{expires_in}}}");
        self.answer("200 OK", &body);
    }

    fn answer(&self, status: &str, body: &str) {
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        self.entra.answer(&(head + body));
    }

    fn keys(&self) -> String {
        let file = secret("servicebus-client", "canary-of-the-client");
        format!(
            "{}[oauth2]\ntoken_url = 'http://{}/token'\nclient_id = 'app'\nclient_secret = {{ file = {file:?} }}\n",
            self.peer.keys(),
            self.entra.address
        )
    }

    fn sink(&self, clock: &Clock) -> ServicebusSink {
        let read = |section: &mut Section<'_>| ServicebusSink::with_clock(section, &Context::default(), clock.clone());
        table(&self.keys()).read("sinks.crm", read).unwrap().0
    }
}

#[tokio::test]
async fn a_client_gets_the_token_that_the_broker_is_given() {
    let place = Place::new().await;
    place.give(WEB_TOKEN, 3599);
    let sink = build("servicebus", &place.keys()).unwrap();
    sink.probe().await.unwrap();
    sink.deliver(&delivery(1)).await.unwrap();
    sink.deliver(&delivery(2)).await.unwrap();
    assert_eq!((place.peer.state.messages.lock().len(), place.peer.n_connections()), (2, 2));
    let put = ("jwt".to_owned(), WEB_TOKEN.to_owned());
    assert_eq!(place.peer.state.tokens.lock()[..], [put.clone(), put], "for the probe and for the sink");
    let [asked] = place.entra.requests().try_into().unwrap();
    assert!(asked.head.starts_with("POST /token HTTP/1.1"), "{}", asked.head);
    // base64 of "app:canary-of-the-client"
    assert_eq!(asked.header("authorization"), Some("Basic YXBwOmNhbmFyeS1vZi10aGUtY2xpZW50"));
    let scope = "scope=https%3A%2F%2Fservicebus.azure.net%2F.default";
    assert_eq!(String::from_utf8(asked.body).unwrap(), format!("grant_type=client_credentials&{scope}"));
}

#[tokio::test]
async fn a_connection_is_never_used_longer_than_its_token_lasts() {
    let place = Place::new().await;
    let clock = Clock::manual(Clock::system().now());
    let sink = place.sink(&clock);
    for (n, (minutes, lasts, n_connections, n_asked)) in (0..).zip([
        // An hour: longer than a connection is used, but not than two.
        (0, 3600, 1, 1),
        (29, 3600, 1, 1),
        (2, 600, 2, 2),
        // Ten minutes.
        (8, 600, 2, 2),
        (2, 86_400, 3, 3),
        // A day: it serves for many connections.
        (31, 600, 4, 3),
        (31, 600, 5, 3),
    ]) {
        clock.advance(SignedDuration::from_mins(minutes));
        place.give(WEB_TOKEN, lasts);
        sink.deliver(&delivery(n)).await.unwrap();
        assert_eq!((place.peer.n_connections(), place.entra.requests().len()), (n_connections, n_asked), "{n}");
    }
}

#[tokio::test]
async fn a_token_that_the_broker_refuses_is_not_put_again() {
    let place = Place::new().await;
    let sink: Arc<dyn Sink> = build("servicebus", &place.keys()).unwrap();
    place.give("canary.other.token", 3599);
    let (reason, pauses, _) = retried(sink.deliver(&delivery(1)).await);
    assert!(pauses && reason.contains("another token: (the token)") && !reason.contains("canary"), "{reason}");
    place.give(WEB_TOKEN, 3599);
    sink.deliver(&delivery(1)).await.unwrap();
    assert_eq!(place.entra.requests().len(), 2);
}

#[tokio::test]
async fn without_a_token_nothing_is_put_and_no_secret_is_told() {
    let place = Place::new().await;
    let sink = build("servicebus", &place.keys()).unwrap();
    place.answer("401 No", r#"{"error":"invalid_client","error_description":"canary-of-the-client"}"#);
    for (reason, pauses, _) in [retried(sink.deliver(&delivery(1)).await), retried(sink.probe().await)] {
        assert!(pauses && reason.contains("answered 401 invalid_client") && !reason.contains("canary"), "{reason}");
    }
    assert_eq!(place.peer.state.tokens.lock().len(), 0);
}

#[test]
fn a_mistake_in_the_table_is_told() {
    let file = secret("servicebus-client", "canary-of-the-client");
    let told = |url: &str, token_url: &str, more: &str| {
        let oauth2 = format!("token_url = '{token_url}', client_id = 'app', client_secret = {{ file = {file:?} }}");
        mistakes("servicebus", &format!("url = '{url}'\nqueue = 'a'\noauth2 = {{ {oauth2} }}\n{more}"))
    };
    let plain = told("amqps://h", "http://entra.example", "");
    assert!(plain.starts_with("sinks.crm.oauth2.token_url: found http://, expected https://"), "{plain}");
    let both = told("amqps://h", "https://entra.example", &format!("auth = {{ token = {{ file = {file:?} }} }}"));
    assert!(both.starts_with("sinks.crm.oauth2: found it beside auth, expected one of the two"), "{both}");
    let missing = mistakes("servicebus", "url = 'amqps://h'\nqueue = 'a'\noauth2 = {}");
    for key in ["token_url", "client_id", "client_secret"] {
        assert!(missing.contains(&format!("sinks.crm.oauth2.{key}: found nothing")), "{missing}");
    }
}
