//! How answers are checked.

use std::fmt;

use crate::simulator::client::{Answer, ClientError};

/// A POST that was sent, and its answer.
pub(super) struct Sent {
    pub label: &'static str,
    pub answer: Result<Answer, ClientError>,
}

/// The expectation for every answer of a check.
pub(super) enum Judge {
    /// Any 2xx.
    Accepted,
    /// One of these.
    Status(&'static [u16]),
    /// Answered, but not with a 5xx.
    NoServerError,
    /// One of these, or the connection closed in the middle.
    StatusOrClosed(&'static [u16]),
    /// The same status and body for all, a 2xx.
    AllTheSame,
    /// 200 and exactly this body, as text/plain.
    Echo(&'static str),
    /// Any other expectation, in words and as code.
    By(&'static str, fn(&Answer) -> Result<(), String>),
}

impl fmt::Display for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.write_str("2xx"),
            Self::Status(statuses) => write!(f, "{}", either(statuses)),
            Self::NoServerError => f.write_str("any answer but 5xx"),
            Self::StatusOrClosed(statuses) => write!(f, "{}, or the connection closed", either(statuses)),
            Self::AllTheSame => f.write_str("2xx, the same status and body for all"),
            Self::Echo(_) => f.write_str("200, text/plain, exactly the decoded token"),
            Self::By(words, _) => f.write_str(words),
        }
    }
}

fn either(statuses: &[u16]) -> String {
    statuses.iter().map(u16::to_string).collect::<Vec<_>>().join(" or ")
}

impl Judge {
    /// `Err` says what was found instead.
    pub(super) fn judge(&self, sent: &[Sent]) -> Result<(), String> {
        for Sent { label, answer } in sent {
            let verdict = match answer {
                Ok(answer) => self.judge_one(answer),
                Err(ClientError::Broken(_)) if matches!(self, Self::StatusOrClosed(_)) => Ok(()),
                Err(error) => Err(error.to_string()),
            };
            verdict.map_err(|found| if label.is_empty() { found } else { format!("{label}: {found}") })?;
        }
        match self {
            Self::AllTheSame => all_the_same(sent),
            _ => Ok(()),
        }
    }

    fn judge_one(&self, answer: &Answer) -> Result<(), String> {
        let good = match self {
            Self::Accepted | Self::AllTheSame => answer.is_2xx(),
            Self::Status(statuses) | Self::StatusOrClosed(statuses) => statuses.contains(&answer.status),
            Self::NoServerError => answer.status < 500,
            Self::Echo(token) => return echo(answer, token),
            Self::By(_, judge) => return judge(answer),
        };
        if good { Ok(()) } else { Err(format!("answered {}", answer.status)) }
    }
}

/// Whether an answer is the echo of a handshake.
pub(super) fn echo(answer: &Answer, token: &str) -> Result<(), String> {
    if answer.status != 200 {
        return Err(format!("answered {}", answer.status));
    }
    let content_type = answer.header("content-type");
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("text/plain") {
        return Err(format!("content type {content_type:?}"));
    }
    if answer.body != token.as_bytes() {
        let body = String::from_utf8_lossy(&answer.body);
        return Err(format!("body {:?}", body.chars().take(60).collect::<String>()));
    }
    Ok(())
}

fn all_the_same(sent: &[Sent]) -> Result<(), String> {
    let told = |sent: &Sent| match &sent.answer {
        Ok(answer) => format!("{} with {} bytes", answer.status, answer.body.len()),
        Err(error) => error.to_string(),
    };
    let same = |one: &Sent, other: &Sent| match (&one.answer, &other.answer) {
        (Ok(one), Ok(other)) => one.status == other.status && one.body == other.body,
        _ => false,
    };
    match sent.windows(2).find(|pair| !same(&pair[0], &pair[1])) {
        Some([one, other]) => Err(format!("{}: {}, {}: {}", one.label, told(one), other.label, told(other))),
        _ => Ok(()),
    }
}
