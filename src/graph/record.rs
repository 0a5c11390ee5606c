//! Graph's `recordOperation` in all its spellings
//! (<https://learn.microsoft.com/graph/api/resources/recordoperation>), read into one.
//!
//! **Invariants**
//! 1. The recording's token ends in `recording_access_token` and nowhere else.
//! 2. What this version does not know is kept.

use secrecy::SecretString;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::content;
use super::dialects::Dialects;
use super::path;
use super::payload::{self, Object};
use crate::domain::{ClientContext, Dialect, GraphId, Reason, RecordOperation, ResultInfo};

/// Keys that only a record operation has.
const TELLING_KEYS: &[&str] =
    &["recordingLocation", "recordingAccessToken", "recordResourceLocation", "recordResourceAccessToken"];
/// Reasons that only a recording ends for; the neighbouring operations have reasons of their own.
const TELLING_REASONS: &[&str] = &[
    "stopToneDetected",
    "maxRecordDurationReached",
    "initialSilenceTimeout",
    "maxSilenceTimeout",
    "playBeepFailed",
    "mediaReceiveTimeout",
];
/// What [`read`] takes out of the payload; everything else is kept as it is.
const READ_KEYS: &[&str] = &[
    "@odata.type",
    "@odata.etag",
    "id",
    "clientContext",
    "status",
    "resultInfo",
    "completionReason",
    "recordingLocation",
    "recordingAccessToken",
    "recordResourceLocation",
    "recordResourceAccessToken",
];

/// Whether a payload without `@odata.type` is a record operation all the same.
pub(super) fn is_untyped_record(object: &Object<'_>, resource: &str) -> bool {
    let reason = object.get("completionReason").and_then(|value| payload::text(value).ok());
    path::operation_id(resource).is_some()
        && (TELLING_KEYS.iter().any(|key| object.has(key))
            || reason.is_some_and(|reason| TELLING_REASONS.iter().any(|it| it.eq_ignore_ascii_case(&reason))))
}

/// Reads the operation; `resource` is the notification's path.
///
/// # Errors
/// [`Reason::Shape`] where it has no id or a property is of another type, [`Reason::JsonInvalid`] where a text that is
/// needed is not Unicode.
pub(super) fn read(
    object: &Object<'_>,
    resource: &str,
    client_context: Option<ClientContext>,
    dialects: &mut Dialects,
) -> Result<RecordOperation, Reason> {
    let odata_id = object.get("@odata.id").and_then(|value| payload::text(value).ok()).unwrap_or_default();
    let id = operation_id(object, [resource, &odata_id], dialects)?;
    let status = object.text("status", dialects)?;
    Ok(RecordOperation {
        id,
        call_id: path::call_id(resource).or_else(|| path::call_id(&odata_id)),
        client_context,
        status: dialects.status(status.as_deref()),
        result_info: result_info(object, dialects)?,
        completion_reason: object.shown("completionReason", dialects)?,
        recording_location: renamed(object, ["recordingLocation", "recordResourceLocation"], dialects)?,
        recording_access_token: renamed(object, ["recordingAccessToken", "recordResourceAccessToken"], dialects)?
            .map(SecretString::from),
        etag: object.shown("@odata.etag", dialects)?,
        additional: additional(object),
    })
}

fn operation_id(object: &Object<'_>, paths: [&str; 2], dialects: &mut Dialects) -> Result<GraphId, Reason> {
    if let Some(text) = object.text("id", dialects)? {
        let id = GraphId::new(&text).ok_or(Reason::Shape)?;
        dialects.note_if(id.as_str().len() != text.len(), Dialect::UndashedId);
        return Ok(id);
    }
    dialects.note(Dialect::IdFromPath);
    paths.into_iter().find_map(path::operation_id).ok_or(Reason::Shape)
}

/// A property that was renamed in 2019.
fn renamed(object: &Object<'_>, [now, before]: [&str; 2], dialects: &mut Dialects) -> Result<Option<String>, Reason> {
    dialects.note_if(object.has(before), Dialect::RecordResourceNames);
    let value = match object.text(now, dialects)? {
        Some(value) => Some(value),
        None => object.text(before, dialects)?,
    };
    Ok(value.map(Into::into))
}

/// The `resultInfo` of an operation or a call.
///
/// # Errors
/// [`Reason::Shape`] where it is none, [`Reason::JsonInvalid`] where it is no JSON.
pub(super) fn result_info(object: &Object<'_>, dialects: &mut Dialects) -> Result<Option<ResultInfo>, Reason> {
    let Some(value) = object.present("resultInfo") else { return Ok(None) };
    if value.get() == "\"\"" {
        dialects.note(Dialect::EmptyForAbsent);
        return Ok(None);
    }
    let info = Object::read(value.get())?;
    dialects.note_if(info.repeats_any(), Dialect::RepeatedKey);
    dialects.note_if(info.has("subCode"), Dialect::SubCode);
    let subcode = info.present("subcode").or_else(|| info.present("subCode"));
    Ok(Some(ResultInfo {
        code: code(info.present("code"), dialects)?,
        subcode: code(subcode, dialects)?,
        message: info.shown("message", dialects)?,
    }))
}

