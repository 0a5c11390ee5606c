//! A disk that fails, a store that is held, a process that is killed.
