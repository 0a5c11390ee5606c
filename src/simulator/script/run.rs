//! A script with its ids: the POSTs in their order.

use std::time::Duration;

use uuid::Uuid;

use super::call::Call;
use super::facts::{CallFacts, Item, Says, Sends, Status, Step};
use crate::simulator::client::Post;
use crate::simulator::heads::CallHead;
use crate::simulator::payload::{self, Recording, Seed};
use crate::simulator::{Graph, SimulatorError};

/// One POST of a script.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its description.
    pub what: String,
    /// The time after the answer before it.
    pub after: Duration,
    /// The answers that are as expected; empty: any 2xx.
    pub expect: Vec<u16>,
    head: CallHead,
    body: String,
}

impl Request {
    /// The POST, with a token that is signed now.
    ///
    /// # Errors
    /// The cryptography library did not sign.
    pub fn post(&self, graph: &Graph) -> Result<Post, SimulatorError> {
        Ok(graph.call(&self.head, &format!("Bearer {}", graph.calls_token()?), self.body.clone()))
    }
}

/// A call that is played, and its ids.
#[derive(Clone, Debug)]
pub struct PlayedCall {
    /// Its name in the script.
    pub name: String,
    /// Its id.
    pub id: Uuid,
    /// Its chain.
    pub chain: Uuid,
}

/// A script that is played once.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its POSTs, in their order.
    pub requests: Vec<Request>,
    /// Its calls.
    pub calls: Vec<PlayedCall>,
    /// Its recordings.
    pub recordings: Vec<Recording>,
}

impl Run {
    pub(super) fn new(calls: &[CallFacts], steps: &[Step], graph: &Graph, seed: &mut Seed) -> Self {
        let mut played: Vec<Call> = calls.iter().map(|facts| Call::new(facts, graph, seed)).collect();
        let mut requests: Vec<Request> = Vec::with_capacity(steps.len());
        for Step { after, expect, sends } in steps {
            let sent = match sends {
                Sends::Items(items) => Some(made(items, &mut played, seed)),
                Sends::Repeat => requests.last().map(|last| {
                    let what = last.what.strip_suffix(", repeated").unwrap_or(&last.what);
                    (format!("{what}, repeated"), last.head.repeated(), last.body.clone())
                }),
            };
            if let Some((what, head, body)) = sent {
                requests.push(Request { what, after: *after, expect: expect.clone(), head, body });
            }
        }
        let calls = played.iter().map(|it| PlayedCall { name: it.name().into(), id: it.id, chain: it.head.chain });
        let calls = calls.collect();
        let recordings = played.into_iter().flat_map(Call::into_recordings).collect();
        Self { requests, calls, recordings }
    }
}

/// The description, the head and the body of one POST. The head is of the first item's call.
fn made(items: &[Item], calls: &mut [Call], seed: &mut Seed) -> (String, CallHead, String) {
    let (mut whats, mut texts, is_one) = (Vec::new(), Vec::new(), calls.len() == 1);
    let mut head = CallHead::of_new_call();
    for (place, Item { call, says }) in items.iter().enumerate() {
        let Some(call) = calls.get_mut(*call) else { continue };
        if place == 0 {
            call.head = call.head.next(seed.coin());
            head = call.head;
        }
        let what = described(says);
        whats.push(if is_one { what } else { format!("{}: {what}", call.name()) });
        texts.push(item(call, says, seed));
    }
    (whats.join(" + "), head, payload::comms(&texts))
}

fn item(call: &mut Call, says: &Says, seed: &mut Seed) -> String {
    match says {
        Says::State { state, result, ended_by } => call.state(state, result.as_ref(), *ended_by),
        Says::Participants { names, muted, audio } => call.participants(names, *muted, audio, seed),
        Says::Tone(tone) => call.tone(tone),
        Says::Prompt(ending) => call.prompt(ending, seed),
        Says::Recording(facts) => call.recording(facts, seed),
    }
}

fn described(says: &Says) -> String {
    let in_words = |status| match status {
        Status::Completed => "completed",
        Status::Failed => "failed",
        Status::Running2019 => "running, as until 2019",
    };
    match says {
        Says::State { state, .. } => format!("call {state}"),
        Says::Participants { names, .. } => format!("participants: {}", names.join(", ")),
        Says::Tone(tone) => format!("key pressed: {tone}"),
        Says::Prompt(ending) => format!("prompt {}", in_words(ending.status)),
        Says::Recording(facts) => {
            let context = facts.ending.client_context.iter().map(|context| format!("{context} ")).collect::<String>();
            format!("recording {context}{}", in_words(facts.ending.status))
        }
    }
}
