//! Several events in an object, in each of the services: the suite again, with the lines of their objects.

use std::net::SocketAddr;

use async_trait::async_trait;
use reelhook::domain::DeliveryId;
use serde_json::Value;
use uuid::Uuid;

use super::KIND;
use super::azure::Azure;
use super::gcs::Gcs;
use super::s3::S3;
use crate::sinks::brokers::{Arrived, Broker, suite};
use crate::sinks::samples::{build, delivery};

/// A service, and how its objects are read.
#[async_trait]
pub trait Service: Broker {
    /// The texts of the objects in a place, by their names.
    async fn texts(&self, place: &str) -> Vec<(String, String)>;
}

/// A service whose objects have several events.
pub struct Batched<S>(S);

/// The delivery of an event: the samples number both.
fn delivery_of(event: &Value) -> String {
    let id: Uuid = event["id"].as_str().unwrap().parse().unwrap();
    DeliveryId(Uuid::from_u128(id.as_u128() + 1000)).to_string()
}

#[async_trait]
impl<S: Service> Broker for Batched<S> {
    const KIND: &'static str = KIND;
    const TOO_LARGE: (usize, &'static str) = (0, "");
    const MAKES_PLACES: bool = false;

    async fn start(login: Option<(&str, &str)>) -> Self {
        Self(S::start(login).await)
    }

    fn address(&self) -> SocketAddr {
        self.0.address()
    }

    async fn make(&self, place: &str) {
        self.0.make(place).await;
    }

    fn keys(address: SocketAddr, place: &str) -> String {
        S::keys(address, place) + "batch = { age = '5ms' }\n"
    }

    fn keys_by_client_context(address: SocketAddr, place: &str) -> String {
        Self::keys(address, place) + "path = 'of/{client_context}/{batch_id}.jsonl'\n"
    }

    async fn arrived(&self, place: &str) -> Vec<Arrived> {
        let mut arrived = Vec::new();
        for (name, text) in self.0.texts(place).await {
            assert!(name.starts_with("kept/") && name.ends_with(".jsonl") && text.ends_with('\n'), "{name}: {text:?}");
            let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            arrived.extend(events.map(|event| Arrived { id: delivery_of(&event), event }));
        }
        arrived
    }

    async fn stop(&mut self) {
        self.0.stop().await;
    }

    async fn restart(&mut self) {
        self.0.restart().await;
    }
}

/// What every service does: full batches, the rest by its age, and what the others keep when one is left out.
async fn two_hundred_events_are_three_objects<S: Service>() {
    let server = S::start(None).await;
    server.make("batches").await;
    let sink = build(KIND, &(S::keys(server.address(), "batches") + "batch = { count = 80, age = '200ms' }")).unwrap();
    let deliveries: Vec<_> = (0..200).map(delivery).collect();
    assert_eq!(sink.deliver_batch(&deliveries.iter().collect::<Vec<_>>()).await, vec![Ok(()); 200]);
    // The same again, as after a crash: nothing is added.
    assert_eq!(sink.deliver_batch(&deliveries.iter().collect::<Vec<_>>()).await, vec![Ok(()); 200]);
    let texts = server.texts("batches").await;
    let n_lines: Vec<usize> = texts.iter().map(|(_, text)| text.lines().count()).collect();
    assert_eq!(n_lines, [80, 80, 40]);
    let events =
        texts.iter().flat_map(|(_, text)| text.lines()).map(|line| serde_json::from_str::<Value>(line).unwrap());
    let found: Vec<String> = events.map(|event| delivery_of(&event)).collect();
    assert_eq!(found, deliveries.iter().map(|it| it.id.to_string()).collect::<Vec<_>>());
}

suite::of_any_kind!(Batched<Gcs>);

#[tokio::test]
async fn two_hundred_events_are_three_objects_in_s3() {
    two_hundred_events_are_three_objects::<S3>().await;
}

#[tokio::test]
async fn two_hundred_events_are_three_blobs_in_azure() {
    two_hundred_events_are_three_objects::<Azure>().await;
}

#[tokio::test]
async fn two_hundred_events_are_three_objects_in_google_cloud_storage() {
    two_hundred_events_are_three_objects::<Gcs>().await;
}
