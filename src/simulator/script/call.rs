//! A call with its ids: makes its items, in the shapes of Graph's documentation and of captures.
//!
//! Sources: `call-answer`, `call-transfer`, `call-delete` and `participant-invite` of
//! <https://learn.microsoft.com/graph/api/resources/call>; captures in
//! <https://github.com/microsoftgraph/microsoft-graph-comms-samples/issues> 191, 433, 667, 700 and
//! <https://learn.microsoft.com/answers/questions/704763> (`terminationSender`).
//!
//! **Invariants**
//! 1. A call has one id, in one spelling, in everything that is said of it.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

use super::facts::{CallFacts, Ending, Meeting, Outcome, Party, Paths, RecordingFacts, Status};
use crate::simulator::Graph;
use crate::simulator::heads::CallHead;
use crate::simulator::payload::{Dialect, Object, Recording, Said, Seed, undashed};

/// Where the bot of the samples is called back.
const CALLBACK: &str = "https://bot.contoso.com/api/calls";

/// A call that is played.
pub(super) struct Call {
    facts: CallFacts,
    pub id: Uuid,
    /// The head of its newest POST.
    pub head: CallHead,
    tenant: String,
    app_id: String,
    /// The ids of the caller as a user and as a participant, and of the bot as a participant.
    caller: (Uuid, Uuid),
    bot: Uuid,
    meeting: Uuid,
    /// The users among the participants, by name.
    users: BTreeMap<String, (Uuid, Uuid)>,
    recordings: BTreeMap<String, Recording>,
    n_tones: u32,
}

impl Call {
    /// A call with ids from a seed, of the bot and the tenant that Graph plays.
    pub(super) fn new(facts: &CallFacts, graph: &Graph, seed: &mut Seed) -> Self {
        Self {
            facts: facts.clone(),
            id: seed.uuid(),
            head: CallHead::seeded(seed),
            tenant: graph.tenant.clone(),
            app_id: graph.app_id.clone(),
            caller: (seed.uuid(), seed.uuid()),
            bot: seed.uuid(),
            meeting: seed.uuid(),
            users: BTreeMap::new(),
            recordings: BTreeMap::new(),
            n_tones: 0,
        }
    }

    /// Its name in the script.
    pub(super) fn name(&self) -> &str {
        &self.facts.name
    }

    /// The item that says that the call has a state.
    pub(super) fn state(&self, state: &str, result: Option<&Outcome>, ended_by: Option<Party>) -> String {
        let is_whole = matches!(state, "incoming" | "terminated");
        let mut resource = typed("call").with("state", state).with("callChainId", self.head.chain.to_string());
        if is_whole || self.facts.is_outgoing {
            resource = resource.with("direction", if self.facts.is_outgoing { "outgoing" } else { "incoming" });
        }
        if let Some(result) = result {
            resource = resource.raw("resultInfo", result_info(result));
        }
        resource = match state {
            "established" => resource.raw("mediaState", media_state("active")),
            "hold" => resource.raw("mediaState", media_state("inactive")),
            _ => resource,
        };
        if is_whole {
            resource = resource
                .with("callbackUri", CALLBACK)
                .raw("source", self.source())
                .raw("targets", format!("[{}]", self.target()))
                .with("requestedModalities", self.facts.modalities.clone());
        }
        resource = self.with_meeting(resource).with("tenantId", &*self.tenant);
        if is_whole {
            resource = resource.with("myParticipantId", self.bot.to_string()).with("id", self.spelled(self.id));
        }
        if let Some(party) = ended_by {
            resource = resource.raw("terminationSender", self.party(party));
        }
        let change_type = match state {
            "incoming" => "created",
            "terminated" => "deleted",
            _ => "updated",
        };
        self.item(change_type, "", &resource.text())
    }

