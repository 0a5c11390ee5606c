//! The recordings that the demo's bot announces (in time, late, lost and overdue), and the failures beside them: one
//! example for each page of the console.

use serde_json::json;

use super::setting::{REFUSED, TENANT};
use crate::simulator::client::Post;
use crate::simulator::payload::{Change, Recording, Seed, calls};
use crate::simulator::{Graph, SimulatorError};

/// The recordings that the story is about.
pub struct Story {
    in_time: Recording,
    late: Recording,
    lost: Recording,
    never: Recording,
    refused: Recording,
    unwanted: Recording,
    unproven: Change,
}

impl Story {
    /// A story with ids from a seed.
    pub fn new(seed: &mut Seed) -> Self {
        let mut recording = |context: &str| Recording::new(seed).client_context(context);
        Self {
            in_time: recording("support-2001"),
            late: recording("support-2002"),
            lost: recording("support-2003"),
            never: recording("support-2004"),
            refused: recording(REFUSED),
            unwanted: recording("nobody-2006"),
            unproven: Change::new(seed, TENANT, Some("not the demo's secret")),
        }
    }

    /// The announcements of the bot over the API.
    pub fn announced(&self) -> Vec<(&'static str, Post)> {
        let new = |recording: &Recording, within: &str| {
            let body = json!({
                "clientContext": recording.client_context,
                "expectWithin": within,
                "metadata": { "customer": "Contoso", "agent": "Adele Vance" },
                "sinks": ["crm"],
            });
            let path = format!("/v1.0/communications/calls/{}/operations", recording.call);
            Post::new(path, body.to_string()).header("content-type", "application/json")
        };
        vec![
            ("support-2001, expected within 30 s (it will end in time)", new(&self.in_time, "PT30S")),
            ("support-2002, expected within 3 s (it will end too late)", new(&self.late, "PT3S")),
            ("support-2003, expected within 30 s (the caller will hang up first)", new(&self.lost, "PT30S")),
            ("support-2004, expected within 3 s (it will never end)", new(&self.never, "PT3S")),
        ]
    }

    /// The POSTs of Graph at this second of the story.
    ///
    /// # Errors
    /// A token could not be made.
    pub fn posts(&self, graph: &Graph, second: u64) -> Result<Vec<(&'static str, Post)>, SimulatorError> {
        let calls = |items: &[String]| graph.calls(items);
        Ok(match second {
            0 => vec![
                ("recording support-2001 running", calls(&[self.in_time.running()])?),
                ("recording support-2002 running", calls(&[self.late.running()])?),
                ("recording support-2003 running", calls(&[self.lost.running()])?),
                ("the call of support-2003 ends", calls(&[calls::call_of(self.lost.call, "terminated")])?),
            ],
            1 => vec![
                ("recording support-2001 completed, in time", calls(&[self.in_time.completed()])?),
                ("recording support-2005 completed; the CRM will refuse it", calls(&[self.refused.completed()])?),
                ("recording nobody-2006 completed; no route matches", calls(&[self.unwanted.completed()])?),
                ("a notification with a wrong clientState", graph.notifications(&[self.unproven.basic()], false)?),
            ],
            5 => vec![("recording support-2002 completed, late", calls(&[self.late.completed()])?)],
            _ => Vec::new(),
        })
    }
}
