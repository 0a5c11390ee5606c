//! The checked config, from which the other modules are built. Every value of these types is valid.
//!
//! The file becomes a tree whose values know their lines (`tree`), the environment is laid over it (`environment`), and
//! each section reads the keys it knows (`section`, `sections`). There is no mirror of the file in serde's types: serde
//! stops at the first mistake, and an operator wants them all. config/reelhook.toml is the reference.
//!
//! **Invariants**
//! 1. A sink's own table stays uninterpreted here ([`Table`]): the sinks read it, so that config need not know them. They
//!    read it with the same reader ([`Section`], [`value`]), so that their mistakes are told like all others.
//! 2. Secrets come from files or the environment only, never from the config's text, and never print.

mod admin_address;
mod document;
mod environment;
mod keys;
mod load;
pub mod pattern;
mod permissions;
mod places;
mod reading;
mod reference;
mod remark;
mod report;
mod rotating_secret;
mod schema;
mod secret;
mod secret_text;
mod section;
mod sections;
mod table;
mod tree;
pub mod value;
mod variables;

pub use admin_address::AdminAddress;
pub use document::document;
pub use environment::{PREFIX, variables};
pub use keys::{Key, Origin};
pub use load::{Config, Loaded, Mistakes, Readable, load, parse};
pub use places::{Places, is_within};
pub use reading::{Read, Reading, Shown};
pub use remark::{Place, Remark};
pub use report::Report;
pub use rotating_secret::RotatingSecret;
pub use schema::{SinkKind, schema};
pub use secret::{SecretError, SecretSource};
pub use secret_text::{Named, Text};
pub use section::Section;
pub use sections::admin::{Admin, AdminToken, DEFAULT_LISTEN, Scope};
pub use sections::channels::{Calls, Certificate, Subscriptions};
pub use sections::conditions::TextMatch;
pub use sections::events::Events;
pub use sections::expectations::Expectations;
pub use sections::log::{Log, LogFormat};
pub use sections::reload::Reload;
pub use sections::routes::Route;
pub use sections::server::{GRAPH_WAITS, Server};
pub use sections::sinks::{Dispatch, Sink, SinkDispatch};
pub use sections::storage::Store;
pub use table::Table;
pub use tree::{Node, Value};

/// Networks that an outgoing connection may reach although they are private.
pub type AllowedNetworks = Vec<ipnet::IpNet>;
