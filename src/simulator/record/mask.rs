//! Takes secrets and personal details out of what is recorded. What was equal stays equal.
//!
//! **Invariants**
//! 1. A GUID is replaced unless it is known to be the id of a call, an operation, a subscription or a notification.
//!    So an id of a person or a tenant that nobody thought of is replaced too.
//! 2. Only headers that are listed are recorded.
//! 3. The client context stays as it is: routes and announcements go by it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use regex::{Captures, Regex};
use serde_json::Value;

use super::json_text::rewritten;
use super::line;

/// The headers that are recorded.
const HEADS: [&str; 14] = [
    "accept",
    "client-request-id",
    "connection",
    "content-type",
    "ms-teams-partition",
    "ms-teams-region",
    "ms-teams-ring",
    "scenario-id",
    "user-agent",
    "x-microsoft-skype-callee-region",
    "x-microsoft-skype-caller-region",
    "x-microsoft-skype-chain-id",
    "x-microsoft-skype-message-id",
    "x-microsoft-skype-original-message-id",
];

/// The members whose text is a secret. These and the following names are in lower case: members are compared without
/// regard to case.
const SECRETS: [&str; 6] =
    ["recordingaccesstoken", "recordresourceaccesstoken", "token", "passcode", "joinweburl", "joinurl"];
/// The members whose text is by or about a person, and everything below them.
const PERSONAL: [&str; 14] = [
    "displayname",
    "givenname",
    "surname",
    "userprincipalname",
    "mail",
    "email",
    "emailaddress",
    "address",
    "mobilephone",
    "businessphones",
    "subject",
    "topic",
    "content",
    "bodypreview",
];
/// The members of an identity set. Their ids are of persons or devices.
const IDENTITIES: [&str; 9] = [
    "user",
    "phone",
    "guest",
    "device",
    "encrypted",
    "onpremises",
    "acsuser",
    "azurecommunicationservicesuser",
    "spooluser",
];
/// The key that stands for every key that a caller pressed.
const TONE: &str = "tone0";

#[allow(clippy::expect_used, reason = "the pattern is a constant, and every test needs it")]
static PATTERNS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?xi)
        (?<thread> 19:[^\s/'@]+@[a-z0-9.]+ )
        | (?<jwt> eyJ[a-z0-9_-]+\.[a-z0-9_-]+\.[a-z0-9_-]* )
        | (?<mail> [a-z0-9._%+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+ )
        | (?<outlook> A[AQ]Mk[a-z0-9_=-]{20,} )
        | (?<guid> [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12} | \b[0-9a-f]{32}\b )
        | (?<phone> \+[0-9][0-9\x20().-]{5,18}[0-9] )
        ",
    )
    .expect("a pattern")
});

#[allow(clippy::expect_used, reason = "the pattern is a constant, and every test needs it")]
static IDS_IN_PATHS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?i)(?:calls|operations)/([0-9a-f-]{32,36})").expect("a pattern"));

/// What was replaced so far.
#[derive(Debug, Default)]
pub(super) struct Mask {
    /// The ids that stay, without dashes, in lower case.
    kept: BTreeSet<String>,
    /// What stands for what, by its sort.
    known: BTreeMap<(&'static str, String), usize>,
}

impl Mask {
    /// The headers that are recorded, without secrets.
    pub fn heads<'a>(&mut self, heads: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
        let mut recorded = Vec::new();
        for (name, value) in heads {
            let name = name.to_ascii_lowercase();
            if name == "authorization" {
                let tenant = claim(value.trim_start_matches("Bearer "), "tid").map(|tenant| self.guid(&tenant, true));
                recorded.push((name, line::bearer_of(tenant.as_deref())));
            } else if HEADS.contains(&&*name) {
                if name.ends_with("-id") {
                    self.keep(value);
                }
                recorded.push((name, value.to_owned()));
            }
        }
        recorded
    }

