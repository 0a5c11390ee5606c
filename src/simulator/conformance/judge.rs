//! How answers are judged, without what was delivered.

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
    Answered,
    /// Any 2xx; what was marked is delivered.
    Accepted,
    /// As `Accepted`, but answers alone do not show it.
    Delivered,
    /// As `Delivered`, for the content of one of the POSTs at least.
    AnyDelivered,
    /// No 2xx; or a 2xx, and what was marked is not delivered.
    Refused,
    /// Any answer; what was marked is not delivered.
    Withheld,
    /// Whatever the answers before it are, the last POST is accepted.
    LastAccepted,
    /// One of these.
    Status(&'static [u16]),
    /// Answered, but not with a 5xx.
    NoServerError,
    /// To what is named here: one of these, or the connection closed in the middle.
    Bounds(&'static str, &'static [u16]),
    /// The same status for all, a 2xx. The first POST is genuine, the others are strangers'.
    Alike,
    /// 200 and this text, as text/plain; its HTML may be escaped.
    Echo(&'static str),
    /// Any other expectation, in words and as code.
    By(&'static str, fn(&Answer) -> Result<(), String>),
}

impl fmt::Display for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered => f.write_str("2xx"),
            Self::Accepted => f.write_str("2xx; with --observe: delivered too"),
            Self::Delivered => f.write_str("delivered"),
            Self::AnyDelivered => f.write_str("the decrypted content of at least one item is delivered"),
            Self::Refused => f.write_str("no 2xx; with --observe: any answer, but not delivered"),
            Self::Withheld => f.write_str("not delivered"),
            Self::LastAccepted => f.write_str("2xx for a genuine POST after it"),
            Self::Status(statuses) => write!(f, "{}", either(statuses)),
            Self::NoServerError => f.write_str("any answer but 5xx"),
            Self::Bounds(what, statuses) => write!(f, "{} to {what}, or the connection closed", either(statuses)),
            Self::Alike => f.write_str("2xx, the same for all"),
            Self::Echo(_) => f.write_str("200, text/plain, exactly the decoded token"),
            Self::By(words, _) => f.write_str(words),
        }
    }
}

fn either(statuses: &[u16]) -> String {
    statuses.iter().map(u16::to_string).collect::<Vec<_>>().join(" or ")
}

impl Judge {
    /// Whether answers alone never show it.
    pub(super) fn needs_deliveries(&self) -> bool {
        matches!(self, Self::Delivered | Self::AnyDelivered | Self::Withheld)
    }

    /// Whether deliveries matter, where they are seen.
    pub(super) fn looks_at_deliveries(&self) -> bool {
        matches!(self, Self::Accepted | Self::Delivered | Self::AnyDelivered) || self.is_of_strangers()
    }

    /// Whether its POSTs are what Graph sends, and so must be answered in time.
    pub(super) fn is_of_genuine_posts(&self) -> bool {
        matches!(self, Self::Answered | Self::Accepted | Self::Delivered | Self::AnyDelivered)
    }

    /// Whether the POST at this place among the check's is what Graph sends: after a 2xx, its items must be delivered.
    pub(super) fn is_of_genuine_items(&self, index: usize) -> bool {
        match self {
            Self::Alike => index == 0,
            Self::LastAccepted | Self::Status(_) => true,
            _ => self.is_of_genuine_posts(),
        }
    }

    /// Whether it asks that the receiver survives what is sent: then a receiver that dies of it fails.
    pub(super) fn is_of_survival(&self) -> bool {
        matches!(self, Self::LastAccepted | Self::NoServerError | Self::Bounds(..))
    }

    /// Whether what was marked must not be delivered.
    pub(super) fn is_of_strangers(&self) -> bool {
        matches!(self, Self::Refused | Self::Withheld)
    }

    /// `Err` says what was found instead.
    pub(super) fn judge(&self, sent: &[Sent]) -> Result<(), String> {
        let last = sent.len().saturating_sub(1);
        for (index, Sent { label, answer }) in sent.iter().enumerate() {
            if matches!(self, Self::LastAccepted) && index < last {
                continue;
            }
            let verdict = match answer {
                Ok(answer) => self.judge_one(answer),
                Err(ClientError::Broken(_) | ClientError::Closed) if self.takes_a_closed_connection() => Ok(()),
                Err(error) => Err(error.to_string()),
            };
            verdict.map_err(|found| labelled(label, &found))?;
        }
        match self {
            Self::Alike => all_alike(sent),
            _ => Ok(()),
        }
    }

