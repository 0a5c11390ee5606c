//! The shape of each resource's notifications. Where no source is named, it is the resource's page below
//! <https://learn.microsoft.com/graph/change-notifications-overview>.
//!
//! In a template, `{resource}` stands for the path, `{id}` for the resource's id, `{user}`, `{other}` and `{tenant}` for
//! GUIDs, `{meeting}` for the id of a meeting, `{join}` for its address, `{now}` for an instant.

use super::contents;
use super::life::Life;

/// A resource.
#[derive(Debug)]
pub(super) struct Shape {
    pub name: &'static str,
    pub summary: &'static str,
    pub change_type: &'static str,
    pub id: Id,
    pub basic: Form,
    pub rich: Option<Rich>,
}

/// What its id looks like.
#[derive(Clone, Copy, Debug)]
pub(super) enum Id {
    Guid,
    Outlook,
    Milliseconds,
    Key,
}

/// An item.
#[derive(Debug)]
pub(super) struct Form {
    pub resource: &'static str,
    pub data: &'static str,
    pub life: Life,
    pub has_id: bool,
    pub has_organization: bool,
}

/// An item with content.
#[derive(Debug)]
pub(super) struct Rich {
    pub form: Form,
    pub key: &'static str,
    pub content: &'static str,
}

const fn life(minutes: i64, digits: u8, offset: Option<i32>) -> Life {
    Life { minutes, digits, offset }
}

const fn form(resource: &'static str, data: &'static str, life: Life) -> Form {
    Form { resource, data, life, has_id: false, has_organization: false }
}

const fn rich(form: Form, content: &'static str) -> Option<Rich> {
    Some(Rich { form, key: "encryptedContent", content })
}

/// As the samples of recordings and transcripts spell it.
const fn rich_in_capitals(form: Form, content: &'static str) -> Option<Rich> {
    Some(Rich { form, key: "EncryptedContent", content })
}

const CHAT: &str = "chats('19:8d9da062ec7647d4bb1976126e788b47@thread.v2')/messages('{id}')";
const CHAT_DATA: &str = r##"{"id":"{id}","@odata.type":"#Microsoft.Graph.chatMessage","@odata.id":"{resource}"}"##;
const PRESENCE: &str = "communications/presences/{id}";
const PRESENCE_DATA: &str =
    r##"{"@odata.id":"users/{id}/presence","@odata.type":"#microsoft.graph.presence","id":"{id}"}"##;
const MEETING: &str = "communications/onlineMeetings?$filter=joinWebUrl+eq+'{join}'";
const RECORDING: &str = "communications/onlineMeetings('{meeting}')/recordings('{id}')";
const RECORDING_DATA: &str =
    r##"{"id":"{id}","@odata.type":"#Microsoft.Graph.callRecording","@odata.id":"{resource}"}"##;
const TRANSCRIPT: &str = "communications/onlineMeetings('{meeting}')/transcripts('{id}')";
const TRANSCRIPT_DATA: &str =
    r##"{"id":"{id}","@odata.type":"#Microsoft.Graph.callTranscript","@odata.id":"{resource}"}"##;

