//! The resources as Graph encrypts them: the templates of [`super::shapes`].

/// <https://learn.microsoft.com/graph/teams-changenotifications-chatmessage>
pub(super) const CHAT_MESSAGE: &str = r##"{
    "@odata.context":"https://graph.microsoft.com/$metadata#chats('19%3A8d9da062ec7647d4bb1976126e788b47%40thread.v2')/messages/$entity",
    "id":"{id}","replyToId":null,"etag":"{id}","messageType":"message","createdDateTime":"{now}",
    "lastModifiedDateTime":"{now}","deletedDateTime":null,"subject":null,"importance":"normal","locale":"en-us",
    "from":{"application":null,"device":null,"user":{"userIdentityType":"aadUser","id":"{user}",
    "displayName":"Adele Vance"},"conversation":null},
    "body":{"contentType":"text","content":"Hello World"},
    "chatId":"19:8d9da062ec7647d4bb1976126e788b47@thread.v2","attachments":[],"mentions":[],"reactions":[]
}"##;

/// <https://learn.microsoft.com/graph/changenotifications-for-presence>
pub(super) const PRESENCE: &str = r##"{
    "@odata.id":"users/{id}/presence","@odata.type":"#microsoft.graph.presence","id":"{id}",
    "availability":"Busy","activity":"InACall"
}"##;

/// <https://learn.microsoft.com/graph/changenotifications-for-onlinemeeting>
pub(super) const ONLINE_MEETING: &str = r##"{
    "@odata.type":"#Microsoft.Graph.onlineMeeting",
    "@odata.id":"communications/onlineMeetings?$filter=joinWebUrl+eq+'{join}'",
    "id":"communications/onlineMeetings?$filter=joinWebUrl+eq+'{join}'",
    "eventType":"Microsoft.Communication.CallStarted","eventDateTime":"{now}","state":"active"
}"##;

/// <https://learn.microsoft.com/graph/outlook-change-notifications-overview>: only what the subscription selects.
pub(super) const EVENT: &str = r##"{
    "subject":"Weekly review","isCancelled":false,"location":{"@odata.type":"#microsoft.graph.location",
    "displayName":"Room 12"},"importance@odata.type":"#microsoft.graph.importance","importance":"normal"
}"##;

/// The same page.
pub(super) const MESSAGE: &str = r##"{
    "receivedDateTime@odata.type":"#DateTimeOffset","receivedDateTime":"{now}",
    "subject":"The recording of yesterday","bodyPreview":"Hello,\r\n\r\nhere it is.",
    "importance@odata.type":"#microsoft.graph.importance","importance":"normal",
    "from":{"@odata.type":"#microsoft.graph.recipient","emailAddress":{
    "@odata.type":"#microsoft.graph.emailAddress","name":"Adele Vance","address":"adelev@contoso.com"}}
}"##;

/// <https://learn.microsoft.com/graph/teams-changenotifications-callrecording-and-calltranscript>
pub(super) const CALL_RECORDING: &str = r##"{
    "id":"{id}","meetingId":"{meeting}","createdDateTime":"{now}",
    "recordingContentUrl":"communications/onlineMeetings/{meeting}/recordings/{id}/content",
    "meetingOrganizer":{"application":null,"device":null,"user":{"userIdentityType":"aadUser","id":"{user}",
    "displayName":null,"tenantId":"{tenant}"}},"content":null
}"##;

/// The same page.
pub(super) const CALL_TRANSCRIPT: &str = r##"{
    "id":"{id}","meetingId":"{meeting}",
    "transcriptContentUrl":"communications/onlineMeetings/{meeting}/transcripts/{id}/content",
    "createdDateTime":null,
    "meetingOrganizer":{"application":null,"device":null,"user":{"userIdentityType":"aadUser","id":"{user}",
    "displayName":null,"tenantId":"{tenant}"}}
}"##;
