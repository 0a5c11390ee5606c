//! The result of a run, for people and for programs.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Tally;

/// The outcome of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was counted.
    pub tally: Tally,
    /// From the start to the last answer.
    pub elapsed: Duration,
}

impl Report {
    /// Answers that Graph would count as delivered.
    pub fn n_2xx(&self) -> u64 {
        self.tally.statuses.range(200..300).map(|(_, n)| n).sum()
    }

    /// Answers of any status.
    pub fn n_answers(&self) -> u64 {
        self.tally.latency.n()
    }

    /// The others: other answers, and no answer.
    pub fn n_errors(&self) -> u64 {
        self.n_answers() - self.n_2xx() + self.tally.n_failed
    }

    /// 2xx answers a second.
    pub fn per_second(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        #[allow(clippy::cast_precision_loss, reason = "a figure for reading")]
        if seconds > 0.0 { self.n_2xx() as f64 / seconds } else { 0.0 }
    }

    /// One object; durations in milliseconds.
    pub fn json(&self) -> Value {
        let statuses: Map<String, Value> =
            self.tally.statuses.iter().map(|(status, n)| (status.to_string(), json!(n))).collect();
        json!({
            "per_second": round(self.per_second()),
            "n_2xx": self.n_2xx(),
            "n_answers": self.n_answers(),
            "errors": self.n_errors(),
            "n_failed": self.tally.n_failed,
            "first_failure": self.tally.first_failure,
            "statuses": statuses,
            "elapsed_s": round(self.elapsed.as_secs_f64()),
            "p50_ms": millis(self.tally.latency.quantile(0.5)),
            "p90_ms": millis(self.tally.latency.quantile(0.9)),
            "p99_ms": millis(self.tally.latency.quantile(0.99)),
            "p999_ms": millis(self.tally.latency.quantile(0.999)),
            "max_ms": millis(self.tally.latency.max()),
        })
    }
}

fn round(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

fn millis(duration: Duration) -> f64 {
    round(duration.as_secs_f64() * 1000.0)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (answers, elapsed) = (self.n_answers(), self.elapsed.as_secs_f64());
        writeln!(
            f,
            "sent       {} in {elapsed:.1} s, {:.0} a second answered 2xx",
            answers + self.tally.n_failed,
            self.per_second()
        )?;
        let statuses: Vec<String> = self.tally.statuses.iter().map(|(status, n)| format!("{status} x {n}")).collect();
        let statuses = if statuses.is_empty() { "none".into() } else { statuses.join(", ") };
        writeln!(f, "answers    {statuses}")?;
        if let Some(why) = &self.tally.first_failure {
            writeln!(f, "no answer  {}; the first: {why}", self.tally.n_failed)?;
        }
        let latency = &self.tally.latency;
        let shares = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];
        let told = shares.map(|(name, share)| format!("{name} {:.1} ms", millis(latency.quantile(share))));
        write!(f, "latency    {}, max {:.1} ms", told.join(", "), millis(latency.max()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_delivered_is_an_error_with_or_without_an_answer() {
        let mut tally = Tally::default();
        for status in [202, 202, 204, 503] {
            tally.answered(status, Duration::from_millis(2));
        }
        tally.fail("refused".into());
        let report = Report { tally, elapsed: Duration::from_secs(2) };
        let told = report.json();
        assert_eq!((&told["n_2xx"], &told["errors"], &told["per_second"]), (&json!(3), &json!(2), &json!(1.5)));
        assert_eq!(told["statuses"], json!({"202": 2, "204": 1, "503": 1}));
        assert_eq!(told["max_ms"], json!(2.0));
        assert!(report.to_string().contains("503 x 1"));
        assert!(report.to_string().contains("1; the first: refused"));
    }
}
