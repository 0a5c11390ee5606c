//! A small broker of AMQP 1.0, with what Service Bus has and RabbitMQ has not: tokens (`$cbs`), sessions, duplicates that are
//! known by their message's id, a limit that it tells, and outcomes of every kind. The subject of a message says what becomes
//! of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fe2o3_amqp::acceptor::{
    ConnectionAcceptor, LinkAcceptor, LinkEndpoint, ListenerSessionHandle, SaslAnonymousMechanism, SessionAcceptor,
};
use fe2o3_amqp::types::definitions::{AmqpError, Error, ErrorCondition, LinkError, Role};
use fe2o3_amqp::types::messaging::{Data, Message, Modified, TargetArchetype};
use fe2o3_amqp::types::performatives::Attach;
use fe2o3_amqp::types::primitives::Symbol;
use fe2o3_amqp::{Delivery, Receiver};
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::tokens::{self, Grants};

/// The only queue. It is one with sessions.
pub const QUEUE: &str = "recordings";
/// The longest message, in bytes.
pub const MAX_BYTES: u64 = 262_144;

/// Whom it lets in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Door {
    /// Everybody.
    Open,
    /// Who puts a token.
    Tokens,
}

/// The broker. It ends with this value.
pub struct Peer {
    pub address: SocketAddr,
    pub state: Arc<State>,
    _tasks: JoinSet<()>,
}

pub struct State {
    door: Door,
    /// What is in the queue.
    pub messages: Mutex<Vec<Message<Data>>>,
    /// The tokens that were taken: their types and texts.
    pub tokens: Mutex<Vec<(String, String)>>,
    pub n_connections: AtomicUsize,
    /// Why every link ends now.
    ends: watch::Sender<Option<Error>>,
    n_ended: AtomicUsize,
}

impl Peer {
    pub async fn start(door: Door) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let state = Arc::new(State {
            door,
            messages: Mutex::default(),
            tokens: Mutex::default(),
            n_connections: AtomicUsize::new(0),
            ends: watch::Sender::new(None),
            n_ended: AtomicUsize::new(0),
        });
        let (address, shared, mut tasks) = (listener.local_addr().unwrap(), Arc::clone(&state), JoinSet::new());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                shared.n_connections.fetch_add(1, Ordering::SeqCst);
                connections.spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { address, state, _tasks: tasks }
    }

    /// The keys of a sink that sends to its queue.
    pub fn keys(&self) -> String {
        format!("url = 'amqp://{}'\nqueue = '{QUEUE}'\nsubject = '{{client_context}}'\n", self.address)
    }

    pub fn n_connections(&self) -> usize {
        self.state.n_connections.load(Ordering::SeqCst)
    }

    /// Ends every link to the queue, and waits until the other side knows.
    pub async fn end_links(&self, error: Error) {
        let (before, began) = (self.state.n_ended.load(Ordering::SeqCst), Instant::now());
        self.state.ends.send_replace(Some(error));
        while self.state.n_ended.load(Ordering::SeqCst) == before {
            assert!(began.elapsed() < Duration::from_secs(10), "no link ends");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let acceptor = ConnectionAcceptor::builder().container_id("peer");
    let accepted = acceptor.sasl_acceptor(SaslAnonymousMechanism::new()).build().accept(stream).await;
    let Ok(mut connection) = accepted else { return };
    let (grants, mut sessions) = (Grants::default(), JoinSet::new());
    while let Ok(session) = SessionAcceptor::new().accept(&mut connection).await {
        sessions.spawn(serve_session(session, Arc::clone(&state), grants.clone()));
    }
}

async fn serve_session(mut session: ListenerSessionHandle, state: Arc<State>, grants: Grants) {
    let acceptor = LinkAcceptor::builder().max_message_size(MAX_BYTES).build();
    let (mut links, mut requests) = (JoinSet::new(), None);
    while let Some(mut attach) = session.next_incoming_attach().await {
        let target = target_of(&attach);
        let refusal = if attach.role == Role::Receiver || target == tokens::NODE {
            None
        } else if target != QUEUE {
            Some(Error::new(AmqpError::NotFound, format!("there is no {target}"), None))
        } else if state.door == Door::Tokens && !grants.hold(&target) {
            Some(Error::new(AmqpError::UnauthorizedAccess, "put a token that may send".to_owned(), None))
        } else {
            None
        };
        if refusal.is_some() {
            // A link without a target is refused: its end follows.
            attach.target = None;
        }
        match (acceptor.accept_incoming_attach(attach, &mut session).await.unwrap(), refusal) {
            (LinkEndpoint::Receiver(link), Some(error)) => drop(link.close_with_error(error).await),
            (LinkEndpoint::Receiver(link), None) if target == tokens::NODE => requests = Some(link),
            (LinkEndpoint::Receiver(link), None) => drop(links.spawn(serve_queue(link, Arc::clone(&state)))),
            (LinkEndpoint::Sender(answers), _) => {
                let requests = requests.take().expect("requests before answers");
                links.spawn(tokens::serve(requests, answers, Arc::clone(&state), grants.clone()));
            }
        }
    }
}

fn target_of(attach: &Attach) -> String {
    match attach.target.as_deref() {
        Some(TargetArchetype::Target(target)) => target.address.clone().unwrap_or_default(),
        _ => String::new(),
    }
}

async fn serve_queue(mut link: Receiver, state: Arc<State>) {
    let mut ends = state.ends.subscribe();
    loop {
        tokio::select! {
            _ = ends.changed() => {
                let error = ends.borrow().clone().unwrap();
                drop(link.close_with_error(error).await);
                state.n_ended.fetch_add(1, Ordering::SeqCst);
                return;
            }
            delivery = link.recv::<Data>() => match delivery {
                Ok(delivery) => settle(&link, delivery, &state).await,
                Err(_) => return,
            }
        }
    }
}

async fn settle(link: &Receiver, delivery: Delivery<Data>, state: &State) {
    let properties = delivery.message().properties.clone().unwrap();
    let rejected = |condition: &str| {
        Error::new(ErrorCondition::Custom(Symbol::from(condition)), "told by the peer".to_owned(), None)
    };
    let modified = Modified { delivery_failed: Some(true), undeliverable_here: None, message_annotations: None };
    match properties.subject.as_deref().unwrap_or_default() {
        "silence" => (),
        "released" => link.release(&delivery).await.unwrap(),
        "modified" => link.modify(&delivery, modified).await.unwrap(),
        "rejected" => link.reject(&delivery, None).await.unwrap(),
        "too large" => link.reject(&delivery, Error::from(LinkError::MessageSizeExceeded)).await.unwrap(),
        "full" => link.reject(&delivery, Error::from(AmqpError::ResourceLimitExceeded)).await.unwrap(),
        "busy" => link.reject(&delivery, rejected("com.microsoft:server-busy")).await.unwrap(),
        "odd" => link.reject(&delivery, rejected("com.example:odd")).await.unwrap(),
        _ if properties.group_id.is_none() => link.reject(&delivery, rejected("amqp:not-allowed")).await.unwrap(),
        _ => {
            link.accept(&delivery).await.unwrap();
            let message = delivery.into_message();
            let mut messages = state.messages.lock();
            let id = |message: &Message<Data>| message.properties.as_ref().unwrap().message_id.clone();
            if !messages.iter().any(|known| id(known) == id(&message)) {
                messages.push(message);
            }
        }
    }
}
