//! `docs/sinks.md` held to the code.