/// A code: a number, or a number sent as text; absent is 0.
fn code(value: Option<&RawValue>, dialects: &mut Dialects) -> Result<i64, Reason> {
    let Some(value) = value else { return Ok(0) };
    if let Ok(code) = value.get().parse() {
        return Ok(code);
    }
    let text = payload::text(value)?;
    dialects.note(if text.is_empty() { Dialect::EmptyForAbsent } else { Dialect::CodeAsText });
    if text.is_empty() { Ok(0) } else { text.trim().parse().map_err(|_no_number| Reason::Shape) }
}

fn additional(object: &Object<'_>) -> Map<String, Value> {
    let unknown = object.entries().filter(|(key, _)| !READ_KEYS.contains(key) && !content::is_token(key));
    unknown.map(|(key, value)| (key.to_owned(), content::value_without_tokens(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    const PATH: &str =
        "/communications/calls/57DAB8B1894C409AB240BD8BEAE78896/operations/0FE0623FD62842EDB4BD8AC290072CC5";

    fn read_from(payload: &str) -> Result<(RecordOperation, Vec<Dialect>), Reason> {
        let mut dialects = Dialects::default();
        let object = Object::read(payload).unwrap();
        read(&object, PATH, None, &mut dialects).map(|operation| (operation, dialects.into_vec()))
    }

    #[test]
    fn the_id_comes_from_the_path_where_the_payload_has_none() {
        let (operation, dialects) = read_from(r#"{"status":"completed"}"#).unwrap();
        assert_eq!(operation.id.as_str(), "0fe0623f-d628-42ed-b4bd-8ac290072cc5");
        assert_eq!(operation.call_id.unwrap().as_str(), "57dab8b1-894c-409a-b240-bd8beae78896");
        assert_eq!(dialects, [Dialect::IdFromPath]);
    }

    #[test]
    fn the_names_of_2018_are_read_as_the_new_ones() {
        let (operation, dialects) = read_from(
            r#"{"id":"o","recordResourceLocation":"https://x/1","recordResourceAccessToken":"t","length":900}"#,
        )
        .unwrap();
        assert_eq!(operation.recording_location.as_deref(), Some("https://x/1"));
        assert_eq!(operation.recording_access_token.unwrap().expose_secret(), "t");
        assert_eq!(operation.additional, serde_json::json!({"length": 900}).as_object().unwrap().clone());
        assert!(dialects.contains(&Dialect::RecordResourceNames));
    }

    #[test]
    fn codes_are_read_as_numbers_and_as_text_in_both_spellings() {
        let info = |text: &str| read_from(&format!(r#"{{"id":"o","resultInfo":{text}}}"#)).map(|it| it.0.result_info);
        let of = |code, subcode| Ok(Some(ResultInfo { code, subcode, message: None }));
        assert_eq!(info(r#"{"code":200,"subCode":8515}"#), of(200, 8515));
        assert_eq!(info(r#"{"code":"200","subcode":"8515"}"#), of(200, 8515));
        assert_eq!(info(r#"{"code":400,"subcode":1,"subcode":8508}"#), of(400, 8508));
        assert_eq!(info("{}"), of(0, 0));
        assert_eq!(info("null"), Ok(None));
        assert_eq!(info(r#""""#), Ok(None));
        for bad in ["7", "[]", r#"{"code":{}}"#, r#"{"code":"many"}"#, r#"{"code":1.5}"#] {
            assert_eq!(info(bad), Err(Reason::Shape), "{bad}");
        }
    }

    #[test]
    fn empty_text_is_absent() {
        let (operation, dialects) =
            read_from(r#"{"id":"o","recordingLocation":"","recordingAccessToken":"","completionReason":""}"#).unwrap();
        assert!(operation.recording_location.is_none() && operation.recording_access_token.is_none());
        assert!(operation.completion_reason.is_none());
        assert!(dialects.contains(&Dialect::EmptyForAbsent));
    }

    #[test]
    fn no_token_is_kept_among_the_unknown_properties() {
        let (operation, _) = read_from(
            r#"{"id":"o","RecordingAccessToken":"secret","list":[{"recordingAccessToken":"secret","kept":1}],"n":1e999}"#,
        )
        .unwrap();
        let additional = Value::Object(operation.additional).to_string();
        assert!(!additional.contains("secret"), "{additional}");
        assert!(additional.contains("kept") && additional.contains("1e999"), "{additional}");
    }

    #[test]
    fn an_untyped_payload_is_a_record_only_where_it_says_so() {
        let is = |payload: &str, path: &str| is_untyped_record(&Object::read(payload).unwrap(), path);
        assert!(is(r#"{"status":"completed","recordingLocation":null}"#, PATH));
        assert!(is(r#"{"status":"failed","completionReason":"StopToneDetected"}"#, PATH));
        assert!(!is(r#"{"status":"completed","completionReason":"completedSuccessfully"}"#, PATH));
        assert!(!is(r#"{"status":"completed","clientContext":"x"}"#, PATH));
        assert!(!is(r#"{"recordingLocation":""}"#, "/communications/calls/1"));
    }
}
