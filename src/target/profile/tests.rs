//! The language of target profiles, and the built-in profiles held against
//! recorded exchanges.

mod coverage;
mod exchanges;
mod loading;
mod stage;