    /// A path with its query. The values of the query may be secrets, but for the token of the handshake.
    pub fn path(&mut self, path: &str) -> String {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        self.keep_calls(path);
        let path = self.patterns(path);
        query.map_or(path.clone(), |query| format!("{path}?{}", self.query(query)))
    }

    /// A body; `None` if it is not JSON.
    pub fn body(&mut self, text: &str) -> Option<String> {
        rewritten(text, |keys, value| {
            self.learn(keys, value);
            None
        })?;
        rewritten(text, |keys, value| self.text(keys, value))
    }

    /// Learns which ids stay.
    fn learn(&mut self, keys: &[&str], value: &str) {
        let keys = in_lower_case(keys);
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        match &*keys {
            [.., "resource" | "resourceurl" | "@odata.id"] => self.keep_calls(value),
            [.., "callchainid" | "subscriptionid"] | ["value", "id"] => self.keep(value),
            _ => {}
        }
    }

    fn keep_calls(&mut self, path: &str) {
        for found in IDS_IN_PATHS.captures_iter(path) {
            self.keep(&found[1]);
        }
    }

    fn keep(&mut self, id: &str) {
        self.kept.insert(plain(id));
    }

    /// What is recorded of a text; `None`: itself.
    fn text(&mut self, keys: &[&str], value: &str) -> Option<String> {
        let keys = in_lower_case(keys);
        let (last, above) = keys.split_last().map_or(("", &[][..]), |(last, above)| (last.as_str(), above));
        let parent = above.last().map_or("", String::as_str);
        Some(match last {
            _ if value.is_empty() => return None,
            "clientcontext" => return None,
            "clientstate" => line::CLIENT_STATE.to_owned(),
            "validationtokens" => self.validation_token(value),
            "data" | "datakey" | "datasignature" if parent == "encryptedcontent" => String::new(),
            "tenantid" | "organizationid" => self.guid(value, true),
            _ if SECRETS.contains(&last) => line::token(self.number("token", value)),
            // Keys that a caller presses are PINs and numbers of cards.
            "tone" | "tones" => TONE.to_owned(),
            "name" if parent == "emailaddress" => self.personal(sort_of("displayname"), value),
            _ if PERSONAL.contains(&last) => self.personal(sort_of(last), value),
            _ if is_free_text(last) && above.iter().any(|key| PERSONAL.contains(&key.as_str())) => {
                self.personal("text", value)
            }
            "id" if IDENTITIES.contains(&parent) && !PATTERNS.is_match(value) => {
                format!("person-{}", self.number("person", value))
            }
            _ => self.address(value),
        })
    }

    /// What stands for a text by or about a person.
    fn personal(&mut self, sort: &'static str, value: &str) -> String {
        match value.contains('@') {
            true => format!("person-{}@example.com", self.number("mail", value)),
            false => format!("{sort} {}", self.number(sort, value)),
        }
    }

    /// An address without the values of its query; another text by its patterns.
    fn address(&mut self, value: &str) -> String {
        let is_address = value.starts_with("https://") || value.starts_with("http://");
        match value.split_once('?').filter(|_| is_address) {
            Some((path, query)) => format!("{}?{}", self.patterns(path), self.query(query)),
            None => self.patterns(value),
        }
    }

    fn query(&mut self, query: &str) -> String {
        let one = |pair: &str| match pair.split_once('=') {
            Some(("validationToken", _)) | None => pair.to_owned(),
            Some((key, value)) => format!("{key}=value-{}", self.number("query", value)),
        };
        query.split('&').map(one).collect::<Vec<_>>().join("&")
    }

