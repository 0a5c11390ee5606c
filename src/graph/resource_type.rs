//! The type of a resource that does not name its own: many notifications have no `resourceData`, or none with an
//! `@odata.type`. Then the path decides
//! (<https://learn.microsoft.com/graph/change-notifications-overview#supported-resources>).

use super::dialects::UNKNOWN_TYPE;

/// The most parts of a path that are read.
const MAX_PARTS: usize = 32;

/// A part of a path, the part that must come before it (`""`: any), and the type. The first entry that fits counts.
const SHAPES: &[(&str, &str, &str)] = &[
    ("root", "", "driveItem"),
    ("items", "lists", "listItem"),
    ("items", "", "driveItem"),
    ("drive", "", "drive"),
    ("drives", "", "drive"),
    ("lists", "todo", "todoTaskList"),
    ("lists", "", "list"),
    ("sites", "", "site"),
    ("tasks", "todo", "todoTask"),
    ("tasks", "print", "printTask"),
    ("tasks", "planner", "plannerTask"),
    ("jobs", "print", "printJob"),
    ("messages", "chats", "chatMessage"),
    ("messages", "teams", "chatMessage"),
    ("messages", "channels", "chatMessage"),
    ("messages", "", "message"),
    ("replies", "", "chatMessage"),
    ("getAllMessages", "", "chatMessage"),
    ("getAllRetainedMessages", "", "chatMessage"),
    ("members", "chats", "conversationMember"),
    ("members", "teams", "conversationMember"),
    ("getAllMembers", "", "conversationMember"),
    ("channels", "", "channel"),
    ("getAllChannels", "", "channel"),
    ("chats", "", "chat"),
    ("getAllChats", "", "chat"),
    ("teams", "", "team"),
    ("conversations", "", "conversation"),
    ("threads", "", "conversationThread"),
    ("events", "virtualEvents", "virtualEvent"),
    ("events", "", "event"),
    ("contacts", "", "contact"),
    ("mailFolders", "", "mailFolder"),
    ("presence", "", "presence"),
    ("presences", "", "presence"),
    ("callRecords", "", "callRecord"),
    ("recordings", "", "callRecording"),
    ("getAllRecordings", "", "callRecording"),
    ("transcripts", "", "callTranscript"),
    ("getAllTranscripts", "", "callTranscript"),
    ("onlineMeetings", "", "onlineMeeting"),
    ("participants", "calls", "participant"),
    // A recording among them names its own type. This type stands for all others.
    ("operations", "calls", "commsOperation"),
    ("calls", "", "call"),
    ("alerts", "security", "alert"),
    ("alerts_v2", "security", "alert"),
    ("incidents", "security", "incident"),
    ("groups", "", "group"),
    ("users", "", "user"),
    ("getAllEnterpriseInteractions", "", "aiInteraction"),
];

/// Sets the type from the path if it is unknown and the path names one.
pub(super) fn complete(resource_type: &mut String, path: &str) {
    if resource_type == UNKNOWN_TYPE
        && let Some(told) = of_path(path)
    {
        told.clone_into(resource_type);
    }
}

/// The type of the resource at a path: the last part that has one decides.
fn of_path(path: &str) -> Option<&'static str> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let parts = || path.split('/').take(MAX_PARTS).map(name);
    // The rest is the name of a file.
    if parts().any(|part| part.eq_ignore_ascii_case("root:")) {
        return Some("driveItem");
    }
    let n_parts = parts().count();
    (0..n_parts).rev().find_map(|at| {
        let part = parts().nth(at)?;
        let fits = |wanted: &str| wanted.is_empty() || parts().take(at).any(|part| part.eq_ignore_ascii_case(wanted));
        let shape = SHAPES.iter().find(|(name, before, _)| name.eq_ignore_ascii_case(part) && fits(before));
        shape.map(|(_, _, told)| *told)
    })
}

/// A part without its key in parentheses: `chats('19:..')`.
fn name(part: &str) -> &str {
    part.split('(').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_path_tells_its_type() {
        for (path, told) in [
            ("me/drive/root", "driveItem"),
            ("/drives/b!x/root:/messages/events", "driveItem"),
            ("drives/b!x/items/01A", "driveItem"),
            ("sites/contoso.sharepoint.com,1,2/lists/7", "list"),
            ("sites/1/lists/7/items/9", "listItem"),
            ("Users/1f/Messages/AAMk", "message"),
            ("me/mailFolders('Inbox')/messages", "message"),
            ("chats('19:x@thread.v2')/messages('1')", "chatMessage"),
            ("teams/1/channels/19:x/messages/1/replies/2", "chatMessage"),
            ("teams('1')/channels('19:x')", "channel"),
            ("chats/19:x/members/1", "conversationMember"),
            ("chats/getAllMessages", "chatMessage"),
            ("users/1/events/AAMk", "event"),
            ("users/1/contacts", "contact"),
            ("communications/presences/1", "presence"),
            ("communications/callRecords/e523d2ed", "callRecord"),
            ("communications/onlineMeetings('x')/recordings('y')", "callRecording"),
            ("users/1/onlineMeetings/2/transcripts/3", "callTranscript"),
            ("communications/onlineMeetings/getAllTranscripts", "callTranscript"),
            ("/communications/calls/1", "call"),
            ("/app/calls/1/participants", "participant"),
            ("/communications/calls/1/operations/2", "commsOperation"),
            ("https://graph.microsoft.com/v1.0/security/alerts/1?x=/users/1", "alert"),
            ("todo/lists/1/tasks/2", "todoTask"),
            ("groups/1", "group"),
            ("USERS/1", "user"),
        ] {
            assert_eq!(of_path(path), Some(told), "{path}");
        }
        for path in ["", "/", "me", "a/b", "operations/1", "alerts/1"] {
            assert_eq!(of_path(path), None, "{path}");
        }
    }

    #[test]
    fn a_type_that_is_known_stays() {
        let (mut known, mut unknown) = ("call".to_owned(), UNKNOWN_TYPE.to_owned());
        complete(&mut known, "me/drive/root");
        complete(&mut unknown, "nothing/that/tells");
        assert_eq!((known.as_str(), unknown.as_str()), ("call", UNKNOWN_TYPE));
    }

    #[test]
    fn no_path_tells_of_a_record_operation() {
        // It would be one that has no state.
        assert!(SHAPES.iter().all(|(_, _, told)| !told.eq_ignore_ascii_case(crate::domain::RecordOperation::TYPE)));
    }

    proptest! {
        #[test]
        fn no_path_makes_it_panic(path in ".{0,100}") {
            let _ = of_path(&path);
        }
    }
}