    /// The item that says who takes part.
    pub(super) fn participants(&mut self, names: &[String], muted: bool, audio: &str, seed: &mut Seed) -> String {
        let stream = Object::new()
            .with("@odata.type", "#microsoft.graph.mediaStream")
            .with("mediaType", "audio")
            .with("sourceId", "1")
            .with("direction", audio)
            .with("serverMuted", false)
            .text();
        let mut all = Vec::with_capacity(names.len());
        for name in names {
            let is_caller = self.facts.caller.as_deref() == Some(name.as_str());
            let (user, participant) = match is_caller {
                true => self.caller,
                false => *self.users.entry(name.clone()).or_insert_with(|| (seed.uuid(), seed.uuid())),
            };
            let info = Object::new()
                .with("@odata.type", "#microsoft.graph.participantInfo")
                .raw("identity", identity_set("user", &self.person(&user.to_string(), Some(name))))
                .with("endpointType", "default");
            let one = typed("participant")
                .raw("info", info.text())
                .raw("mediaStreams", format!("[{stream}]"))
                .with("isMuted", muted)
                .with("isInLobby", false)
                .with("id", participant.to_string());
            all.push(one.text());
        }
        self.item("updated", "/participants", &format!("[{}]", all.join(",")))
    }

    /// The item that says which key the caller pressed.
    pub(super) fn tone(&mut self, tone: &str) -> String {
        self.n_tones += 1;
        let info = typed("toneInfo").with("sequenceId", self.n_tones).with("tone", tone);
        let resource = typed("call").with("state", "established").raw("toneInfo", info.text());
        self.item("updated", "", &resource.text())
    }

    /// The item that says how a prompt ended.
    pub(super) fn prompt(&self, ending: &Ending, seed: &mut Seed) -> String {
        let (operation, context) = (seed.uuid(), seed.uuid().to_string());
        let said = match ending.status {
            Status::Completed => (200, 0, "Action completed successfully.", "completed"),
            Status::Failed => (400, 8508, "Action failed, the operation was cancelled.", "failed"),
            Status::Running2019 => (0, 0, "", "running"),
        };
        let (code, subcode, message, status) = said;
        let usual = Outcome { code, subcode, message: message.into() };
        let mut resource = typed("playPromptOperation");
        if ending.status != Status::Running2019 || ending.result.is_some() {
            resource = resource.raw("resultInfo", result_info(ending.result.as_ref().unwrap_or(&usual)));
        }
        let context = ending.client_context.clone().unwrap_or(context);
        let resource = resource.with("clientContext", context).with("status", status).with("id", operation.to_string());
        let change_type = if ending.status == Status::Running2019 { "updated" } else { "deleted" };
        self.item(change_type, &format!("/operations/{}", self.spelled(operation)), &resource.text())
    }

    /// The item that says what became of a recording. The first time that an operation is named, it gets its ids.
    pub(super) fn recording(&mut self, facts: &RecordingFacts, seed: &mut Seed) -> String {
        let call = self.id;
        let paths = match self.facts.paths {
            Paths::Both => Some(Dialect::BothResources),
            Paths::ResourceUrl => None,
            Paths::Resource => Some(Dialect::ResourceForResourceUrl),
        };
        let spelling = self.facts.has_dashes.then_some(Dialect::DashedPath);
        let recording = self.recordings.entry(facts.operation.clone()).or_insert_with(|| {
            let mut recording = Recording::new(seed);
            recording.call = call;
            for dialect in paths.into_iter().chain(spelling) {
                recording = recording.dialect(dialect);
            }
            recording
        });
        if let Some(context) = &facts.ending.client_context {
            recording.client_context.clone_from(context);
        }
        if let Some(location) = &facts.location {
            recording.location.clone_from(location);
        }
        let usual = match facts.ending.status {
            Status::Completed => Said::completed(),
            Status::Failed => Said::failed(),
            Status::Running2019 => Said::running(),
        };
        let result = facts.ending.result.as_ref().map(|it| (it.code, it.subcode, it.message.clone()));
        let said = Said {
            result: result.or(usual.result),
            completion_reason: facts.completion_reason.clone().or(usual.completion_reason),
            ..usual
        };
        facts.dialects.iter().fold(recording.clone(), |told, dialect| told.dialect(*dialect)).item(&said)
    }

