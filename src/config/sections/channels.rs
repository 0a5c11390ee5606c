//! `[calls]` and `[subscriptions]`: what Microsoft Graph posts to, and what it must prove.

use std::collections::BTreeSet;

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use url::Url;
use uuid::Uuid;

use crate::config::section::Section;
use crate::config::value::{count, endpoint, hex, name, provider, switch};

/// The longest `clientState` that Graph takes (<https://learn.microsoft.com/graph/api/resources/subscription>).
const MAX_CLIENT_STATE: usize = 128;
/// The longest `encryptionCertificateId` that Graph takes, from the same page.
const MAX_CERTIFICATE_ID: usize = 128;

// Where the calling platform's keys are
// (<https://learn.microsoft.com/microsoftteams/platform/bots/calls-and-meetings/call-notifications>).
const CALLS_PROVIDER: &str = "https://api.aps.skype.com/v1/.well-known/OpenIdConfiguration";
const CALLS_ISSUERS: [&str; 2] = ["https://api.botframework.com", "https://graph.microsoft.com"];
// Who signs validationTokens (<https://learn.microsoft.com/graph/change-notifications-with-resource-data>).
const SUBSCRIPTIONS_PROVIDER: &str = "https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration";
const SUBSCRIPTIONS_ISSUERS: [&str; 2] =
    ["https://sts.windows.net/{tenantid}/", "https://login.microsoftonline.com/{tenantid}/v2.0"];
const PUBLISHER: &str = "0bf30f3b-4a52-48df-9a82-234910c4a086";

/// `[calls]`
#[derive(Clone, Debug)]
pub struct Calls {
    /// The path for call notifications.
    pub path: String,
    /// Whether every path below it is served as well.
    pub subpaths: bool,
    /// The bot's application ids: the accepted audiences.
    pub app_ids: Vec<String>,
    /// The accepted tenants, in lower case; empty: all.
    pub tenants: Vec<String>,
    /// The accepted issuers.
    pub issuers: Vec<String>,
    /// The URL of the keys' OpenID configuration.
    pub openid_configuration: Url,
}

/// `[subscriptions]`
#[derive(Clone, Debug)]
pub struct Subscriptions {
    /// The path for change notifications.
    pub path: String,
    /// The path for lifecycle notifications.
    pub lifecycle_path: String,
    /// The applications that own the subscriptions: the accepted audiences.
    pub app_ids: Vec<String>,
    /// The accepted tenants, in lower case; empty: all.
    pub tenants: Vec<String>,
    /// The URL of the keys' OpenID configuration.
    pub openid_configuration: Url,
    /// The accepted issuers, with `{tenantid}` for the token's own tenant.
    pub issuers: Vec<String>,
    /// The application that publishes notifications (`appid` / `azp`).
    pub publisher: String,
    /// The accepted values of `clientState`; several during a rotation.
    pub client_states: Vec<SecretString>,
    /// The keys for encrypted content.
    pub certificates: Vec<Certificate>,
    /// The subscriptions that send encrypted content: their plain items need a validation token as well. Others are
    /// recognised by their items.
    pub encrypted: Vec<String>,
    /// The most RSA operations that may wait at a time; beyond it 503.
    pub max_pending_decryptions: usize,
}

/// `[[subscriptions.certificates]]`
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The `encryptionCertificateId` of the subscription.
    pub id: String,
    /// The private key: PEM, PKCS#8 or PKCS#1.
    pub private_key: SecretString,
    /// If configured, an item that names another thumbprint is not decrypted. Upper-case hex SHA-1.
    pub thumbprint: Option<String>,
}

/// Reads `[calls]`, where it is present.
pub fn calls(root: &mut Section<'_>) -> Option<Calls> {
    let mut section = root.section("calls")?;
    Some(Calls {
        path: section.or("path", "/graph/calls".to_owned(), endpoint()),
        subpaths: section.or("subpaths", false, switch()),
        app_ids: app_ids(&mut section),
        tenants: tenants(&mut section),
        issuers: issuers(&mut section, CALLS_ISSUERS),
        openid_configuration: openid_configuration(&mut section, CALLS_PROVIDER)?,
    })
}

/// Reads `[subscriptions]`, where it is present.
pub fn subscriptions(root: &mut Section<'_>) -> Option<Subscriptions> {
    let mut section = root.section("subscriptions")?;
    Some(Subscriptions {
        path: section.or("path", "/graph/notifications".to_owned(), endpoint()),
        lifecycle_path: section.or("lifecycle_path", "/graph/lifecycle".to_owned(), endpoint()),
        app_ids: app_ids(&mut section),
        tenants: tenants(&mut section),
        issuers: issuers(&mut section, SUBSCRIPTIONS_ISSUERS),
        openid_configuration: openid_configuration(&mut section, SUBSCRIPTIONS_PROVIDER)?,
        publisher: section.or("publisher", PUBLISHER.to_owned(), name(256)),
        client_states: client_states(&mut section),
        certificates: certificates(&mut section),
        encrypted: section.list("encrypted", Vec::new(), name(256)),
        max_pending_decryptions: section.or("max_pending_decryptions", 512, count(1..=65_536)),
    })
}

