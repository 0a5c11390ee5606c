//! What librdkafka tells and asks while it runs, on its own thread.

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::sinks::lost::Lost;
use crate::sinks::reason::{MAX_REASON_CHARS, shown};

/// Watches a producer.
pub(super) struct Watch {
    pub(super) lost: Lost,
}

impl ClientContext for Watch {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        // What matters of it becomes the reason of an attempt. It never holds a secret: no debugging is switched on.
        tracing::debug!(reason = shown(message, MAX_REASON_CHARS), "librdkafka: {facility}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            // What the broker says may repeat what it was sent.
            Some(RDKafkaErrorCode::Authentication) => self.lost.lose("a broker refused the login: check auth"),
            Some(RDKafkaErrorCode::AllBrokersDown) => {
                let noted = self.lost.noted().unwrap_or_else(|| reason.to_owned());
                self.lost.lose(format!("no broker can be reached: {noted}"));
            }
            Some(RDKafkaErrorCode::Fatal) => self.lost.lose(reason),
            _ => self.lost.note(reason),
        }
    }
}
