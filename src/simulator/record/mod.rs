//! Records what passes between Graph and a receiver, and plays it again.
//!
//! **Invariants**
//! 1. What passes is passed on unchanged. What is written has no secret and no personal detail that `mask` knows of.
//! 2. Ids of calls, operations, subscriptions and notifications, and client contexts stay: the story hangs together.

mod json_text;
mod line;
mod mask;
mod recorder;
mod replay;

pub use self::recorder::Recorder;
pub use self::replay::{Played, Replay};
