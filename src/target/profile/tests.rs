//! The language of target profiles, and the built-in profiles held against
//! recorded exchanges.

mod answers;
mod coverage;
mod exchanges;
mod loading;
mod pages;
mod recorded;
mod requests;
mod rules;
mod sources;
mod stage;
mod steps;
mod templates;
