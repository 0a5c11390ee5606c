//! The end of a call: what Graph said about it, and what the store keeps. After it there may be no more notifications
//! of the call's operations.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{CallEndResource, GraphId, ResultInfo, result_in_words};

/// The end of a call, from one notification.
#[derive(Clone, Debug, PartialEq)]
pub struct EndedCall {
    /// The call.
    pub call_id: GraphId,
    /// How it ended, and who ended it.
    pub why: WhyEnded,
}

/// How a call ended and who ended it, if Graph said so.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WhyEnded {
    /// How it ended.
    pub result_info: Option<ResultInfo>,
    /// Who ended it: Graph's `terminationSender`, an `identitySet`, as Graph sent it.
    pub termination_sender: Option<Map<String, Value>>,
}

impl WhyEnded {
    /// Whether Graph said neither.
    pub fn is_unknown(&self) -> bool {
        self.result_info.is_none() && self.termination_sender.is_none()
    }
}

/// The stored end of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct CallEnd {
    /// When its notification arrived.
    pub at: Timestamp,
    /// How it ended, and who ended it.
    pub why: WhyEnded,
}

impl CallEnd {
    /// As an operation and its events show it.
    pub fn resource(&self) -> CallEndResource {
        let WhyEnded { result_info, termination_sender } = self.why.clone();
        CallEndResource { date_time: self.at, result_info, termination_sender }
    }

    /// Reads the JSON of [`CallEnd::resource`] back.
    pub fn from_json(value: &Value) -> Option<Self> {
        let CallEndResource { date_time, result_info, termination_sender } = Deserialize::deserialize(value).ok()?;
        Some(Self { at: date_time, why: WhyEnded { result_info, termination_sender } })
    }

    /// The end in words; `at` is its time as text.
    pub fn words(&self, at: &str) -> String {
        let result = self.why.result_info.as_ref().map(|result| {
            let message = result.message.as_deref().map(|message| format!(", {message:?}")).unwrap_or_default();
            let ResultInfo { code, subcode, .. } = result;
            format!("result {code}, subcode {subcode}: {}{message}", result_in_words(*code, *subcode))
        });
        let sender = self.ended_by().map(|sender| format!("ended by {sender}"));
        let why: Vec<String> = result.into_iter().chain(sender).collect();
        let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join("; ")) };
        format!("its call ended at {at}{why}")
    }

    /// Who ended it, in words: a name or a number for each identity.
    fn ended_by(&self) -> Option<String> {
        let identities = self.why.termination_sender.as_ref()?.iter();
        let named = identities.filter_map(|(kind, identity)| {
            let text = |key| identity.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
            Some(format!("{kind} {}", text("displayName").or_else(|| text("id"))?))
        });
        let named: Vec<String> = named.collect();
        (!named.is_empty()).then(|| named.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn end(sender: Value) -> CallEnd {
        let result_info = Some(ResultInfo { code: 487, subcode: 7000, message: None });
        let why = WhyEnded { result_info, termination_sender: sender.as_object().cloned() };
        CallEnd { at: "2026-11-24T08:00:07Z".parse().unwrap(), why }
    }

    #[test]
    fn an_end_is_read_back_as_it_was_written() {
        let end = end(json!({ "user": { "id": "u-1" } }));
        assert_eq!(CallEnd::from_json(&serde_json::to_value(end.resource()).unwrap()), Some(end));
        assert_eq!(CallEnd::from_json(&json!({ "dateTime": "soon" })), None);
        assert_eq!(CallEnd::from_json(&Value::Null), None);
    }

    #[test]
    fn an_end_is_told_with_what_is_known_of_it() {
        let known = end(json!({ "phone": { "id": "+4512345678" } }));
        let expected = "its call ended at eight (result 487, subcode 7000: the call ended or was transferred; ended by phone \
                        +4512345678)";
        assert_eq!(known.words("eight"), expected);
        let unknown = CallEnd { why: WhyEnded::default(), ..known };
        assert_eq!(unknown.words("eight"), "its call ended at eight");
    }

    #[test]
    fn who_ended_it_is_told_by_name_or_else_by_id() {
        let told = |sender| end(sender).ended_by();
        let phone = json!({ "@odata.type": "#microsoft.graph.identitySet", "application": null,
                            "phone": { "id": "+4512345678", "displayName": null } });
        assert_eq!(told(phone).as_deref(), Some("phone +4512345678"));
        assert_eq!(
            told(json!({ "user": { "displayName": "Adele Vance", "id": "u" } })).as_deref(),
            Some("user Adele Vance")
        );
        assert_eq!(told(json!({ "@odata.type": "#microsoft.graph.identitySet" })), None);
        assert_eq!(told(Value::Null), None);
    }
}
