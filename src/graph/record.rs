//! Graph's `recordOperation` in all its spellings (<https://learn.microsoft.com/graph/api/resources/recordoperation>),
//! read into one form.
//!
//! **Invariants**
//! 1. The recording's token is stored in `recording_access_token` and nowhere else.
//! 2. Unknown members are kept.
//! 3. If a member has another type than documented, only that member is lost, and the rest of the recording is
//!    delivered. Without an id, or with a status that is not text, the resource is not a record operation.

use secrecy::SecretString;
use serde_json::value::RawValue;

use super::dialects::Dialects;
use super::payload::{self, Object};
use super::{path, secrets, walk};
use crate::domain::{ClientContext, Dialect, GraphId, Reason, RecordOperation, ResultInfo};

/// Keys that only a record operation has.
const TELLING_KEYS: &[&str] =
    &["recordingLocation", "recordingAccessToken", "recordResourceLocation", "recordResourceAccessToken"];
/// Completion reasons that only a recording has; related operations have reasons of their own.
const TELLING_REASONS: &[&str] = &[
    "stopToneDetected",
    "maxRecordDurationReached",
    "initialSilenceTimeout",
    "maxSilenceTimeout",
    "playBeepFailed",
    "mediaReceiveTimeout",
];
/// The members that [`read`] takes out of the payload. The others are kept as they are.
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

/// The member of an event's data that holds reelhook's additions. A member of this name from outside is removed, in any
/// spelling: readers that ignore case would take it for reelhook's.
const OWN_MEMBER: &str = "reelhook";

/// The largest code that every JSON reader reads as the same whole number.
const MAX_CODE: f64 = 9_007_199_254_740_991.0;

/// Whether a payload without `@odata.type` is a record operation.
pub(super) fn is_untyped_record(object: &Object<'_>, resource: &str) -> bool {
    path::operation_id(resource).is_some() && tells_of_recording(object)
}

/// Whether an operation has a member that only a record operation has.
pub(super) fn tells_of_recording(object: &Object<'_>) -> bool {
    let reason = object.get("completionReason").and_then(|value| payload::text(value).ok());
    TELLING_KEYS.iter().any(|key| object.has(key))
        || reason.is_some_and(|reason| TELLING_REASONS.iter().any(|it| it.eq_ignore_ascii_case(&reason)))
}

/// Reads an operation; `resource` is the notification's path.
///
/// # Errors
/// [`Reason::Shape`] if it has no id or its status is not text; [`Reason::JsonInvalid`] if that is not valid Unicode.
pub(super) fn read(
    object: &Object<'_>,
    resource: &str,
    client_context: Option<ClientContext>,
    dialects: &mut Dialects,
) -> Result<RecordOperation, Reason> {
    let odata_id = object.get("@odata.id").and_then(|value| payload::text(value).ok()).unwrap_or_default();
    let id = operation_id(object, [resource, &odata_id], dialects)?;
    let status = object.text("status", dialects)?;
    let status = dialects.status(status.as_deref());
    let mut members = Members { object, dialects, as_sent: Vec::new() };
    if client_context.is_none() {
        members.keep_if_unread("clientContext");
    }
    let completion_reason =
        members.read("completionReason", |object, dialects| object.shown("completionReason", dialects));
    let result_info = members.read("resultInfo", result_info);
    let location = ["recordingLocation", "recordResourceLocation"];
    let recording_location = members.read(location[0], |object, dialects| renamed(object, location, dialects));
    let etag = members.read("@odata.etag", |object, dialects| object.shown("@odata.etag", dialects));
    let token = ["recordingAccessToken", "recordResourceAccessToken"];
    let recording_access_token = renamed(object, token, members.dialects).unwrap_or_else(|_unreadable| {
        members.dialects.note(Dialect::UnreadableMember);
        None
    });
    Ok(RecordOperation {
        id,
        call_id: path::call_id(resource).or_else(|| path::call_id(&odata_id)),
        client_context,
        status,
        result_info,
        completion_reason,
        recording_location,
        recording_access_token: recording_access_token.map(SecretString::from),
        etag,
        as_sent: members.as_sent,
        additional: additional(object),
    })
}

/// Reads members that may have another type than documented.
struct Members<'o, 'a, 'd> {
    object: &'o Object<'a>,
    dialects: &'d mut Dialects,
    as_sent: Vec<(&'static str, Box<RawValue>)>,
}

impl<'a> Members<'_, 'a, '_> {
    /// Reads one member. If that fails, the member counts as missing, and is kept as it was sent.
    fn read<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Object<'a>, &mut Dialects) -> Result<Option<T>, Reason>,
    ) -> Option<T> {
        read(self.object, self.dialects).unwrap_or_else(|_unreadable| {
            self.dialects.note(Dialect::UnreadableMember);
            self.keep_if_unread(key);
            None
        })
    }

    fn keep_if_unread(&mut self, key: &'static str) {
        let Some(value) = self.object.present(key).filter(|value| value.get() != "\"\"") else { return };
        if let Ok(value) = RawValue::from_string(secrets::clean(key, value.get()).text) {
            self.as_sent.push((key, value));
        }
    }
}

