//! What the benches share: printing a ratio beside its goal.
