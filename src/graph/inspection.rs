//! What a token passes and fails, one check after the other, for a person who asks why it is refused. The verdict is that of
//! [`super::token::verify`]; the checks explain it.
//!
//! **Invariants**
//! 1. The verdict is what the server would say. If it is a refusal, a check with the same reason failed.
//! 2. Nothing here holds the token: only the claims that are compared.

use std::borrow::Cow;

use jiff::Timestamp;

use super::claims::{Claim, MAX_TOKEN_BYTES, Part};
use super::demands::Demands;
use super::jwks::KeySet;
use super::refused_token::Expected;
use super::token::{self, Unverified, is_ahead, is_over, of_tenant};
use crate::domain::Reason;

/// What is checked of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// Three parts of base64url, the first two of them JSON objects.
    Format,
    /// RS256.
    Algorithm,
    /// The provider publishes the key that the token names, for this use.
    Key,
    /// The key made the signature.
    Signature,
    /// Who issued it (`iss`).
    Issuer,
    /// For which application it is (`aud`).
    Audience,
    /// For which tenant it is (`tid`).
    Tenant,
    /// Which application asked for it (`appid` or `azp`).
    AppId,
    /// From when until when it is valid (`nbf`, `exp`).
    Expiry,
}

impl Aspect {
    /// The word for a person.
    pub fn word(self) -> &'static str {
        match self {
            Self::Format => "format",
            Self::Algorithm => "algorithm",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Tenant => "tenant",
            Self::AppId => "app id",
            Self::Expiry => "expiry",
        }
    }
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It passed.
    Passed,
    /// It failed.
    Failed(Reason),
    /// It could not be made, because an earlier one failed or the keys are not known.
    Unknown,
}

impl From<Result<(), Reason>> for Outcome {
    fn from(result: Result<(), Reason>) -> Self {
        result.map_or_else(Self::Failed, |()| Self::Passed)
    }
}

/// One check. Its texts are not escaped: they may come from the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was checked.
    pub aspect: Aspect,
    /// How it ended.
    pub outcome: Outcome,
    /// What the token says; `None`: nothing that can be read.
    pub found: Option<String>,
    /// What is expected.
    pub expected: String,
}

/// What a token passes and fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Every check, in the order of [`Aspect`].
    pub checks: Vec<Check>,
    /// What the server would say. [`Reason::KeysUnavailable`]: the keys are not known.
    pub verdict: Result<(), Reason>,
}

/// Inspects a token at `now`. `keys` are the provider's; `None`: they could not be fetched.
pub fn inspect(token: &[u8], demands: &Demands, keys: Option<&KeySet>, now: Timestamp) -> Inspection {
    let now = now.as_second();
    let unverified = match token.len() > MAX_TOKEN_BYTES {
        true => Err(Reason::JwtMalformed),
        false => Unverified::read(token),
    };
    let verdict = match (&unverified, keys) {
        (Err(reason), _) => Err(*reason),
        (Ok(_), None) => Err(Reason::KeysUnavailable),
        (Ok(unverified), Some(set)) => token::verify(unverified, set, now, demands).map(|_proven| ()),
    };
    let subject = Subject { token, demands, now };
    let checks = vec![
        subject.format(&unverified),
        subject.algorithm(),
        subject.key(keys),
        subject.signature(unverified.as_ref().ok(), keys),
        subject.issuer(),
        subject.audience(),
        subject.tenant(),
        subject.app_id(),
        subject.expiry(),
    ];
    Inspection { checks, verdict }
}

/// A token under inspection.
struct Subject<'a> {
    token: &'a [u8],
    demands: &'a Demands,
    now: i64,
}

