//! Both channels and the keys, from the outside, against a real provider.

mod calls;
mod keys;
mod subscriptions;
