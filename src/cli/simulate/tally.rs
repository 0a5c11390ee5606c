//! Prints each POST with its answer, and the sum.

use serde_json::{Value, json};

use super::Ended;
use crate::cli::print::{remark, say};
use crate::simulator::Unreachable;
use crate::simulator::scenario::Step;

/// The POSTs so far.
pub(super) struct Tally {
    as_json: bool,
    /// What is counted.
    noun: &'static str,
    /// Those whose answer was judged.
    n_judged: usize,
    /// Those for which any answer was right.
    n_unjudged: usize,
    faults: Vec<Value>,
    skipped: Vec<String>,
    left_out: Vec<String>,
    token: Option<String>,
    hint: Option<&'static str>,
}

impl Tally {
    pub(super) fn new(as_json: bool) -> Self {
        Self {
            as_json,
            noun: "POSTs",
            n_judged: 0,
            n_unjudged: 0,
            faults: Vec::new(),
            skipped: Vec::new(),
            left_out: Vec::new(),
            token: None,
            hint: None,
        }
    }

    /// Counting these.
    pub(super) fn counting(self, noun: &'static str) -> Self {
        Self { noun, ..self }
    }

    /// With what is not sent for want of a certificate, in words.
    pub(super) fn leaving_out(self, left_out: Vec<String>) -> Self {
        Self { left_out, ..self }
    }

    /// With a token that is printed in the JSON.
    pub(super) fn with_token(self, token: Option<String>) -> Self {
        Self { token, ..self }
    }

    pub(super) fn tell(&mut self, step: &Step) {
        self.n_judged += 1;
        if let Some(fault) = step.fault() {
            let (part, what) = (&step.scenario, &step.what);
            self.faults.push(json!({"part": part, "what": what, "fault": fault, "status": status(step)}));
            self.hint = self.hint.or_else(|| hint_for(step));
        }
        if !self.as_json {
            say!("{}", line(step));
        }
    }

    /// Tells of one for which any answer is right.
    pub(super) fn tell_unjudged(&mut self, step: &Step) {
        match step.fault() {
            // There was no answer.
            Some(_) => self.tell(step),
            None => {
                self.n_unjudged += 1;
                if !self.as_json {
                    say!("{}", line(step));
                }
            }
        }
    }

    /// Tells of something that was not sent.
    pub(super) fn skip(&mut self, why: &str) {
        if !self.as_json {
            say!("skip  {why}");
        }
        self.skipped.push(why.to_owned());
    }

    /// How many were sent.
    pub(super) fn n_sent(&self) -> usize {
        self.n_judged + self.n_unjudged
    }

    pub(super) fn end(self, seed: Option<u64>, ended: &Ended) {
        if self.as_json {
            say!("{}", self.json(seed));
        } else if self.n_sent() > 0 || !self.skipped.is_empty() {
            say!("\n{}", self.sum(seed));
            if !self.left_out.is_empty() {
                say!("left out without --certificate-key: {}", self.left_out.join(", "));
            }
        }
        match ended {
            Ended::Told(told) => remark!("ended by {} before everything was sent", told.name()),
            Ended::WithNothing => remark!("reelhook: nothing was sent: see why above"),
            Ended::Well | Ended::WithFaults => {}
        }
        if let Some(hint) = self.hint {
            remark!("hint: {hint}");
        }
    }

    fn n_good(&self) -> usize {
        self.n_judged - self.faults.len()
    }

    fn json(&self, seed: Option<u64>) -> Value {
        let mut sum = json!({"posts": self.n_sent(), "as_expected": self.n_good(), "faults": self.faults});
        if let Some(seed) = seed {
            sum["seed"] = seed.into();
        }
        if let Some(token) = &self.token {
            sum["token"] = token.as_str().into();
        }
        if self.n_unjudged > 0 {
            sum["any_answer"] = self.n_unjudged.into();
        }
        for (key, list) in [("skipped", &self.skipped), ("left_out", &self.left_out)] {
            if !list.is_empty() {
                sum[key] = list.clone().into();
            }
        }
        sum
    }

