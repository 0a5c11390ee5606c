//! The calls of the demo: those whose recordings its bot announces (in time, late, lost and overdue), the failures beside
//! them, and calls without end. One example for each page of the console.

use serde_json::json;

use super::setting::TENANT;
use crate::config::Mistakes;
use crate::simulator::Graph;
use crate::simulator::client::Post;
use crate::simulator::payload::{Change, Seed};
use crate::simulator::script::{Run, Script};

const STORY: &str = include_str!("story.toml");
const CALL: &str = include_str!("call.toml");

/// What the bot announces: the name of the call in the story, the client context, the deadline, and what happens.
const ANNOUNCED: [(&str, &str, &str, &str); 4] = [
    ("in-time", "support-2001", "PT30S", "support-2001, expected within 30 s (it will end in time)"),
    ("late", "support-2002", "PT3S", "support-2002, expected within 3 s (it will end too late)"),
    ("lost", "support-2003", "PT30S", "support-2003, expected within 30 s (the caller will hang up first)"),
    ("never", "support-2004", "PT3S", "support-2004, expected within 3 s (it will never end)"),
];

/// The calls that the story is about.
pub struct Story {
    /// Their POSTs.
    pub run: Run,
    unproven: Change,
}

impl Story {
    /// A story with ids from a seed.
    ///
    /// # Errors
    /// The script has a mistake.
    pub fn new(graph: &Graph, seed: &mut Seed) -> Result<Self, Mistakes> {
        let run = Script::read("story", "story.toml", STORY)?.run(graph, seed);
        Ok(Self { run, unproven: Change::new(seed, TENANT, Some("not the demo's secret")) })
    }

    /// The announcements of the bot over the API.
    pub fn announced(&self) -> Vec<(&'static str, Post)> {
        let id_of = |name: &str| self.run.calls.iter().find(|call| call.name == name).map(|call| call.id);
        let announced = ANNOUNCED.iter().filter_map(|(call, context, within, what)| {
            let body = json!({
                "clientContext": context,
                "expectWithin": within,
                "metadata": { "customer": "Contoso", "agent": "Adele Vance" },
                "sinks": ["crm"],
            });
            let path = format!("/v1.0/communications/calls/{}/operations", id_of(call)?);
            Some((*what, Post::new(path, body.to_string()).header("content-type", "application/json")))
        });
        announced.collect()
    }

    /// A change notification that cannot be verified.
    pub fn unproven(&self) -> String {
        self.unproven.basic()
    }
}

/// The call with this number.
///
/// # Errors
/// The script has a mistake.
pub fn call(number: u64, graph: &Graph, seed: &mut Seed) -> Result<Run, Mistakes> {
    let team = if number.is_multiple_of(3) { "sales" } else { "support" };
    let text = CALL.replace("TEAM-NUMBER", &format!("{team}-{number}"));
    Ok(Script::read("call", "call.toml", &text)?.run(graph, seed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::simulator::{Client, Identity, Paths};

    #[test]
    fn the_bot_announces_calls_that_are_in_the_story() {
        let graph = Graph {
            client: Client::new("http://127.0.0.1:1").unwrap(),
            identity: Identity::new(Clock::system()).unwrap(),
            app_id: "a".into(),
            tenant: "t".into(),
            client_state: None,
            certificate: None,
            paths: Paths::default(),
        };
        let story = Story::new(&graph, &mut Seed::new(1)).unwrap();
        assert_eq!(story.announced().len(), ANNOUNCED.len());
        let recorded = |context: &str| story.run.recordings.iter().any(|it| it.client_context == context);
        let expected =
            [("support-2001", true), ("support-2002", true), ("support-2003", false), ("support-2004", false)];
        assert!(expected.iter().all(|(context, is_recorded)| recorded(context) == *is_recorded));
        assert!(recorded(super::super::setting::REFUSED));
        let run = call(6, &graph, &mut Seed::new(1)).unwrap();
        assert_eq!((run.requests.len(), &*run.recordings[0].client_context), (4, "sales-6"));
    }
}
