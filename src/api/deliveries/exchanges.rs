//! The exchange of an attempt as the API shows it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{Answered, Body, Exchange, Headers};

/// What was sent and answered in an attempt. Each secret is `***`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExchangeShape {
    /// The head of the request. Its body was the event.
    request: RequestShape,
    /// The answer. Null if there was none until the attempt ended.
    answer: Option<AnswerShape>,
}

/// The head of a request.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestShape {
    /// The request line: `POST /hook HTTP/1.1`.
    line: String,
    /// The headers.
    headers: Vec<HeaderShape>,
    /// Whether headers were left out, or values cut.
    are_headers_cut: bool,
}

/// An answer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnswerShape {
    /// Version and status: `HTTP/1.1 500`.
    line: String,
    /// The headers.
    headers: Vec<HeaderShape>,
    /// Whether headers were left out, or values cut.
    are_headers_cut: bool,
    /// Why all headers were left out.
    headers_left_out: Option<String>,
    /// The first 4 KiB of the body. Null if it is not UTF-8 text, or was left out.
    body: Option<String>,
    /// The same in base64, if it is not UTF-8 text.
    body_base64: Option<String>,
    /// Why the body was left out.
    body_left_out: Option<String>,
    /// Whether the body has more than 4 KiB, or did not arrive whole.
    is_body_cut: bool,
}

/// A header.
#[derive(Debug, Serialize, ToSchema)]
pub struct HeaderShape {
    /// Its name, in lower case.
    name: String,
    /// Its value; `***` for a secret.
    value: String,
}

impl From<&Exchange> for ExchangeShape {
    fn from(exchange: &Exchange) -> Self {
        let Exchange { request, answer } = exchange;
        let (line, headers) = (request.line.clone(), shown(&request.headers));
        let request = RequestShape { line, headers, are_headers_cut: request.headers.is_cut };
        Self { request, answer: answer.as_ref().map(AnswerShape::from) }
    }
}

impl From<&Answered> for AnswerShape {
    fn from(answer: &Answered) -> Self {
        let (body, body_base64, body_left_out) = match &answer.body {
            Body::Text(text) => (Some(text.clone()), None, None),
            Body::Bytes(bytes) => (None, Some(STANDARD.encode(bytes)), None),
            Body::LeftOut(why) => (None, None, Some(why.clone())),
        };
        Self {
            line: answer.line.clone(),
            headers: shown(&answer.headers),
            are_headers_cut: answer.headers.is_cut,
            headers_left_out: answer.headers.left_out.clone(),
            body,
            body_base64,
            body_left_out,
            is_body_cut: answer.is_body_cut,
        }
    }
}

fn shown(headers: &Headers) -> Vec<HeaderShape> {
    headers.list.iter().map(|(name, value)| HeaderShape { name: name.clone(), value: value.clone() }).collect()
}