    fn sum(&self, seed: Option<u64>) -> String {
        let mut sum = format!("{} of {} {} were answered as expected", self.n_good(), self.n_judged, self.noun);
        if self.n_unjudged > 0 {
            sum.push_str(&format!("; any answer was right for {} more", self.n_unjudged));
        }
        if !self.skipped.is_empty() {
            let n = self.skipped.len();
            sum.push_str(&format!("; {n} {} not sent", if n == 1 { "was" } else { "were" }));
        }
        if let Some(seed) = seed {
            sum.push_str(&format!(" (seed {seed})"));
        }
        sum
    }
}

fn status(step: &Step) -> Option<u16> {
    step.outcome.as_ref().ok().map(|answer| answer.status)
}

/// One POST and its answer in one line.
fn line(step: &Step) -> String {
    let (status, took) = match &step.outcome {
        Ok(answer) => (answer.status.to_string(), format!("{:.1} ms", answer.took.as_secs_f64() * 1000.0)),
        Err(_) => ("---".into(), String::new()),
    };
    let fault = step.fault().map(|fault| format!("   <- {fault}")).unwrap_or_default();
    let moved = step.outcome.as_ref().ok().and_then(|answer| answer.redirected_to.as_ref());
    let moved = moved.map(|to| format!("  (redirected to {to})")).unwrap_or_default();
    format!("{status}  {took:>9}  {:<20}  {:<15}  {}{moved}{fault}", step.path, step.scenario, step.what)
}

fn hint_for(step: &Step) -> Option<&'static str> {
    match &step.outcome {
        Ok(answer) => match answer.status {
            401 | 403 | 503 if step.what.contains(", while the keys") => Some(
                "while the keys cannot be fetched, a receiver must go on with those that it has, however long ago it \
                 fetched them",
            ),
            401 | 403 => Some(
                "genuine tokens were refused: does the receiver's config have the lines above? \
                 A run without --identity-dir FOLDER makes a new key, and reelhook fetches keys at most every \
                 5 minutes: until then it answers 401. With the same FOLDER, all runs share one key",
            ),
            404 => Some("the receiver has no such path: see --calls-path, --notifications-path, --lifecycle-path"),
            503 => Some("the receiver can neither verify nor store now: can it reach the key provider above?"),
            _ => None,
        },
        Err(error) => Some(match error.unreachable()? {
            Unreachable::Refused => "nobody listens at that address: is the receiver running? See --url",
            Unreachable::NoSuchName => "the name of the receiver's host leads to no address: see --url",
            Unreachable::NoTls => "somebody listens at that address, but without TLS: should --url begin with http://?",
            Unreachable::Untrusted => {
                "this machine does not trust the receiver's certificate: is the name in --url the certificate's, and is \
                 its issuer among the root certificates of this system?"
            }
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::Answer;

    #[test]
    fn a_token_that_was_refused_during_an_outage_is_no_fault_of_the_config() {
        let answer = || Answer {
            status: 401,
            headers: Default::default(),
            body: Default::default(),
            took: Default::default(),
            redirected_to: None,
        };
        let hint = |what: &str| hint_for(&Step::new("keys-down", what, "/".into(), Ok(answer()))).unwrap();
        assert!(hint("a recording, by the first key").contains("the lines above"));
        assert!(hint("a recording, by the first key, while the keys are answered 503").contains("go on with those"));
    }

    #[test]
    fn the_sum_says_what_was_judged_what_was_not_and_what_was_not_sent() {
        let mut tally = Tally { n_judged: 3, n_unjudged: 1, ..Tally::new(true).counting("requests") };
        assert_eq!(tally.sum(None), "3 of 3 requests were answered as expected; any answer was right for 1 more");
        tally.skip("why");
        let tally = Tally { n_unjudged: 0, noun: "POSTs", ..tally.leaving_out(vec!["encrypted".into()]) };
        assert_eq!(tally.sum(Some(7)), "3 of 3 POSTs were answered as expected; 1 was not sent (seed 7)");
        let json = tally.json(Some(7));
        assert_eq!(
            json,
            json!({"posts": 3, "as_expected": 3, "seed": 7, "faults": [], "skipped": ["why"], "left_out": ["encrypted"]})
        );
    }
}