/// Two endpoints on one path: the second would never be asked.
pub fn check_paths(calls: Option<&Calls>, subscriptions: Option<&Subscriptions>, root: &Section<'_>) {
    let is_open = calls.is_some_and(|it| it.subpaths);
    let calls = calls.map(|it| ("calls.path", &it.path));
    let subscriptions = subscriptions
        .map(|it| [("subscriptions.path", &it.path), ("subscriptions.lifecycle_path", &it.lifecycle_path)]);
    let above = calls.filter(|(..)| is_open).map(|(_, path)| format!("{path}/"));
    let mut seen: Vec<(&str, &String)> = Vec::new();
    for (key, path) in calls.into_iter().chain(subscriptions.into_iter().flatten()) {
        match seen.iter().find(|(_, other)| *other == path) {
            Some((other, _)) => {
                root.report.mistake(key, format!("found {path:?}, which {other} takes, expected another path"));
            }
            None if above.as_ref().is_some_and(|above| path.starts_with(above)) => {
                let text =
                    format!("found {path:?}, which calls.subpaths takes, expected a path that is not below calls.path");
                root.report.mistake(key, text);
            }
            None => seen.push((key, path)),
        }
    }
    root.report.rule("", json!({ "anyOf": [{ "required": ["calls"] }, { "required": ["subscriptions"] }] }));
    if !root.report.has("calls") && !root.report.has("subscriptions") {
        root.report.mistake("", "found neither [calls] nor [subscriptions], expected at least one of them: without them nothing is received");
    }
}

fn openid_configuration(section: &mut Section<'_>, default: &str) -> Option<Url> {
    let default = Url::parse(default).ok()?;
    Some(section.or("openid_configuration", default, provider()))
}

fn app_ids(section: &mut Section<'_>) -> Vec<String> {
    let missing = "found none, expected the application ids that are accepted as audience, as [\"<application id>\"]";
    let ids = section.need_list("app_ids", missing, name(256));
    let key = section.path_of("app_ids");
    for (index, id) in ids.iter().enumerate() {
        let warning = match Uuid::try_parse(id) {
            Ok(id) if id.is_nil() => {
                "is a placeholder: replace it by your application's id; until then nothing is accepted"
            }
            Ok(_) => continue,
            Err(_) => "is no GUID, as Microsoft's application ids are",
        };
        section.report.warning(&format!("{key}[{index}]"), format!("{id:?} {warning}"));
    }
    ids
}

fn tenants(section: &mut Section<'_>) -> Vec<String> {
    let key = section.path_of("tenants");
    let tenants = section.list("tenants", Vec::new(), name(256));
    for (index, tenant) in tenants.iter().enumerate() {
        if Uuid::try_parse(tenant).is_err() {
            let text = format!("{tenant:?} is no GUID, as tenant ids are (a domain name never matches)");
            section.report.warning(&format!("{key}[{index}]"), text);
        }
    }
    tenants.iter().map(|tenant| tenant.to_lowercase()).collect()
}

fn issuers(section: &mut Section<'_>, defaults: [&str; 2]) -> Vec<String> {
    let issuers = section.list("issuers", defaults.map(str::to_owned).to_vec(), name(1024));
    if issuers.is_empty() && !section.report.has_mistake(&section.path_of("issuers")) {
        let text = "found an empty list, expected at least one issuer, or omit the key for Microsoft's own";
        section.report.mistake(&section.path_of("issuers"), text);
    }
    issuers
}

fn client_states(section: &mut Section<'_>) -> Vec<SecretString> {
    let missing = "found none, expected [{ env = \"..\" }] or [{ file = \"..\" }] with the clientState of your \
                   subscriptions: without it anyone can post";
    let secrets = section.need_secrets("client_states", missing);
    for secret in &secrets {
        if secret.value.expose_secret().chars().count() > MAX_CLIENT_STATE {
            let text =
                format!("is longer than Graph allows ({MAX_CLIENT_STATE} characters): no notification can have it");
            section.report.warning(&secret.path, text);
        }
    }
    secrets.into_iter().map(|secret| secret.value).collect()
}

fn certificates(section: &mut Section<'_>) -> Vec<Certificate> {
    let mut ids = BTreeSet::new();
    let mut certificates = Vec::new();
    for mut section in section.sections("certificates") {
        let id = section.need("id", "the encryptionCertificateId of the subscription", name(MAX_CERTIFICATE_ID));
        let thumbprint = section.read("thumbprint", hex::<20>());
        let private_key = section.need_secret("private_key");
        if let Some(id) = &id
            && !ids.insert(id.clone())
        {
            section.report.mistake(&section.path_of("id"), format!("found {id:?} again, expected another id"));
        }
        if let (Some(id), Some(private_key)) = (id, private_key) {
            let thumbprint = thumbprint.map(|bytes| bytes.iter().map(|byte| format!("{byte:02X}")).collect());
            certificates.push(Certificate { id, private_key, thumbprint });
        }
    }
    certificates
}