    /// A text without what looks like a secret or a personal detail.
    fn patterns(&mut self, text: &str) -> String {
        let replace = |found: &Captures<'_>| {
            let value = &found[0];
            let is = |name| found.name(name).is_some();
            match () {
                () if is("thread") => format!("19:thread-{}@thread.v2", self.number("thread", value)),
                () if is("jwt") => line::token(self.number("token", value)),
                () if is("mail") => format!("person-{}@example.com", self.number("mail", value)),
                () if is("outlook") => format!("item-{}", self.number("item", value)),
                () if is("phone") => format!("+1555{:07}", self.number("phone", value)),
                () => self.guid(value, false),
            }
        };
        PATTERNS.replace_all(text, replace).into_owned()
    }

    /// A GUID in the spelling that it had: itself if it stays, another otherwise.
    fn guid(&mut self, id: &str, is_personal: bool) -> String {
        if !is_personal && self.kept.contains(&plain(id)) {
            return id.to_owned();
        }
        let made = format!("00000000-0000-4000-8000-{:012}", self.number("guid", &plain(id)));
        if id.contains('-') { made } else { made.replace('-', "") }
    }

    fn validation_token(&mut self, token: &str) -> String {
        let tenant = claim(token, "tid").map_or_else(|| "no tenant".into(), |tenant| self.guid(&tenant, true));
        line::validation_token_of(&claim(token, "ver").unwrap_or_else(|| "2.0".into()), &tenant)
    }

    /// The number of a value among those of its sort, from 1.
    fn number(&mut self, sort: &'static str, value: &str) -> usize {
        let next = 1 + self.known.keys().filter(|(known, _)| *known == sort).count();
        *self.known.entry((sort, value.to_owned())).or_insert(next)
    }
}

/// The sort of a personal member: names are numbered for themselves.
fn sort_of(member: &str) -> &'static str {
    if member == "displayname" { "displayName" } else { "text" }
}

/// Whether a member below a personal one may have a text by a person: all may but types and the form of a body.
fn is_free_text(member: &str) -> bool {
    !member.starts_with('@') && !member.ends_with("@odata.type") && member != "contenttype"
}

fn in_lower_case(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| key.to_ascii_lowercase()).collect()
}

/// An id without its spelling.
fn plain(id: &str) -> String {
    id.replace('-', "").to_ascii_lowercase()
}

