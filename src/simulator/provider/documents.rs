//! The documents of Microsoft's providers: the members that the real ones have, with the addresses of the keys here.

use serde_json::{Value, json};

use crate::simulator::Identity;

/// Which of Entra's two sets of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
}

/// The tenants that stand for any tenant: the issuer has `{tenantid}`, which a receiver fills in from the token.
const ANY_TENANT: [&str; 2] = ["common", "organizations"];

/// The calling platform's (<https://api.aps.skype.com/v1/.well-known/OpenIdConfiguration>).
pub(super) fn calls(base: &str) -> Value {
    json!({
        "issuer": "https://api.botframework.com",
        "authorization_endpoint": "https://invalid.botframework.com",
        "jwks_uri": format!("{base}/v1/keys"),
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
    })
}

/// Entra's, of a tenant or of all tenants (<https://login.microsoftonline.com/common/.well-known/openid-configuration>).
pub(super) fn entra(base: &str, tenant: &str, version: Version) -> Value {
    let login = format!("https://login.microsoftonline.com/{tenant}");
    let mut document = json!({
        "issuer": issuer(tenant, version),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "claims_supported": [
            "sub", "iss", "cloud_instance_name", "cloud_instance_host_name", "cloud_graph_host_name", "msgraph_host",
            "aud", "exp", "iat", "auth_time", "acr", "nonce", "tid", "ver",
        ],
        "kerberos_endpoint": format!("{login}/kerberos"),
        "tenant_region_scope": if ANY_TENANT.contains(&tenant) { Value::Null } else { "WW".into() },
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": "graph.microsoft.com",
        "rbac_url": "https://pas.windows.net",
    });
    let own = match version {
        Version::V1 => json!({
            "token_endpoint": format!("{login}/oauth2/token"),
            "authorization_endpoint": format!("{login}/oauth2/authorize"),
            "device_authorization_endpoint": format!("{login}/oauth2/devicecode"),
            "end_session_endpoint": format!("{login}/oauth2/logout"),
            "userinfo_endpoint": format!("{login}/openid/userinfo"),
            "check_session_iframe": format!("{login}/oauth2/checksession"),
            "jwks_uri": format!("{base}/{tenant}/discovery/keys"),
            "response_types_supported": ["code", "id_token", "code id_token", "token id_token", "token"],
            "scopes_supported": ["openid"],
            "microsoft_multi_refresh_token": true,
        }),
        Version::V2 => json!({
            "token_endpoint": format!("{login}/oauth2/v2.0/token"),
            "authorization_endpoint": format!("{login}/oauth2/v2.0/authorize"),
            "device_authorization_endpoint": format!("{login}/oauth2/v2.0/devicecode"),
            "end_session_endpoint": format!("{login}/oauth2/v2.0/logout"),
            "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo",
            "jwks_uri": format!("{base}/{tenant}/discovery/v2.0/keys"),
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "request_uri_parameter_supported": false,
        }),
    };
    if let (Value::Object(document), Value::Object(own)) = (&mut document, own) {
        document.extend(own);
    }
    document
}

/// The calling platform's keys.
pub(super) fn calls_keys(identity: &Identity) -> Value {
    identity.key_set()
}

/// Entra's keys. Those of v2.0 name the issuer whose tokens they may sign. The real ones have certificates too (`x5c`);
/// these keys have none.
pub(super) fn entra_keys(identity: &Identity, tenant: &str, version: Version) -> Value {
    let mut set = identity.key_set();
    for key in set["keys"].as_array_mut().into_iter().flatten() {
        key["x5t"] = key["kid"].clone();
        key["cloud_instance_name"] = "microsoftonline.com".into();
        if version == Version::V2 {
            key["issuer"] = issuer(tenant, version).into();
        }
    }
    set
}

fn issuer(tenant: &str, version: Version) -> String {
    let tenant = if ANY_TENANT.contains(&tenant) { "{tenantid}" } else { tenant };
    match version {
        Version::V1 => format!("https://sts.windows.net/{tenant}/"),
        Version::V2 => format!("https://login.microsoftonline.com/{tenant}/v2.0"),
    }
}
