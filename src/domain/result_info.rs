//! How an operation or a call ended: Graph's `resultInfo`, and what its numbers mean.

use serde::{Deserialize, Serialize};

/// How an operation ended: Graph's `resultInfo`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ResultInfo {
    /// 2xx success, 4xx client error, 5xx server error.
    pub code: i64,
    /// The finer code.
    pub subcode: i64,
    /// Graph's text for developers.
    pub message: Option<String>,
}

/// What is said of a subcode that no documentation has.
const UNKNOWN: &str = "a subcode that reelhook does not know";

/// What a `resultInfo` means, in words, by its code and its subcode.
///
/// Sources: the ends of calls are those of Graph's page on hanging up
/// (<https://learn.microsoft.com/graph/api/call-delete#call-end-reason-codes>); 7015 and 7700 are in the samples of
/// <https://learn.microsoft.com/graph/api/call-transfer>, where 7000 comes with the code 500 too, for a transfer that
/// failed; 0, 8508 and 8515 are in those of `call-playprompt`, `call-cancelmediaprocessing` and `call-record`. The others
/// are the codes of the same media platform
/// (<https://learn.microsoft.com/azure/communication-services/resources/troubleshooting/voice-video-calling/troubleshooting-codes>).
pub fn result_in_words(code: i64, subcode: i64) -> &'static str {
    let of_operation = end_of_operation(subcode);
    of_operation.or_else(|| end_of_call(code, subcode)).unwrap_or(UNKNOWN)
}

fn end_of_operation(subcode: i64) -> Option<&'static str> {
    Some(match subcode {
        0 => "success",
        8500 => "the media mode is not valid",
        8501 => "the call was not established",
        8503 => "the audio was inactive",
        8508 => "the operation was cancelled",
        8509 => "the maximum silence was reached",
        8510 => "nobody spoke before the initial silence ended",
        8511 => "the prompt could not be played",
        8512 => "the beep could not be played",
        8513 => "no media was received in time",
        8514 => "a stop tone was pressed",
        8515 => "the maximum recording length was reached",
        8528 => "the call was terminated",
        8536 => "a file could not be downloaded",
        8571 => "another recording was in progress",
        8588 => "the recording was completed although media stopped coming",
        8589 => "the recording was throttled",
        9998 | 9999 => "an unknown error in Microsoft's media platform",
        _ => return None,
    })
}

fn end_of_call(code: i64, subcode: i64) -> Option<&'static str> {
    Some(match subcode {
        1005 => "the platform could not reach the bot's media",
        1106 => "the bot's answer to the call was not acknowledged in time",
        4097 | 4521 | 18503 => "the other participant ended the call",
        5000 | 5300 => "another participant removed this one",
        5001 | 5003 => "the conversation ended",
        5002 => "all other participants left the call",
        5007 => "the participant who began the group call left it",
        5010 => "only one participant was left",
        5012 => "the list of participants was empty",
        5013 => "nobody else joined the group call",
        5014 => "no host was found for the group call",
        5020 => "only hidden participants were in the list of participants",
        5030 => "the time of the breakout room was over",
        5855 => "the participant waited too long in the lobby",
        7000 if code == 200 => "the bot ended the call",
        7000 | 7700 => "the call ended or was transferred",
        7015 => "the call was transferred",
        8537 => "the call was inactive, so the platform ended it",
        10_037 => "no device of the callee was found",
        10_057 => "no device of the callee answered in time",
        10_076 => "the callee could not be reached",
        10_134 => "there was no way to the callee",
        10_199 => "the callee may not have private calls",
        10_550 => "the bot ended the call",
        301_005 => "the media connection failed",
        540_000 | 560_000 => "the participant on the telephone network hung up",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table "Call end reason codes" of Graph's page on hanging up.
    const CALL_ENDS: [(i64, i64); 30] = [
        (200, 4097),
        (200, 4521),
        (200, 5000),
        (200, 5001),
        (200, 5002),
        (200, 5003),
        (200, 5007),
        (200, 5010),
        (200, 5012),
        (200, 5013),
        (200, 5014),
        (200, 5020),
        (200, 5030),
        (200, 5300),
        (200, 5855),
        (200, 7000),
        (200, 7015),
        (200, 10_550),
        (200, 18_503),
        (200, 540_000),
        (200, 560_000),
        (408, 8537),
        (408, 1106),
        (408, 10_057),
        (410, 301_005),
        (480, 10_037),
        (480, 10_076),
        (480, 10_134),
        (480, 10_199),
        (500, 1005),
    ];

    #[test]
    fn every_documented_end_of_a_call_is_told_in_words() {
        for (code, subcode) in CALL_ENDS {
            let words = result_in_words(code, subcode);
            assert_ne!(words, UNKNOWN, "{code}, {subcode}");
            assert!(!words.ends_with('.') && words.starts_with(char::is_lowercase), "{words:?}");
        }
        assert_eq!(result_in_words(200, 540_000), "the participant on the telephone network hung up");
        assert_eq!(result_in_words(200, 4711), UNKNOWN);
    }

    #[test]
    fn a_transfer_that_failed_is_no_end_by_the_bot() {
        assert_eq!(result_in_words(200, 7000), "the bot ended the call");
        assert_eq!(result_in_words(500, 7000), "the call ended or was transferred");
        assert_eq!(result_in_words(0, 7015), "the call was transferred");
    }

    #[test]
    fn a_recordings_end_is_told_in_words() {
        assert_eq!(result_in_words(400, 8508), "the operation was cancelled");
        assert_eq!(result_in_words(200, 8515), "the maximum recording length was reached");
    }
}