/// A claim of a token that nobody verified: it only names what the token is replaced by.
fn claim(token: &str, name: &str) -> Option<String> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    claims.get(name)?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: &str = "57dab8b1-894c-409a-b240-bd8beae78896";
    const USER: &str = "8a34a46b-3d17-4adc-8dce-dc4e7d572698";

    #[test]
    fn pressed_keys_and_names_beside_mail_addresses_are_replaced() {
        let tone = r#"{"toneInfo":{"sequenceId":1,"tone":"tone7"}}"#;
        let mail = r#"{"from":{"emailAddress":{"name":"Adele Vance","address":"adele@contoso.com"}}}"#;
        let mut mask = Mask::default();
        assert_eq!(mask.body(tone).unwrap(), tone.replace("tone7", "tone0"));
        for key in ["star", "pound", "a", "flash", "Tone7"] {
            assert_eq!(mask.body(&tone.replace("tone7", key)).unwrap(), tone.replace("tone7", "tone0"), "{key}");
        }
        let masked = mask.body(mail).unwrap();
        assert!(!masked.contains("Adele") && !masked.contains("contoso"), "{masked}");
    }

    #[test]
    fn texts_below_a_personal_member_and_members_in_another_case_are_replaced() {
        let mut mask = Mask::default();
        let body = r##"{"subject":{"text":"Zoe called","@odata.type":"#a.b"},"Subject":"Zoe","DisplayName":"Zoe Q",
            "body":{"contentType":"html","Content":"<p>Zoe</p>"},"address":{"street":"Zoe's way","city":{"name":"Zoetown"}},
            "ClientState":"Zoe's secret","Token":"Zoe's token","toneInfo":{"Tone":"star"}}"##;
        let masked = mask.body(body).unwrap();
        assert!(!masked.contains("Zoe") && !masked.contains("star"), "{masked}");
        for kept in [r##""@odata.type":"#a.b""##, r#""contentType":"html""#, r#""ClientState":"<clientState>""#] {
            assert!(masked.contains(kept), "{kept}: {masked}");
        }
    }

    #[test]
    fn what_graph_says_of_an_end_stays_but_for_numbers_and_addresses_in_it() {
        let message = r#"{"resultInfo":{"message":"Call ended by the PSTN User."}}"#;
        assert_eq!(Mask::default().body(message).as_deref(), Some(message));
        let masked = Mask::default().body(&message.replace("PSTN User", "user zoe@contoso.com (+4512345678)")).unwrap();
        assert!(!masked.contains("zoe") && !masked.contains("12345678"), "{masked}");
        let path = "/graph/calls/emea/zoe@contoso.com?shift=2";
        assert_eq!(Mask::default().path(path), "/graph/calls/emea/person-1@example.com?shift=value-1");
    }

    #[test]
    fn who_takes_part_is_replaced_and_the_call_stays() {
        let mut mask = Mask::default();
        let body = format!(
            r#"{{"value":[{{"resourceUrl":"/communications/calls/{CALL}","resourceData":{{"id":"{CALL}",
            "source":{{"identity":{{"user":{{"id":"{USER}","displayName":"Adele Vance","tenantId":"{USER}"}}}}}},
            "other":"8:orgid:{USER}","by":{{"phone":{{"id":"+45 12 34 56 78"}}}},"clientContext":"adele@contoso.com",
            "chatInfo":{{"threadId":"19:meeting_abc@thread.v2"}},"note":"call adele@contoso.com or +4512345678"}}}}]}}"#
        );
        let masked = mask.body(&body).unwrap();
        for secret in [USER, "Adele", "12 34", "meeting_abc", "12345678", "or adele"] {
            assert!(!masked.contains(secret), "{secret}: {masked}");
        }
        assert_eq!(masked.matches(CALL).count(), 2);
        assert_eq!(masked.matches("00000000-0000-4000-8000-000000000001").count(), 3, "{masked}");
        assert!(masked.contains(r#""clientContext":"adele@contoso.com""#));
        let undashed = CALL.replace('-', "").to_uppercase();
        let path = format!("/app/calls/{undashed}/operations/{}", USER.to_uppercase());
        assert_eq!(mask.path(&path), path, "an id that a path names is an operation's");
        assert_eq!(
            mask.path(&format!("/emea/{}?code=s3cret&validationToken=a%20b", "0".repeat(32))),
            "/emea/00000000000040008000000000000002?code=value-1&validationToken=a%20b"
        );
    }

    #[test]
    fn every_secret_is_replaced_and_equal_ones_stay_equal() {
        let mut mask = Mask::default();
        let token = format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(format!(r#"{{"tid":"{USER}","ver":"1.0"}}"#)));
        let body = format!(
            r#"{{"value":[{{"clientState":"s3cret","tenantId":"{USER}","encryptedContent":{{"data":"AAAA","dataKey":"BBBB"}}}},
            {{"resourceData":{{"recordingAccessToken":"s3cret","x":"eyJhbGc.eyJ0.s3cret","token":"s3cret",
            "recordingLocation":"https://a/b?sig=s3cret"}}}}],"validationTokens":["{token}"]}}"#
        );
        let masked = mask.body(&body).unwrap();
        for secret in ["s3cret", "AAAA", "BBBB", &token, USER] {
            assert!(!masked.contains(secret), "{secret}: {masked}");
        }
        let tenant = "00000000-0000-4000-8000-000000000001";
        assert!(masked.contains(&format!(r#""validationTokens":["<validation token 1.0 of {tenant}>"]"#)), "{masked}");
        assert_eq!(masked.matches("<token 1>").count(), 2);
        let heads =
            [("Authorization", format!("Bearer {token}")), ("Cookie", "s3cret".into()), ("Scenario-Id", "x".into())];
        let heads = mask.heads(heads.iter().map(|(name, value)| (*name, value.as_str())));
        let expected = [("authorization", format!("Bearer <token of {tenant}>")), ("scenario-id", "x".into())];
        assert_eq!(heads, expected.map(|(name, value)| (name.to_owned(), value)));
        assert_eq!(mask.body("not JSON"), None);
    }
}
