//! A query string's options, and their filter on its own: what is read is judged, put into SQL, and read back from its
//! own text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reelhook::odata::{Filter, Property, Query, Subject};

fuzz_target!(|text: &str| {
    let _ = Query::parse(text, &["id", "status"]);
    if let Ok(filter) = Filter::parse(text) {
        filter.matches(&Subject::default());
        let (sql, values) = filter.to_sql(Property::name);
        assert_eq!(sql.matches('?').count(), values.len());
        // Its own text may be a little longer, and so beyond the limit.
        if let Ok(again) = Filter::parse(&filter.to_string()) {
            assert_eq!(again, filter);
        }
    }
});