    /// The recordings that were told of.
    pub(super) fn into_recordings(self) -> impl Iterator<Item = Recording> {
        self.recordings.into_values()
    }

    fn spelled(&self, id: Uuid) -> String {
        if self.facts.has_dashes { id.to_string() } else { undashed(id) }
    }

    fn item(&self, change_type: &str, below: &str, resource: &str) -> String {
        let id = self.spelled(self.id);
        let mut item = typed("commsNotification").with("changeType", change_type);
        if self.facts.paths != Paths::ResourceUrl {
            item = item.with("resource", format!("/app/calls/{id}{below}"));
        }
        if self.facts.paths != Paths::Resource {
            item = item.with("resourceUrl", format!("/communications/calls/{id}{below}"));
        }
        item.raw("resourceData", resource).text()
    }

    fn source(&self) -> String {
        let info = typed("participantInfo").with("id", self.caller.1.to_string());
        let identity = if self.facts.is_outgoing { self.party(Party::Bot) } else { self.party(Party::Caller) };
        info.raw("identity", identity)
            .with("endpointType", "default")
            .with("region", "amer")
            .with("languageId", "en-US")
            .text()
    }

    fn target(&self) -> String {
        let identity = if self.facts.is_outgoing { self.party(Party::Caller) } else { self.party(Party::Bot) };
        typed("invitationParticipantInfo").raw("identity", identity).with("endpointType", "default").text()
    }

    /// One end of the call, as an identity set.
    fn party(&self, party: Party) -> String {
        match (party, &self.facts.phone) {
            (Party::Bot, _) => identity_set("application", &self.person(&self.app_id, Some("Calling Bot"))),
            (Party::Caller, Some(phone)) => {
                let phone = identity(phone, self.facts.caller.as_deref());
                identity_set("phone", &phone)
            }
            (Party::Caller, None) => {
                identity_set("user", &self.person(&self.caller.0.to_string(), self.facts.caller.as_deref()))
            }
        }
    }

    /// Somebody of the tenant.
    fn person(&self, id: &str, name: Option<&str>) -> Object {
        identity(id, name).with("tenantId", &*self.tenant)
    }

    fn with_meeting(&self, resource: Object) -> Object {
        let Some(meeting) = self.facts.meeting else { return resource };
        let chat = typed("chatInfo")
            .with("threadId", format!("19:meeting_{}@thread.v2", self.meeting.simple()))
            .with("messageId", "0");
        let info = match meeting {
            Meeting::Token => typed("tokenMeetingInfo").with("token", format!("join-token-{}", self.meeting.simple())),
            Meeting::Organizer => typed("organizerMeetingInfo")
                .raw("organizer", self.party(Party::Caller))
                .with("allowConversationWithoutHost", true),
        };
        resource.raw("chatInfo", chat.text()).raw("meetingInfo", info.text())
    }
}

/// An object of this type.
fn typed(name: &str) -> Object {
    Object::new().with("@odata.type", format!("#microsoft.graph.{name}"))
}

fn result_info(outcome: &Outcome) -> String {
    typed("resultInfo")
        .with("code", outcome.code)
        .with("subcode", outcome.subcode)
        .with("message", outcome.message.as_str())
        .text()
}

fn media_state(audio: &str) -> String {
    typed("callMediaState").with("audio", audio).text()
}

fn identity(id: &str, name: Option<&str>) -> Object {
    let identity = typed("identity").with("id", id);
    identity.with_if(name.is_some(), "displayName", name.map_or(Value::Null, Value::from))
}

fn identity_set(kind: &str, identity: &Object) -> String {
    typed("identitySet").raw(kind, identity.text()).text()
}
