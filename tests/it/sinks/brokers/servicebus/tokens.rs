//! The node `$cbs` of the small broker: it takes a shared access signature whose signature and time hold, and one token of
//! Entra ID.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fe2o3_amqp::types::messaging::{AmqpValue, ApplicationProperties, Message, Properties};
use fe2o3_amqp::types::primitives::SimpleValue;
use fe2o3_amqp::{Receiver, Sender};
use parking_lot::Mutex;
use percent_encoding::percent_decode_str;
use reelhook::clock::Clock;

use super::peer::State;

pub const NODE: &str = "$cbs";
/// A shared access policy, and its key.
pub const POLICY: (&str, &str) = ("send only", "canary+key/of=a+policy=");
/// A token of Entra ID.
pub const WEB_TOKEN: &str = "canary.web.token";

/// What a connection may send to.
#[derive(Clone, Default)]
pub struct Grants(Arc<Mutex<Vec<String>>>);

impl Grants {
    pub fn hold(&self, queue: &str) -> bool {
        self.0.lock().iter().any(|resource| *resource == format!("sb://127.0.0.1/{queue}"))
    }
}

pub async fn serve(mut requests: Receiver, mut answers: Sender, state: Arc<State>, grants: Grants) {
    while let Ok(request) = requests.recv::<AmqpValue<String>>().await {
        requests.accept(&request).await.unwrap();
        let message = request.into_message();
        let (properties, AmqpValue(token)) = (message.application_properties.unwrap(), message.body);
        let text = |name: &str| match properties.0.get(name) {
            Some(SimpleValue::String(text)) => text.clone(),
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(text("operation"), "put-token");
        let (kind, resource) = (text("type"), text("name"));
        let (code, description) = match refusal(&kind, &resource, &token) {
            None => {
                grants.0.lock().push(resource);
                state.tokens.lock().push((kind, token));
                (202, "Accepted".to_owned())
            }
            // A broker that repeats what it got.
            Some(why) => (401, format!("{why}: {token}")),
        };
        let answer = Message::builder()
            .properties(Properties { correlation_id: message.properties.unwrap().message_id, ..Default::default() })
            .application_properties(
                ApplicationProperties::builder()
                    .insert("status-code", SimpleValue::Int(code))
                    .insert("status-description", SimpleValue::String(description))
                    .build(),
            )
            .value(true)
            .build();
        answers.send(answer).await.unwrap();
    }
}

fn refusal(kind: &str, resource: &str, token: &str) -> Option<&'static str> {
    if kind == "jwt" {
        return (token != WEB_TOKEN).then_some("another token");
    }
    assert_eq!(kind, "servicebus.windows.net:sastoken");
    let fields: BTreeMap<&str, &str> = token
        .strip_prefix("SharedAccessSignature ")
        .expect("a signature")
        .split('&')
        .map(|field| field.split_once('=').unwrap())
        .collect();
    let plain = |name: &str| percent_decode_str(fields[name]).decode_utf8().unwrap().into_owned();
    let expires: i64 = fields["se"].parse().unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, POLICY.1.as_bytes());
    let signed = format!("{}\n{}", fields["sr"], fields["se"]);
    if plain("skn") != POLICY.0 {
        Some("no such policy")
    } else if hmac::verify(&key, signed.as_bytes(), &STANDARD.decode(plain("sig")).unwrap()).is_err() {
        Some("the signature is wrong")
    } else if plain("sr") != resource {
        Some("for another resource")
    } else if expires <= Clock::system().now().as_second() {
        Some("expired")
    } else {
        None
    }
}
