//! The whole pipeline over a real store and a real vault.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod access;
mod answers;
mod audit;
mod breach;
mod callbacks;
mod cancel;
mod clocks;
mod closing;
mod connecting;
mod contact_book;
mod deciding;
mod delivery;
mod documents;
mod edits;
mod egress;
mod elsewhere;
mod erasing;
mod export;
mod fair;
mod fence;
mod figures;
mod gate;
mod hardening;
mod holds;
mod horizon;
mod identity;
mod interleaving;
mod key_service;
mod legal;
mod letters;
mod masking;
mod media;
mod pace;
mod policies;
mod portable;
mod processors;
mod promise_table;
mod promises;
mod receipts;
mod rectify;
mod requests;
mod restrict;
mod retention;
#[path = "../simulation/rng.rs"]
#[allow(dead_code, reason = "the simulation draws more from it")]
mod rng;
mod rules;
mod sharing;
mod standing;
mod takeover;
mod tap;
mod transfer;
mod usage;
mod world;
mod yielding;
