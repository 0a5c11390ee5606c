//! The watch: speaks of operations that did not end in time, or never will.