fn operation_id(object: &Object<'_>, paths: [&str; 2], dialects: &mut Dialects) -> Result<GraphId, Reason> {
    match object.text("id", dialects) {
        Ok(Some(text)) => {
            let id = GraphId::new(&text).ok_or(Reason::Shape)?;
            dialects.note_if(id.as_str().len() != text.len(), Dialect::UndashedId);
            return Ok(id);
        }
        Ok(None) => dialects.note(Dialect::IdFromPath),
        Err(_unreadable) => dialects.note(Dialect::UnreadableMember),
    }
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
/// [`Reason::Shape`] if it is no such object, [`Reason::JsonInvalid`] if it is not JSON.
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

/// A code: a whole number, which may be written as a fraction or as text. A missing code is 0.
fn code(value: Option<&RawValue>, dialects: &mut Dialects) -> Result<i64, Reason> {
    let Some(value) = value else { return Ok(0) };
    if let Some(code) = whole(value.get(), dialects) {
        return Ok(code);
    }
    let text = payload::text(value)?;
    dialects.note(if text.is_empty() { Dialect::EmptyForAbsent } else { Dialect::CodeAsText });
    if text.is_empty() { Ok(0) } else { whole(text.trim(), dialects).ok_or(Reason::Shape) }
}

/// The whole number that a text represents: `200`, `200.0` and `2e2` are the same.
fn whole(text: &str, dialects: &mut Dialects) -> Option<i64> {
    if let Ok(code) = text.parse() {
        return Some(code);
    }
    let number: f64 = text.parse().ok()?;
    if number.fract() != 0.0 || number.abs() > MAX_CODE {
        return None;
    }
    dialects.note(Dialect::CodeAsFraction);
    // Every whole number up to this bound is exact in both types.
    format!("{number:.0}").parse().ok()
}

/// The members that this version does not know, as JSON without the braces. Members that look like reelhook's own
/// additions are left out.
fn additional(object: &Object<'_>) -> String {
    let mut members = String::new();
    object.each(|key, value| {
        let is_told = READ_KEYS.contains(&key)
            || RecordOperation::OWN_KEYS.contains(&key)
            || key.eq_ignore_ascii_case(OWN_MEMBER);
        if !is_told && !secrets::is_recording_token(key) {
            if !members.is_empty() {
                members.push(',');
            }
            walk::push_member(&mut members, key, &secrets::clean(key, value.get()).text);
        }
    });
    members
}

/// The client context. One that is not text, or longer than Graph's limit, matches no route.
pub(super) fn client_context(object: &Object<'_>, dialects: &mut Dialects) -> Option<ClientContext> {
    let Ok(text) = object.text("clientContext", dialects) else {
        dialects.note(Dialect::UnreadableMember);
        return None;
    };
    let context = ClientContext::new(text?);
    dialects.note_if(context.is_none(), Dialect::ClientContextTooLong);
    context
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
        assert_eq!(operation.additional, r#""length":900"#);
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
        for whole in ["200.0", "2e2", "\"200.0\"", "\" 200\"", "200.000"] {
            assert_eq!(info(&format!(r#"{{"code":{whole}}}"#)), of(200, 0), "{whole}");
        }
        let unreadable = r#"{"code":99999999999999999999}"#;
        for bad in
            ["7", "[]", r#"{"code":{}}"#, r#"{"code":"many"}"#, r#"{"code":1.5}"#, r#"{"code":"inf"}"#, unreadable]
        {
            assert_eq!(info(bad), Ok(None), "{bad}");
        }
    }

    #[test]
    fn a_member_of_another_type_costs_itself_alone_and_is_kept_as_it_was_sent() {
        let (operation, dialects) = read_from(
            r#"{"id":"o","status":"completed","clientContext":4711,"resultInfo":{"code":[200],"recordingAccessToken":"t"},
                "recordingLocation":{"a":1},"recordingAccessToken":7,"completionReason":false,"@odata.etag":["\ud800"]}"#,
        )
        .unwrap();
        assert_eq!(operation.status.as_str(), "completed");
        assert!(operation.recording_location.is_none() && operation.recording_access_token.is_none());
        let as_sent: Vec<(&str, &str)> = operation.as_sent.iter().map(|(key, value)| (*key, value.get())).collect();
        let expected = [
            ("clientContext", "4711"),
            ("completionReason", "false"),
            ("resultInfo", r#"{"code":[200]}"#),
            ("recordingLocation", r#"{"a":1}"#),
            ("@odata.etag", r#"["\ufffd"]"#),
        ];
        assert_eq!((as_sent.as_slice(), dialects), (&expected[..], vec![Dialect::UnreadableMember]));
        assert_eq!(read_from(r#"{"id":"o","status":7}"#).map(|_| ()), Err(Reason::Shape));
        let (operation, dialects) = read_from(r#"{"id":7}"#).unwrap();
        assert_eq!(
            (operation.id.as_str(), dialects),
            ("0fe0623f-d628-42ed-b4bd-8ac290072cc5", vec![Dialect::UnreadableMember])
        );
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
        let additional = operation.additional;
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
