//! What else arrives on the calls channel: calls, prompts, participants, and the platform's old format.

use uuid::Uuid;

use super::{Object, Seed, undashed};

fn item(change_type: &str, path: String, resource: String) -> String {
    Object::new()
        .with("@odata.type", "#microsoft.graph.commsNotification")
        .with("changeType", change_type)
        .with("resourceUrl", path)
        .raw("resourceData", resource)
        .text()
}

/// A call came into a state: `incoming`, `established`, `terminated`.
pub fn call(seed: &mut Seed, state: &str) -> String {
    call_of(seed.uuid(), state)
}

/// This call came into a state: of one that was recorded, [`super::Recording::call`] is the id.
pub fn call_of(id: Uuid, state: &str) -> String {
    let change_type = match state {
        "incoming" => "created",
        "terminated" => "deleted",
        _ => "updated",
    };
    let resource = Object::new()
        .with("@odata.type", "#microsoft.graph.call")
        .with("state", state)
        .with("direction", "outgoing")
        .with("id", id.to_string());
    item(change_type, format!("/communications/calls/{id}"), resource.text())
}

/// A prompt was played to its end.
pub fn prompt(seed: &mut Seed) -> String {
    let path = format!("/communications/calls/{}/operations/{}", undashed(seed.uuid()), undashed(seed.uuid()));
    let result = Object::new()
        .with("@odata.type", "#microsoft.graph.resultInfo")
        .with("code", 200)
        .with("subcode", 0)
        .with("message", "Action completed successfully.");
    let resource = Object::new()
        .with("@odata.type", "#microsoft.graph.playPromptOperation")
        .with("@odata.id", &*path)
        .with("@odata.etag", "W/\"54451\"")
        .raw("resultInfo", result.text())
        .with("clientContext", seed.uuid().to_string())
        .with("status", "completed");
    item("deleted", path, resource.text())
}

/// The participants of a call changed: the resource is an array.
pub fn participants(seed: &mut Seed) -> String {
    let participant = |id: String| {
        let identity = Object::new().with("id", id).with("displayName", "Adele Vance").text();
        let user = Object::new().raw("identity", Object::new().raw("user", identity).text()).text();
        Object::new()
            .with("@odata.type", "#microsoft.graph.participant")
            .raw("info", user)
            .raw("mediaStreams", "[]")
            .with("isMuted", true)
            .with("isInLobby", false)
            .with("id", serde_json::Value::Null)
            .text()
    };
    let resource = format!("[{},{}]", participant(seed.uuid().to_string()), participant(seed.uuid().to_string()));
    item("updated", format!("/communications/calls/{}/participants", seed.uuid()), resource)
}

/// An incoming call in the calling platform's format before Graph: a `Conversation`
/// (<https://docs.botframework.com/en-us/skype/calling/>). It is answered with 204, and comes again as Graph's.
pub fn legacy_skype_incoming(seed: &mut Seed) -> String {
    let caller = Object::new()
        .with("identity", format!("29:{}", seed.uuid().simple()))
        .with("languageId", "en-US")
        .with("originator", true);
    let bot = Object::new().with("identity", format!("28:{}", seed.uuid())).with("originator", false);
    Object::new()
        .with("id", seed.uuid().to_string())
        .raw("participants", format!("[{},{}]", caller.text(), bot.text()))
        .with("isMultiparty", false)
        .with("presentedModalityTypes", vec!["audio"])
        .with("callState", "incoming")
        .text()
}

/// The outcome of a recording in the same format: a `ConversationResult`.
pub fn legacy_skype(seed: &mut Seed) -> String {
    let id = seed.uuid();
    let links = Object::new()
        .with("callback", format!("https://bot.contoso.com/calls/{id}"))
        .with("call", format!("https://calls.skype.com/v1/calls/{id}"));
    let outcome =
        Object::new().with("type", "recordOutcome").with("id", seed.uuid().to_string()).with("outcome", "success");
    Object::new()
        .with("id", id.to_string())
        .with("callState", "established")
        .raw("operationOutcome", outcome.text())
        .with("callbackUri", "https://bot.contoso.com/api/calls")
        .raw("links", links.text())
        .text()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn each_kind_is_json_of_its_documented_shape() {
        let seed = &mut Seed::new(1);
        let read = |text: String| -> Value { serde_json::from_str(&text).unwrap() };
        assert_eq!(read(call(seed, "incoming"))["changeType"], "created");
        assert_eq!(read(prompt(seed))["resourceData"]["@odata.type"], "#microsoft.graph.playPromptOperation");
        let id = seed.uuid();
        let ended = read(call_of(id, "terminated"));
        assert_eq!((&ended["changeType"], &ended["resourceData"]["id"]), (&"deleted".into(), &id.to_string().into()));
        let participants = read(participants(seed));
        assert_eq!(participants["resourceData"][1]["id"], Value::Null);
        assert_eq!(participants["resourceData"].as_array().unwrap().len(), 2);
        assert_eq!(read(legacy_skype(seed)).get("value"), None);
        let incoming = read(legacy_skype_incoming(seed));
        assert_eq!((incoming.get("value"), &incoming["callState"]), (None, &"incoming".into()));
        assert_eq!(incoming["participants"][0]["originator"], true);
    }
}
