//! Why something was refused or quarantined: one closed set, used in metrics, logs and the quarantine.

/// The reason for a rejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// No `Authorization` header, two of them, another scheme, or an empty token.
    AuthHeader,
    /// The token is too long, not three base64url parts, or not JSON.
    JwtMalformed,
    /// The algorithm is not RS256.
    JwtAlg,
    /// `crit`, `b64`, a nested or an encrypted token.
    JwtHeader,
    /// The token names no key.
    JwtKidMissing,
    /// The token names a key that the issuer does not publish.
    JwtKidUnknown,
    /// The key is not meant for this issuer or this use.
    JwtKeyUse,
    /// The signature is wrong.
    JwtSignature,
    /// A time claim is missing or not an integer.
    JwtClaimType,
    /// Expired.
    JwtExp,
    /// Not valid yet.
    JwtNbf,
    /// Another audience.
    JwtAud,
    /// Another issuer.
    JwtIss,
    /// No tenant, or a tenant that is not allowed or not the item's.
    JwtTenant,
    /// Not published by Graph's change tracking (`appid` / `azp`).
    JwtPublisher,
    /// An item that needs a validation token came without one.
    JwtMissing,
    /// More validation tokens than the limit.
    JwtTooMany,
    /// The provider's keys could not be fetched, so it is not known whether the key that signed is one of them.
    KeysUnavailable,
    /// `clientState` is missing or matches no configured value.
    ClientState,
    /// The certificate is not configured, or its thumbprint differs.
    CertUnknown,
    /// The encrypted content does not fit its keys or its signature.
    EncInvalid,
    /// The body is not JSON.
    JsonInvalid,
    /// The body is nested too deeply.
    JsonDepth,
    /// An authority key (`clientState`, `validationTokens`, ..) occurs twice.
    JsonDuplicate,
    /// JSON, but not the shape of a notification.
    Shape,
    /// More items than the limit.
    BatchTooLarge,
    /// More bytes than the limit.
    BodyTooLarge,
    /// The body or the head arrived too slowly.
    BodyTimeout,
    /// A compressed body.
    ContentEncoding,
    /// Another media type than JSON.
    ContentType,
    /// A handshake without a usable token.
    HandshakeBad,
    /// Too many handshakes from one source.
    HandshakeRate,
    /// A path or method that is not served, or bytes that are no request.
    BadRequest,
    /// The admin listener got a request without a valid token, or under a host name that is not loopback.
    AdminAccess,
    /// The store cannot accept more now.
    Shed,
}

impl Reason {
    /// Every reason, for the metric's closed label set.
    pub const ALL: [Self; 35] = [
        Self::AuthHeader,
        Self::JwtMalformed,
        Self::JwtAlg,
        Self::JwtHeader,
        Self::JwtKidMissing,
        Self::JwtKidUnknown,
        Self::JwtKeyUse,
        Self::JwtSignature,
        Self::JwtClaimType,
        Self::JwtExp,
        Self::JwtNbf,
        Self::JwtAud,
        Self::JwtIss,
        Self::JwtTenant,
        Self::JwtPublisher,
        Self::JwtMissing,
        Self::JwtTooMany,
        Self::KeysUnavailable,
        Self::ClientState,
        Self::CertUnknown,
        Self::EncInvalid,
        Self::JsonInvalid,
        Self::JsonDepth,
        Self::JsonDuplicate,
        Self::Shape,
        Self::BatchTooLarge,
        Self::BodyTooLarge,
        Self::BodyTimeout,
        Self::ContentEncoding,
        Self::ContentType,
        Self::HandshakeBad,
        Self::HandshakeRate,
        Self::BadRequest,
        Self::AdminAccess,
        Self::Shed,
    ];

    /// The text used in metrics, logs and the quarantine.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuthHeader => "auth_header",
            Self::JwtMalformed => "jwt_malformed",
            Self::JwtAlg => "jwt_alg",
            Self::JwtHeader => "jwt_header",
            Self::JwtKidMissing => "jwt_kid_missing",
            Self::JwtKidUnknown => "jwt_kid_unknown",
            Self::JwtKeyUse => "jwt_key_use",
            Self::JwtSignature => "jwt_signature",
            Self::JwtClaimType => "jwt_claim_type",
            Self::JwtExp => "jwt_exp",
            Self::JwtNbf => "jwt_nbf",
            Self::JwtAud => "jwt_aud",
            Self::JwtIss => "jwt_iss",
            Self::JwtTenant => "jwt_tenant",
            Self::JwtPublisher => "jwt_publisher",
            Self::JwtMissing => "jwt_missing",
            Self::JwtTooMany => "jwt_too_many",
            Self::KeysUnavailable => "keys_unavailable",
            Self::ClientState => "client_state",
            Self::CertUnknown => "cert_unknown",
            Self::EncInvalid => "enc_invalid",
            Self::JsonInvalid => "json_invalid",
            Self::JsonDepth => "json_depth",
            Self::JsonDuplicate => "json_duplicate",
            Self::Shape => "shape",
            Self::BatchTooLarge => "batch_too_large",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyTimeout => "body_timeout",
            Self::ContentEncoding => "content_encoding",
            Self::ContentType => "content_type",
            Self::HandshakeBad => "handshake_bad",
            Self::HandshakeRate => "handshake_rate",
            Self::BadRequest => "bad_request",
            Self::AdminAccess => "admin_access",
            Self::Shed => "shed",
        }
    }

    /// Whether a quarantine entry can have it. The others are reasons to refuse a request, of which nothing is kept.
    pub fn is_of_entries(self) -> bool {
        !matches!(
            self,
            Self::BatchTooLarge
                | Self::BodyTooLarge
                | Self::BodyTimeout
                | Self::ContentEncoding
                | Self::ContentType
                | Self::HandshakeBad
                | Self::HandshakeRate
                | Self::BadRequest
                | Self::AdminAccess
                | Self::Shed
        )
    }

    /// Reads [`Reason::as_str`] back.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}