    fn takes_a_closed_connection(&self) -> bool {
        matches!(self, Self::Bounds(..) | Self::Refused | Self::Withheld | Self::By(..))
    }

    fn judge_one(&self, answer: &Answer) -> Result<(), String> {
        let good = match self {
            Self::Answered | Self::Accepted | Self::Delivered | Self::AnyDelivered | Self::LastAccepted => {
                answer.is_2xx()
            }
            Self::Refused => !answer.is_2xx(),
            Self::Withheld | Self::Alike => true,
            Self::Status(statuses) => statuses.contains(&answer.status),
            Self::Bounds(_, statuses) if statuses.contains(&answer.status) => true,
            Self::Bounds(what, _) => return Err(format!("answered {} to {what}", answer.status)),
            Self::NoServerError => answer.status < 500,
            Self::Echo(token) => return echo(answer, token),
            Self::By(_, judge) => return judge(answer),
        };
        if good { Ok(()) } else { Err(format!("answered {}", answer.status)) }
    }
}

/// What was found, after the POST that it was found at.
pub(super) fn labelled(label: &str, found: &str) -> String {
    if label.is_empty() { found.into() } else { format!("{label}: {found}") }
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
    let body = String::from_utf8_lossy(&answer.body);
    if body != token && unescaped(&body) != token {
        return Err(format!("body {:?}", body.chars().take(60).collect::<String>()));
    }
    Ok(())
}

/// Text without the escapes of HTML: the documentation calls them good practice.
pub(super) fn unescaped(html: &str) -> String {
    const ESCAPES: [(&str, &str); 9] = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&#x2F;", "/"),
        ("&#47;", "/"),
        // The last, so that no escape is made here.
        ("&amp;", "&"),
    ];
    ESCAPES.iter().fold(html.to_owned(), |text, (escape, meaning)| text.replace(escape, meaning))
}

/// Bodies may differ, by a date or a request id.
fn all_alike(sent: &[Sent]) -> Result<(), String> {
    let status = |sent: &Sent| sent.answer.as_ref().map(|answer| answer.status).unwrap_or_default();
    match sent.iter().find(|one| status(one) != status(&sent[0])) {
        Some(one) => Err(format!("{}: {}, {}: {}", sent[0].label, status(&sent[0]), one.label, status(one))),
        None if sent.iter().all(|one| (200..300).contains(&status(one))) => Ok(()),
        None => Err(format!("answered {}", status(&sent[0]))),
    }
}

#[cfg(test)]
mod tests {
    use hyper::HeaderMap;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "text/plain; charset=utf-8".parse().unwrap());
        Answer { status, headers, body: body.to_owned().into(), took: std::time::Duration::ZERO, redirected_to: None }
    }

    fn sent(statuses: &[u16]) -> Vec<Sent> {
        statuses.iter().map(|status| Sent { label: "x", answer: Ok(answer(*status, "")) }).collect()
    }

    #[test]
    fn an_escaped_token_is_taken() {
        for body in ["a<b>&'c'", "a&lt;b&gt;&amp;&#39;c&#x27;"] {
            echo(&answer(200, body), "a<b>&'c'").unwrap();
        }
        assert!(echo(&answer(200, "a%3Cb"), "a<b").unwrap_err().contains("a%3Cb"));
        assert_eq!(unescaped("&amp;lt;"), "&lt;");
    }

    #[test]
    fn strangers_learn_nothing_only_if_all_answers_are_alike_and_good() {
        Judge::Alike.judge(&sent(&[202, 202])).unwrap();
        assert_eq!(Judge::Alike.judge(&sent(&[202, 401])).unwrap_err(), "x: 202, x: 401");
        assert!(Judge::Alike.judge(&sent(&[401, 401])).is_err());
    }

    #[test]
    fn only_the_last_answer_shows_whether_a_receiver_survived() {
        Judge::LastAccepted.judge(&sent(&[500, 202])).unwrap();
        Judge::LastAccepted.judge(&sent(&[202, 503])).unwrap_err();
    }
}
