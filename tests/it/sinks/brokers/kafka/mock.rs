//! What the broker of the tests cannot be made to answer: librdkafka's own mock of a cluster does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey as Request, RDKafkaRespErr as Answer};
use reelhook::sinks::{DeliveryError, Sink};

use crate::sinks::samples::{build, delivery, retried};

const MISSING: &str = "there is no such topic";
/// Longer than librdkafka takes to look at a topic again.
const PATIENCE: Duration = Duration::from_secs(30);

type Cluster = MockCluster<'static, DefaultProducerContext>;

/// Three brokers with a topic of this many replicas, and a sink that delivers to it.
fn cluster(n_replicas: i32) -> (Cluster, Arc<dyn Sink>) {
    let cluster = MockCluster::new(3).unwrap();
    cluster.create_topic("events", 1, n_replicas).unwrap();
    let brokers: Vec<_> = cluster.bootstrap_servers().split(',').map(|broker| format!("'{broker}'")).collect();
    let keys = format!("brokers = [{}]\ntopic = 'events'", brokers.join(", "));
    (cluster, build("kafka", &keys).unwrap())
}

/// Attempts a delivery until it succeeds. Before that it fails for this reason alone.
async fn until_it_is_taken(sink: &dyn Sink, why_not: &str) {
    let began = Instant::now();
    while let Err(error) = sink.deliver(&delivery(1)).await {
        assert_eq!(retried::<()>(Err(error)).0, why_not);
        assert!(began.elapsed() < PATIENCE, "{why_not}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn what_a_broker_refuses_for_now_is_sent_again_until_it_is_taken() {
    let (cluster, sink) = cluster(3);
    cluster.request_errors(Request::Produce, &[Answer::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS; 2]);
    assert_eq!(sink.deliver(&delivery(1)).await, Ok(()));
}

#[tokio::test]
async fn a_topic_that_the_login_may_not_write_to_is_told_at_once() {
    let (cluster, sink) = cluster(3);
    cluster.request_errors(Request::Produce, &[Answer::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED]);
    let (reason, pauses, _) = retried(sink.deliver(&delivery(1)).await);
    assert!(!pauses && reason == "the login may not write to this topic", "{reason}");
    until_it_is_taken(&*sink, "the login may not write to this topic").await;
}

#[tokio::test]
async fn a_topic_with_a_lower_limit_is_told_with_the_key_that_has_to_follow() {
    let (cluster, sink) = cluster(3);
    cluster.request_errors(Request::Produce, &[Answer::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE]);
    let refused = sink.deliver(&delivery(1)).await;
    assert!(
        matches!(&refused, Err(DeliveryError::Reject { reason }) if reason.contains("1000000") && reason.contains("max_bytes")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_topic_that_is_missing_is_a_retry_and_a_probe_tells_it() {
    let (cluster, sink) = cluster(3);
    cluster.topic_error("events", Answer::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART).unwrap();
    assert_eq!(retried(sink.deliver(&delivery(1)).await).0, MISSING);
    assert_eq!(retried(sink.probe().await).0, MISSING);
    cluster.topic_error("events", Answer::RD_KAFKA_RESP_ERR_NO_ERROR).unwrap();
    until_it_is_taken(&*sink, MISSING).await;
}

#[tokio::test]
async fn a_probe_tells_how_many_replicas_there_are_and_what_it_cannot_see() {
    for (n_replicas, words) in [(1, "has one replica"), (3, "do not tell min.insync.replicas")] {
        let (_cluster, sink) = cluster(n_replicas);
        let warnings = sink.probe().await.unwrap();
        assert!(warnings.len() == 1 && warnings[0].contains(words), "{warnings:?}");
    }
}

#[tokio::test]
async fn the_brokers_go_away_and_come_back() {
    let (cluster, sink) = cluster(3);
    sink.deliver(&delivery(1)).await.unwrap();
    (1..=3).for_each(|broker| cluster.broker_down(broker).unwrap());
    let (reason, pauses, _) = retried(sink.deliver(&delivery(2)).await);
    assert!(pauses && reason.starts_with("no broker can be reached: "), "{reason}");
    (1..=3).for_each(|broker| cluster.broker_up(broker).unwrap());
    assert_eq!(sink.deliver(&delivery(2)).await, Ok(()));
}
