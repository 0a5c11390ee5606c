//! What every engine decides in the same way, apart from how rows are read and written: what an item is and what it
//! repeats, which operation it is about, what an announcement means, where the bounds are.

pub mod announced;
pub mod announcing;
pub mod bounds;
pub mod columns;
pub mod decided;
pub mod deliveries;
pub mod entry;
pub mod item;
pub mod known;
pub mod leases;
pub mod news;
pub mod receipt;
pub mod repeats;
pub mod routing;
pub mod schedule;
pub mod taken;
pub mod watching;