impl Subject<'_> {
    fn claim(&self, name: &str) -> Option<String> {
        Claim { token: self.token, part: Part::Payload, name }.read()
    }

    fn header(&self, name: &str) -> Option<String> {
        Claim { token: self.token, part: Part::Header, name }.read()
    }

    fn format(&self, unverified: &Result<Unverified<'_>, Reason>) -> Check {
        let n_parts = self.token.split(|byte| *byte == b'.').count();
        let result = match unverified {
            Err(reason @ (Reason::JwtMalformed | Reason::JwtHeader)) => Err(*reason),
            Ok(unverified) => unverified.has_claims(),
            Err(_of_the_header) => Ok(()),
        };
        let found = Some(format!("{n_parts} part{}, {} bytes", if n_parts == 1 { "" } else { "s" }, self.token.len()));
        let expected = "3 parts of base64url with JSON, at most 16 KiB".to_owned();
        Check { aspect: Aspect::Format, outcome: result.into(), found, expected }
    }

    fn algorithm(&self) -> Check {
        let found = self.header("alg");
        let outcome = match found.as_deref() {
            Some("RS256") => Outcome::Passed,
            _ => Outcome::Failed(Reason::JwtAlg),
        };
        Check { aspect: Aspect::Algorithm, outcome, found, expected: "RS256".into() }
    }

    fn key(&self, keys: Option<&KeySet>) -> Check {
        let found = self.header("kid").filter(|kid| !kid.is_empty());
        let result = match (&found, keys) {
            (None, _) => Some(Err(Reason::JwtKidMissing)),
            (Some(_), None) => None,
            (Some(kid), Some(set)) => Some(self.is_fit(kid, set)),
        };
        let expected = keys.map_or("the keys of the provider, which could not be fetched".to_owned(), |set| {
            format!("one of the provider's {} keys, for this issuer", set.len())
        });
        Check { aspect: Aspect::Key, outcome: result.map_or(Outcome::Unknown, Outcome::from), found, expected }
    }

    fn is_fit(&self, kid: &str, set: &KeySet) -> Result<(), Reason> {
        let Some(key) = set.get(kid) else {
            return Err(if set.is_unfit(kid) { Reason::JwtKeyUse } else { Reason::JwtKidUnknown });
        };
        let (iss, tid) = (self.claim("iss").unwrap_or_default(), self.claim("tid").unwrap_or_default());
        let is_for = token::is_for(key.issuer.as_deref(), set.issuer.as_deref(), &iss, &tid);
        if is_for { Ok(()) } else { Err(Reason::JwtKeyUse) }
    }

    fn signature(&self, unverified: Option<&Unverified<'_>>, keys: Option<&KeySet>) -> Check {
        let key = unverified.zip(keys).and_then(|(unverified, set)| Some((unverified, set.get(&unverified.kid)?)));
        let outcome = key.map_or(Outcome::Unknown, |(unverified, key)| {
            if unverified.is_signed_with(key) { Outcome::Passed } else { Outcome::Failed(Reason::JwtSignature) }
        });
        Check { aspect: Aspect::Signature, outcome, found: None, expected: "made with that key".into() }
    }

    fn issuer(&self) -> Check {
        let (found, tid) = (self.claim("iss"), self.claim("tid").unwrap_or_default());
        let expected: Vec<Cow<'_, str>> = self.demands.issuers.iter().map(|it| of_tenant(it, &tid)).collect();
        let is_one = found.as_deref().is_some_and(|iss| expected.iter().any(|it| it == iss));
        let outcome = if is_one { Outcome::Passed } else { Outcome::Failed(Reason::JwtIss) };
        Check { aspect: Aspect::Issuer, outcome, found, expected: expected.join(", ") }
    }

    fn audience(&self) -> Check {
        let found = self.claim("aud");
        // An array of one text is that text.
        let sole = found.as_deref().and_then(|aud| serde_json::from_str::<[String; 1]>(aud).ok()).map(|[sole]| sole);
        let found = sole.or(found);
        let is_one = found.as_ref().is_some_and(|aud| self.demands.audiences.contains(aud));
        let outcome = if is_one { Outcome::Passed } else { Outcome::Failed(Reason::JwtAud) };
        Check { aspect: Aspect::Audience, outcome, found, expected: Expected(&self.demands.audiences).to_string() }
    }

    fn tenant(&self) -> Check {
        let (found, tenants) = (self.claim("tid").filter(|tid| !tid.is_empty()), &self.demands.tenants);
        let is_one = found
            .as_deref()
            .is_some_and(|tid| tenants.is_empty() || tenants.iter().any(|tenant| tenant.eq_ignore_ascii_case(tid)));
        let outcome = if is_one { Outcome::Passed } else { Outcome::Failed(Reason::JwtTenant) };
        Check { aspect: Aspect::Tenant, outcome, found, expected: Expected(tenants).to_string() }
    }

    fn app_id(&self) -> Check {
        let found = match self.claim("ver").as_deref() {
            Some("1.0") => self.claim("appid"),
            Some("2.0") => self.claim("azp"),
            _ => None,
        };
        let publisher = self.demands.publisher.as_ref();
        let is_it = publisher.is_none() || publisher == found.as_ref();
        let outcome = if is_it { Outcome::Passed } else { Outcome::Failed(Reason::JwtPublisher) };
        Check { aspect: Aspect::AppId, outcome, found, expected: publisher.cloned().unwrap_or_else(|| "any".into()) }
    }

    fn expiry(&self) -> Check {
        let instant =
            |name| self.claim(name).map(|text| text.parse::<i64>().map_err(|_no_integer| Reason::JwtClaimType));
        let (exp, nbf, iat) = (instant("exp"), instant("nbf"), instant("iat"));
        let required = |claim: Option<Result<i64, Reason>>| claim.unwrap_or(Err(Reason::JwtClaimType));
        let result = required(exp).and_then(|exp| {
            let (nbf, iat) = (required(nbf)?, iat.transpose()?);
            if is_over(exp, self.now) {
                return Err(Reason::JwtExp);
            }
            let is_early = is_ahead(nbf, self.now) || iat.is_some_and(|iat| is_ahead(iat, self.now));
            if is_early { Err(Reason::JwtNbf) } else { Ok(()) }
        });
        let shown = |claim: Option<Result<i64, Reason>>| {
            let at = claim?.ok().and_then(|at| Timestamp::from_second(at).ok())?;
            Some(at.to_string())
        };
        let found = shown(nbf).zip(shown(exp)).map(|(from, until)| format!("{from} to {until}"));
        let now = shown(Some(Ok(self.now))).unwrap_or_default();
        Check {
            aspect: Aspect::Expiry,
            outcome: result.into(),
            found,
            expected: format!("{now}, give or take 5 minutes"),
        }
    }
}
