//! A POST that was sent, and what is wrong with its answer.

use crate::simulator::client::{Answer, ClientError, Post};

/// A POST that was sent, and its answer.
#[derive(Debug)]
pub struct Step {
    /// The scenario that it belongs to.
    pub scenario: String,
    /// Its description.
    pub what: String,
    /// Its path.
    pub path: String,
    /// The answer.
    pub outcome: Result<Answer, ClientError>,
    pub(super) expect: Vec<u16>,
    pub(super) echo: Option<&'static str>,
}

impl Step {
    /// A POST of somebody else's making that was answered.
    pub fn new(scenario: &str, what: &str, path: String, outcome: Result<Answer, ClientError>) -> Self {
        Self { scenario: scenario.into(), what: what.into(), path, outcome, expect: Vec::new(), echo: None }
    }

    /// With the answers that are as expected; none: any 2xx.
    pub fn expecting(mut self, expect: &[u16]) -> Self {
        self.expect = expect.to_vec();
        self
    }

    /// Whatever the answer is, it is as expected.
    pub fn taking_any_answer(mut self) -> Self {
        self.expect = self.outcome.as_ref().map(|answer| vec![answer.status]).unwrap_or_default();
        self
    }

    /// Whether nobody listens at the address, so that nothing more needs to be sent.
    pub fn has_no_listener(&self) -> bool {
        matches!(self.outcome, Err(ClientError::Connect { .. }))
    }

    /// The fault of the answer, `None` if it is as expected.
    pub fn fault(&self) -> Option<String> {
        match &self.outcome {
            Err(error) => Some(error.to_string()),
            Ok(answer) if self.expect.is_empty() && !answer.is_2xx() => Some("expected 2xx".into()),
            Ok(answer) if !self.expect.is_empty() && !self.expect.contains(&answer.status) => {
                let expected: Vec<String> = self.expect.iter().map(u16::to_string).collect();
                Some(format!("expected {}", expected.join(" or ")))
            }
            Ok(answer) => match self.echo {
                Some(token) if answer.status != 200 || answer.body != token.as_bytes() => {
                    Some("expected 200 and the decoded token, nothing else".into())
                }
                _ => None,
            },
        }
    }
}

/// What is to be sent.
pub(super) struct Planned {
    pub what: String,
    pub post: Post,
    pub echo: Option<&'static str>,
}
