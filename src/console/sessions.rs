//! Who is logged in. In memory only: a restart logs everyone out, and no session is ever stored.
//!
//! **Invariants**
//! 1. A session has the scopes that its token had when it began.
//! 2. There are at most [`MAX_SESSIONS`]. An idle one ends after [`IDLE`], and each after [`LONGEST`] in any case,
//!    because an open page keeps asking.
//! 3. `now` is steady time everywhere here: setting the machine's clock neither ends a session nor prolongs it.
//! 4. The cookie's value is known to the browser alone: here is its SHA-256.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use crate::access::Caller;

/// The most sessions at a time; beyond it the one that was idle longest ends.
const MAX_SESSIONS: usize = 1_000;
/// How long a session may be idle.
const IDLE: SignedDuration = SignedDuration::from_hours(8);
/// How long a session lasts at most: a stolen cookie is useless the next day.
const LONGEST: SignedDuration = SignedDuration::from_hours(12);

/// A login.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its owner and scopes.
    pub caller: Caller,
    began_at: Timestamp,
    seen_at: Timestamp,
}

/// The logins.
#[derive(Debug, Default)]
pub struct Sessions(Mutex<HashMap<[u8; 32], Session>>);

impl Sessions {
    /// Begins one under a cookie's value.
    pub fn begin(&self, cookie: &str, caller: Caller, now: Timestamp) {
        let mut sessions = self.0.lock();
        sessions.retain(|_, session| !session.is_over(now));
        if sessions.len() >= MAX_SESSIONS {
            let idlest = sessions.iter().min_by_key(|(_, session)| session.seen_at).map(|(key, _)| *key);
            idlest.and_then(|key| sessions.remove(&key));
        }
        sessions.insert(key(cookie), Session { caller, began_at: now, seen_at: now });
    }

    /// The session of a cookie; it is not idle now.
    pub fn touch(&self, cookie: &str, now: Timestamp) -> Option<Session> {
        let mut sessions = self.0.lock();
        let session = sessions.get_mut(&key(cookie)).filter(|session| !session.is_over(now))?;
        session.seen_at = now;
        Some(session.clone())
    }

    /// Whether a cookie's session still exists. Checking does not count as use.
    pub fn has(&self, cookie: &str, now: Timestamp) -> bool {
        self.0.lock().get(&key(cookie)).is_some_and(|session| !session.is_over(now))
    }

    /// Ends one.
    pub fn end(&self, cookie: &str) {
        self.0.lock().remove(&key(cookie));
    }
}

impl Session {
    fn is_over(&self, now: Timestamp) -> bool {
        now.duration_since(self.seen_at) > IDLE || now.duration_since(self.began_at) > LONGEST
    }
}

fn key(cookie: &str) -> [u8; 32] {
    Sha256::digest(cookie.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Access;
    use crate::config::{AdminToken, Scope};

    fn caller() -> Caller {
        let token = AdminToken { name: "ops".into(), sha256: Sha256::digest("ops").into(), scopes: vec![Scope::Read] };
        Access::new(vec![token]).owner(b"ops").unwrap()
    }

    #[test]
    fn an_idle_session_ends_and_a_used_one_goes_on() {
        let (sessions, start) = (Sessions::default(), Timestamp::UNIX_EPOCH);
        let hours = |n| start + SignedDuration::from_hours(n);
        sessions.begin("a", caller(), start);
        assert!(sessions.touch("a", hours(3)).is_some());
        assert!(sessions.has("a", hours(10)), "seven hours after it was used");
        assert!(!sessions.has("a", hours(12)), "nine hours after it was used");
    }

    #[test]
    fn a_session_ends_after_twelve_hours_however_much_it_is_used() {
        let (sessions, start) = (Sessions::default(), Timestamp::UNIX_EPOCH);
        sessions.begin("a", caller(), start);
        for minutes in 0..=720 {
            assert!(sessions.touch("a", start + SignedDuration::from_mins(minutes)).is_some(), "{minutes}");
        }
        assert!(sessions.touch("a", start + SignedDuration::from_mins(721)).is_none());
        assert!(!sessions.has("a", start + SignedDuration::from_mins(721)));
    }

    #[test]
    fn there_are_never_more_than_the_limit_and_the_idlest_goes() {
        let (sessions, start) = (Sessions::default(), Timestamp::UNIX_EPOCH);
        for n in 0..=MAX_SESSIONS {
            let at = start + SignedDuration::from_secs(i64::try_from(n).unwrap());
            sessions.begin(&n.to_string(), caller(), at);
        }
        assert_eq!(sessions.0.lock().len(), MAX_SESSIONS);
        assert!(!sessions.has("0", start) && sessions.has("1", start));
    }

    #[test]
    fn a_session_that_was_ended_is_over() {
        let sessions = Sessions::default();
        sessions.begin("a", caller(), Timestamp::UNIX_EPOCH);
        sessions.end("a");
        assert!(!sessions.has("a", Timestamp::UNIX_EPOCH));
    }
}
