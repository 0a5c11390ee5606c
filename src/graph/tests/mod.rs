//! Both channels and the keys, from the outside, against a real provider.

mod calls;
mod inspection;
mod keys;
mod subscriptions;

use std::sync::Arc;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::testing::Graph;
use crate::domain::{Channel, Raw};

/// What tasks wait for must be able to move between threads.
#[actix_web::test]
async fn every_wait_can_be_spawned() {
    fn is_spawnable<T: Send>(_: T) {}
    let graph = Graph::start();
    is_spawnable(graph.calls.prove(&[]));
    is_spawnable(graph.subscriptions.read(Bytes::new(), Channel::Lifecycle));
    is_spawnable(graph.subscriptions.judge_again(Raw(Bytes::new()), Channel::Lifecycle, true));
    is_spawnable(Arc::clone(&graph.keys).keep_fresh(CancellationToken::new()));
}