/// All of them.
pub(super) const SHAPES: &[Shape] = &[
    Shape {
        name: "chatMessage",
        summary: "a message in a chat was written",
        change_type: "created",
        id: Id::Milliseconds,
        basic: form(CHAT, CHAT_DATA, Life::CHAT_MESSAGE),
        rich: rich(form(CHAT, CHAT_DATA, Life::CHAT_MESSAGE), contents::CHAT_MESSAGE),
    },
    // The type is spelled and repeated as in captures that users show.
    Shape {
        name: "callRecord",
        summary: "the record of a call can be read",
        change_type: "created",
        id: Id::Guid,
        basic: form(
            "communications/callRecords/{id}",
            r##"{"@odata.type":"#Microsoft.Graph.callrecord","@odata.id":"{resource}",
            "oDataType":"#microsoft.graph.callrecord","oDataId":"{resource}","id":"{id}"}"##,
            life(4_230, 0, Some(0)),
        ),
        rich: None,
    },
    Shape {
        name: "presence",
        summary: "a user is there, or away",
        change_type: "updated",
        id: Id::Guid,
        basic: Form { has_organization: true, ..form(PRESENCE, PRESENCE_DATA, life(60, 7, None)) },
        rich: rich(
            Form { has_organization: true, ..form(PRESENCE, PRESENCE_DATA, life(60, 7, None)) },
            contents::PRESENCE,
        ),
    },
    Shape {
        name: "driveItem",
        summary: "something in a drive changed; resourceData is null",
        change_type: "updated",
        id: Id::Guid,
        basic: form("me/drive/root", "null", life(42_300, 2, Some(0))),
        rich: None,
    },
    // Without encryption, the members of the content are in `resourceData`.
    Shape {
        name: "onlineMeeting",
        summary: "the call of a meeting began",
        change_type: "updated",
        id: Id::Guid,
        basic: Form { has_organization: true, ..form(MEETING, contents::ONLINE_MEETING, life(4_320, 7, None)) },
        rich: rich(
            Form {
                has_organization: true,
                ..form(
                    MEETING,
                    r##"{"@odata.id":"{resource}","@odata.type":"#microsoft.graph.onlineMeeting","id":"{resource}"}"##,
                    life(4_320, 7, None),
                )
            },
            contents::ONLINE_MEETING,
        ),
    },
    Shape {
        name: "event",
        summary: "an event in a calendar changed",
        change_type: "updated",
        id: Id::Outlook,
        basic: Form {
            has_id: true,
            ..form(
                "Users/{user}/Events/{id}",
                r##"{"@odata.type":"#Microsoft.Graph.Event","@odata.id":"{resource}",
                "@odata.etag":"W/\"{etag}\"","id":"{id}"}"##,
                life(10_080, 3, None),
            )
        },
        rich: rich(
            form(
                "Users('{user}')/events('{id}')",
                r##"{"@odata.type":"#microsoft.graph.event","@odata.id":"{resource}",
                "@odata.etag":"W/\"{etag}\"","id":"{id}"}"##,
                life(1_440, 7, Some(-480)),
            ),
            contents::EVENT,
        ),
    },
    Shape {
        name: "message",
        summary: "a mail arrived",
        change_type: "created",
        id: Id::Outlook,
        basic: Form {
            has_id: true,
            ..form(
                "Users/{user}/Messages/{id}",
                r##"{"@odata.type":"#Microsoft.Graph.Message","@odata.id":"{resource}",
                "@odata.etag":"W/\"{etag}\"","id":"{id}"}"##,
                life(10_080, 7, Some(330)),
            )
        },
        rich: rich(
            form(
                "Users('{user}')/messages('{id}')",
                r##"{"@odata.type":"#microsoft.graph.message","@odata.id":"{resource}",
                "@odata.etag":"W/\"{etag}\"","id":"{id}"}"##,
                life(1_440, 7, Some(330)),
            ),
            contents::MESSAGE,
        ),
    },
    // Captures show the type of an item of the list, and nothing else.
    Shape {
        name: "list",
        summary: "something in a list of SharePoint changed; only the list is named",
        change_type: "updated",
        id: Id::Guid,
        basic: form(
            "sites/{other}/lists/{id}",
            r##"{"@odata.type":"#Microsoft.Graph.ListItem"}"##,
            life(42_300, 6, Some(0)),
        ),
        rich: None,
    },
    Shape {
        name: "user",
        summary: "a user of the tenant changed",
        change_type: "updated",
        id: Id::Guid,
        basic: form(
            "Users/{id}",
            r##"{"@odata.type":"#Microsoft.Graph.User","@odata.id":"{resource}","id":"{id}",
            "organizationId":"{tenant}","sequenceNumber":{sequence}}"##,
            life(41_760, 0, Some(0)),
        ),
        rich: None,
    },
    Shape {
        name: "group",
        summary: "the members of a group changed",
        change_type: "updated",
        id: Id::Guid,
        basic: form(
            "Groups/{id}",
            r##"{"@odata.type":"#Microsoft.Graph.Group","@odata.id":"{resource}","id":"{id}",
            "organizationId":"{tenant}","members@delta":[{"id":"{user}"},{"id":"{other}","@removed":"deleted"}]}"##,
            life(41_760, 0, Some(0)),
        ),
        rich: None,
    },
    Shape {
        name: "callRecording",
        summary: "the recording of a meeting can be fetched; not a recordOperation",
        change_type: "created",
        id: Id::Key,
        basic: form(RECORDING, RECORDING_DATA, life(4_320, 7, Some(0))),
        rich: rich_in_capitals(form(RECORDING, RECORDING_DATA, life(4_320, 7, Some(0))), contents::CALL_RECORDING),
    },
    Shape {
        name: "callTranscript",
        summary: "the transcript of a meeting can be fetched",
        change_type: "created",
        id: Id::Key,
        basic: form(TRANSCRIPT, TRANSCRIPT_DATA, life(4_320, 7, Some(0))),
        rich: rich_in_capitals(form(TRANSCRIPT, TRANSCRIPT_DATA, life(4_320, 7, Some(0))), contents::CALL_TRANSCRIPT),
    },
];
